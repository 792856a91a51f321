//! What the policies make of the routes, for those who write them.

use std::collections::BTreeSet;

use super::{Rules, Snapshot};
use crate::authorize::{BodyUse, Matrix, Role, RouteFacts, derived_schema};
use crate::validate::Place;

impl Snapshot {
    /// The roles between which the policies may make a difference, of the callers that some route lets in.
    pub fn roles(&self) -> BTreeSet<Role> {
        let kinds =
            self.routes().flat_map(|rules| &rules.callers).flat_map(|caller| caller.yields()).copied().collect();
        self.policies.roles(&kinds)
    }

    /// Every route against these roles.
    pub fn matrix(&self, roles: &BTreeSet<Role>) -> Matrix {
        let doors: Vec<_> = self.routes().map(Rules::door).collect();
        self.policies.matrix(&doors, roles)
    }

    /// The Cedar schema that the routes ask for.
    pub fn derived_schema(&self) -> String {
        let words: Vec<_> = self
            .rules
            .iter()
            .filter_map(|rules| {
                let route = self.written(&rules.name)?;
                let groups: Vec<&str> = route.action_groups.iter().map(String::as_str).collect();
                let params: Vec<&str> = route.matches.parameters().collect();
                let query = route.parameters.iter().filter(|parameter| parameter.place == Place::Query);
                Some((rules, groups, params, query.map(|parameter| parameter.name.as_str()).collect::<Vec<_>>()))
            })
            .collect();
        let facts: Vec<RouteFacts<'_>> = words
            .iter()
            .map(|(rules, groups, params, query)| RouteFacts {
                name: &rules.name,
                action_groups: groups,
                params,
                query,
                callers: &rules.callers,
                resource: &rules.gather,
                body: if rules.authorize_body { BodyUse::Seen } else { BodyUse::Unseen },
            })
            .collect();
        derived_schema(&facts, Some(&self.policies))
    }
}
