//! May they, where there is no route? One question put to a set of policies as it stands.

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request};

use super::policies::Policies;
use super::{Denied, Grant, answer};
use crate::refusal::{Code, Refusal};

/// A whole set of policies, and the actions of its schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Direct {
    policies: Policies,
    /// Every action with its groups, without which `action in …` silently never matches.
    base: Entities,
}

impl Direct {
    /// # Errors
    /// For the operator: the schema's actions contradict each other.
    pub fn new(policies: Policies) -> Result<Self, String> {
        let base = policies.0.schema.action_entities().map_err(|error| error.to_string())?;
        Ok(Self { policies, base })
    }

    /// The names of the schema's actions that stand for something to be done: groups are none.
    pub fn actions(&self) -> Vec<String> {
        let schema = &self.policies.0.schema;
        let done =
            |action: &&EntityUid| schema.principals_for_action(action).is_some_and(|mut all| all.next().is_some());
        schema.actions().filter(done).map(|action| action.id().unescaped().to_owned()).collect()
    }

    /// Asks. Refuses with `forbidden`, or with `policy_error` when the question does not fit the schema.
    pub fn ask(&self, principal: Entity, action: &str, resource: Entity, context: Context) -> Result<Grant, Denied> {
        let compiled = &self.policies.0;
        let odd = |why: String| Denied::by_nobody(Refusal::new(Code::PolicyError).because(why));
        let kind: EntityTypeName = "Action".parse().map_err(|_| odd("`Action` is no type".to_owned()))?;
        let action = EntityUid::from_type_name_and_id(kind, EntityId::new(action));
        let (who, what) = (principal.uid(), resource.uid());
        let request = Request::new(who.clone(), action.clone(), what, context, Some(&compiled.schema))
            .map_err(|_| odd(format!("the request does not fit the schema's action {action}")))?;
        let entities = self.base.clone().add_entities([principal, resource], Some(&compiled.schema));
        let entities = entities.map_err(|error| odd(error.to_string()))?;
        let response = Authorizer::new().is_authorized(&request, &compiled.whole, &entities);
        answer(compiled, &response, || format!("no policy permits {who} to {action}"))
    }
}
