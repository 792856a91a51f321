//! A question that can be asked again: as it was put to the policies, or put together from words.

use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request};
use serde_json::{Map, Value};

use super::{Explanation, Values};
use crate::authorize::policies::{Compiled, Policies};
use crate::authorize::shapes::{Fields, Presence};
use crate::authorize::typed;
use crate::identify::Identity;

/// One request as the policies saw it, and those policies.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(in crate::authorize) compiled: Arc<Compiled>,
    pub(in crate::authorize) request: Request,
    pub(in crate::authorize) entities: Entities,
}

impl Asked {
    /// Evaluates every condition again. As dear as many decisions: for people, not for requests.
    pub fn explain(&self) -> Explanation {
        super::explain(&self.compiled, (&self.request, &self.entities), Values::Shown)
    }

    /// As [`Self::explain`], without the values that Cedar's errors repeat: for records that others read.
    pub fn account(&self) -> Explanation {
        super::explain(&self.compiled, (&self.request, &self.entities), Values::Veiled)
    }

    /// `Order::"17"`.
    pub fn resource(&self) -> Option<String> {
        self.request.resource().map(ToString::to_string)
    }
}

/// A question in an operator's words.
#[derive(Debug)]
pub struct Facts<'a> {
    pub identity: &'a Identity,
    /// The route's name.
    pub action: &'a str,
    /// `Order::"17"`.
    pub resource: &'a str,
    pub resource_attributes: &'a Map<String, Value>,
    /// Members of the context; what the schema does not declare is left out.
    pub context: &'a Map<String, Value>,
}

impl Policies {
    /// Puts a question together; `Err`: what is missing or does not fit.
    pub fn asked(&self, facts: &Facts<'_>) -> Result<Asked, String> {
        let compiled = &self.0;
        let schema = &compiled.schema;
        let action = EntityUid::from_str(&format!("Action::{:?}", facts.action)).map_err(|error| error.to_string())?;
        let all = schema.action_entities().map_err(|error| error.to_string())?;
        if all.get(&action).is_none() {
            return Err(format!("the schema has no action `{}`", facts.action));
        }
        let resource = EntityUid::from_str(facts.resource)
            .map_err(|_| format!("`{}` is not an entity such as `Order::\"17\"`", facts.resource))?;
        let kind = resource.type_name().to_string();
        let nothing = Fields::default();
        let declared = compiled.shapes.entities.get(&kind).map_or(&nothing, |shape| &shape.fields);
        let attributes = typed::trusted(facts.resource_attributes, declared)
            .map_err(|misfit| format!("attribute {misfit} (of {resource})"))?;
        let above = compiled.hierarchy().map_or(&[][..], |hierarchy| hierarchy.told_above(&resource));
        let parents = above.iter().cloned().collect();
        let resource =
            Entity::new(resource, attributes.into_iter().collect(), parents).map_err(|error| error.to_string())?;
        let principal = compiled.principals.entity(facts.identity, schema, compiled.hierarchy())?;
        let declared = compiled.shapes.contexts.get(facts.action).unwrap_or(&nothing);
        let missing: Vec<&str> = declared
            .0
            .iter()
            .filter(|(name, field)| field.presence == Presence::Required && !facts.context.contains_key(*name))
            .map(|(name, _)| name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(format!("the context of `{}` needs {}", facts.action, crate::near::listed(&missing)));
        }
        let pairs = typed::record(facts.context, declared).map_err(|misfit| format!("context attribute {misfit}"))?;
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let request = Request::new(principal.uid(), action, resource.uid(), context, Some(schema))
            .map_err(|error| error.to_string())?;
        let added = if principal.uid() == resource.uid() { vec![principal] } else { vec![principal, resource] };
        let entities = all.add_entities(added, Some(schema)).map_err(|error| error.to_string())?;
        Ok(Asked { compiled: Arc::clone(compiled), request, entities })
    }

    /// The attributes that a context of this action may have, and whether they must be there.
    pub fn context_names(&self, action: &str) -> Vec<(&str, Presence)> {
        let declared = self.0.shapes.contexts.get(action);
        declared.into_iter().flat_map(|fields| &fields.0).map(|(name, field)| (name.as_str(), field.presence)).collect()
    }
}
