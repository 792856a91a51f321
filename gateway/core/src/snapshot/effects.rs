//! What does another configuration change? In its routes, and in who may do what.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::Snapshot;
use crate::authorize::{Change, Direction, differences};

/// What changes from one configuration to another.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct Effects {
    /// In the order of the files; those that go come last.
    pub routes: Vec<RouteChange>,
    /// For each role, where the policies make another answer of a route.
    pub matrix: Vec<Change>,
    /// Whether anybody may do more than before, or something that cannot be compared.
    pub widens: bool,
}

/// A route that is another.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct RouteChange {
    pub name: String,
    /// Null: it is new.
    pub before: Option<RouteSummary>,
    /// Null: it goes.
    pub after: Option<RouteSummary>,
}

/// A route in short. Where both sides read the same, something else of it has changed, which the texts tell.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct RouteSummary {
    #[serde(rename = "match")]
    pub pattern: String,
    /// In words: `jwt or api_key`, `public`.
    pub authenticate: String,
    pub upstream: String,
}

impl Snapshot {
    /// What changes where `after` takes its place.
    pub fn effects(&self, after: &Self) -> Effects {
        let mut routes: Vec<RouteChange> = after
            .routes()
            .filter(|rules| self.written(&rules.name) != after.written(&rules.name))
            .map(|rules| change(&rules.name, self, after))
            .collect();
        let gone = self.routes().filter(|rules| after.rules_named(&rules.name).is_none());
        routes.extend(gone.map(|rules| change(&rules.name, self, after)));
        let mut roles: BTreeSet<_> = self.roles();
        roles.extend(after.roles());
        let matrix = differences(&self.matrix(&roles), &after.matrix(&roles));
        let widens = matrix.iter().any(|change| change.direction != Direction::Narrows);
        Effects { routes, matrix, widens }
    }

    fn summary(&self, name: &str) -> Option<RouteSummary> {
        let rules = self.rules_named(name)?;
        Some(RouteSummary {
            pattern: rules.pattern.to_string(),
            authenticate: rules.authenticate.to_string(),
            upstream: self.written(name)?.upstream.clone(),
        })
    }
}

fn change(name: &str, before: &Snapshot, after: &Snapshot) -> RouteChange {
    RouteChange { name: name.to_owned(), before: before.summary(name), after: after.summary(name) }
}
