//! What is known of the thing asked for?
//!
//! INVARIANT: what a client sent never becomes Cedar text. A resource is put together from typed
//! parts, so a parameter holding `"` or `::` is an odd id and nothing more.

mod attributes;
mod config;
mod hierarchy;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid};

pub use attributes::{Ask, Attributes, Known, Thing, Things};
pub use config::{AttributesFrom, HierarchyConfig, OnFailure, ResourceAttributesConfig};
pub use hierarchy::{Hierarchy, HierarchyFault};

use crate::refusal::{Code, Refusal};
use template::Names;

/// A path parameter of the matched route: its name and its decoded value.
pub type Param<'a> = (&'a str, Cow<'a, str>);

/// The resource of one route, compiled from its `resource` template.
#[derive(Clone, Debug)]
pub struct Gather {
    kind: EntityTypeName,
    id: Vec<Piece>,
    /// The whole entity where the template has no parameter.
    fixed: Option<Entity>,
    attributes: Option<Attributes>,
    hierarchy: Option<Arc<Hierarchy>>,
}

/// One part of a resource's id.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Param(String),
    Text(String),
}

/// Why a template is not one, and how to mend it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TemplateFault {
    pub message: String,
    pub help: String,
}

impl Gather {
    /// Compiles `Order::"{id}"`; `params` are the names in the route's path template.
    ///
    /// `{{` and `}}` stand for the braces themselves. The entity type may have a namespace.
    pub fn compile(template: &str, params: &[&str]) -> Result<Self, TemplateFault> {
        let (kind, id) = template::parse(template, Names::These(params))?;
        Ok(Self::new(kind, id))
    }

    /// `App::"<upstream>"`: the resource of a route that names none.
    pub fn of_upstream(upstream: &str) -> Result<Self, TemplateFault> {
        let kind = EntityTypeName::from_str("App")
            .map_err(|error| TemplateFault { message: error.to_string(), help: String::new() })?;
        Ok(Self::new(kind, vec![Piece::Text(upstream.to_owned())]))
    }

    fn new(kind: EntityTypeName, id: Vec<Piece>) -> Self {
        let text: Option<String> = id
            .iter()
            .map(|piece| match piece {
                Piece::Param(_) => None,
                Piece::Text(text) => Some(text.as_str()),
            })
            .collect();
        let fixed = text.map(|text| entity(&kind, &text));
        Self { kind, id, fixed, attributes: None, hierarchy: None }
    }

    /// With attributes, for policies to speak about.
    #[must_use]
    pub fn with(mut self, attributes: Attributes) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// Whatever it is in is in something by this.
    #[must_use]
    pub fn under(mut self, hierarchy: &Arc<Hierarchy>) -> Self {
        self.hierarchy = (!hierarchy.is_empty()).then(|| Arc::clone(hierarchy));
        self
    }

    /// Whether more than its name may be known of it.
    pub fn asks(&self) -> bool {
        self.attributes.is_some() || self.hierarchy.as_ref().is_some_and(|hierarchy| hierarchy.tells_of(&self.kind))
    }

    /// Where its attributes come from; `None`: it has none.
    pub fn attributes(&self) -> Option<&Attributes> {
        self.attributes.as_ref()
    }

    /// What is known of the resource of one request besides its name; `None`: nothing is to be asked.
    pub async fn learn(&self, params: &[Param<'_>], things: &dyn Things) -> Result<Option<Known>, Refusal> {
        if !self.asks() {
            return Ok(None);
        }
        let uid = self.resource(params)?.uid();
        let (mut known, mut first) = (Known::default(), None);
        if let Some(attributes) = &self.attributes {
            known = attributes.learn(uid.id().unescaped(), params, things).await?;
            // A route that names parents has the first word.
            first = attributes.parents().next().map(|_| std::mem::take(&mut known.parents));
        }
        let nothing = Hierarchy::default();
        let hierarchy = self.hierarchy.as_deref().unwrap_or(&nothing);
        known.parents = hierarchy.above(&uid, first, things).await?;
        Ok(Some(known))
    }

    /// The Cedar entity type of every resource of this route.
    pub fn kind(&self) -> &EntityTypeName {
        &self.kind
    }

    /// Whether every request of the route has the same resource.
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The id, where every request of the route has the same.
    pub fn fixed_id(&self) -> Option<&str> {
        match self.id.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The resource of one request.
    ///
    /// A parameter that is not there is a fault of ours, not of the caller: it refuses with `internal_error`.
    pub fn resource(&self, params: &[Param<'_>]) -> Result<Entity, Refusal> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let mut id = String::new();
        for piece in &self.id {
            match piece {
                Piece::Text(text) => id.push_str(text),
                Piece::Param(name) => match params.iter().find(|(known, _)| known == name) {
                    Some((_, value)) => id.push_str(value),
                    None => {
                        return Err(Refusal::new(Code::InternalError).because(format!(
                            "the resource wants the path parameter `{name}`, which was not matched"
                        )));
                    }
                },
            }
        }
        Ok(entity(&self.kind, &id))
    }
}

/// Its attributes are typed by the schema, which is asked where the policies are.
fn entity(kind: &EntityTypeName, id: &str) -> Entity {
    Entity::with_uid(EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id)))
}
