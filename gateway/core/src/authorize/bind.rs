//! A route against the schema: everything about it that can be known to be wrong before a request comes.

mod slice;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Effect, Entities, EntityId, EntityTypeName, EntityUid, Policy};

use super::Authorize;
use super::context::Plan;
use super::policies::{Compiled, Policies};
use super::settled::Resource;
use super::shapes::Fields;
use crate::gather::Gather;
use crate::near::{listed, near};

/// What authorisation must know of a route.
#[derive(Clone, Copy, Debug)]
pub struct RouteFacts<'a> {
    /// The Cedar action.
    pub name: &'a str,
    /// As declared by the route; empty: whatever the schema says.
    pub action_groups: &'a [&'a str],
    /// Names in the path template, a tail without its star.
    pub params: &'a [&'a str],
    /// Names of the declared query parameters.
    pub query: &'a [&'a str],
    /// Whom its `authenticate` lets come this far.
    pub callers: &'a [Caller],
    pub resource: &'a Gather,
    pub body: BodyUse,
}

/// Whom a way of authenticating yields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// `public` and `optional`: nobody in particular.
    Anonymous,
    ApiKey,
    /// A `User`, or a `Client` for machine tokens.
    Jwt,
    Mtls,
    /// A `User`.
    Session,
}

/// Do policies see the body (`authorize_body`)?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyUse {
    Seen,
    Unseen,
}

/// One thing about a route that does not fit the schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteFault {
    pub about: About,
    pub message: String,
    pub help: String,
}

/// Where to point: at a key of the route, or at the schema file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum About {
    ActionGroups,
    Authenticate,
    Name,
    Resource,
    ResourceAttributes,
    Schema,
}

impl Caller {
    /// The Cedar entity types it may have.
    pub const fn yields(self) -> &'static [&'static str] {
        match self {
            Self::Anonymous => &["Anonymous"],
            Self::ApiKey => &["ApiKey"],
            Self::Jwt => &["User", "Client"],
            Self::Session => &["User"],
            Self::Mtls => &["Certificate"],
        }
    }

    /// The word in `authenticate`.
    const fn method(self) -> &'static str {
        match self {
            Self::Anonymous => "public` or `optional",
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Session => "session",
            Self::Mtls => "mtls",
        }
    }
}

impl Policies {
    /// The Cedar question of one route; all faults at once.
    pub fn route(&self, facts: &RouteFacts<'_>) -> Result<Authorize, Vec<RouteFault>> {
        let compiled = &self.0;
        let action = action(compiled, facts).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let base = base(compiled, &action).map_err(|fault| vec![fault])?;
        groups(&base, &action, facts, &mut faults);
        resource(compiled, &action, facts, &mut faults);
        let principals = principals(compiled, &action);
        let mut warnings = callers(&principals, facts, &mut faults);
        let nothing = Fields::default();
        let fields = compiled.shapes.contexts.get(facts.name).unwrap_or(&nothing);
        let context = Plan::of(fields, facts).map_err(|some| faults.extend(some)).unwrap_or_default();
        if !faults.is_empty() {
            return Err(faults);
        }
        let policies = slice::of(compiled, (&action, &base), facts.resource.kind());
        if !policies.policies().any(|policy| Policy::effect(policy) == Effect::Permit) {
            warnings.push(format!("no policy can permit `{}`, so it always refuses", facts.name));
        }
        let resource =
            if facts.resource.is_fixed() && !facts.resource.asks() { Resource::Fixed } else { Resource::OfTheRequest };
        let memory = compiled.settled.memory(&policies, resource);
        Ok(Authorize { compiled: Arc::clone(compiled), action, principals, policies, base, context, memory, warnings })
    }
}

fn action(compiled: &Compiled, facts: &RouteFacts<'_>) -> Result<EntityUid, RouteFault> {
    let fault = |message, help| RouteFault { about: About::Name, message, help };
    let name = EntityTypeName::from_str("Action").map_err(|error| fault(error.to_string(), String::new()))?;
    let uid = EntityUid::from_type_name_and_id(name, EntityId::new(facts.name));
    if compiled.actions.get(&uid).is_some() {
        return Ok(uid);
    }
    let known: Vec<&EntityUid> = compiled.schema.actions().collect();
    let message = format!("the schema has no action `{}`", facts.name);
    if let Some(elsewhere) = known.iter().find(|other| other.id().unescaped() == facts.name) {
        let help = format!("`{elsewhere}` is in a namespace; actions of routes stand outside any");
        return Err(fault(message, help));
    }
    let line = declaration(facts);
    let names = known.iter().map(|other| other.id().unescaped());
    let help = match near(facts.name, names) {
        Some(meant) => format!("did you mean `{meant}`? if not, add to the schema: `{line}`"),
        None => format!("add to the schema: `{line}`"),
    };
    Err(fault(message, help))
}

/// The line of schema that would do for a route.
fn declaration(facts: &RouteFacts<'_>) -> String {
    let kinds: BTreeSet<&str> = facts.callers.iter().flat_map(|caller| caller.yields()).copied().collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
    let groups: Vec<String> = facts.action_groups.iter().map(|group| format!("{group:?}")).collect();
    let member = if groups.is_empty() { String::new() } else { format!(" in [{}]", groups.join(", ")) };
    let resource = facts.resource.kind();
    format!("action {:?}{member} appliesTo {{ principal: [{kinds}], resource: [{resource}] }};", facts.name)
}

/// The action's entity and those of its groups: the smallest store in which `action in …` is right.
fn base(compiled: &Compiled, action: &EntityUid) -> Result<Entities, RouteFault> {
    let fault = |error: cedar_policy::entities_errors::EntitiesError| RouteFault {
        about: About::Schema,
        message: format!("action {action}: {error}"),
        help: "check the action's groups in the schema".to_owned(),
    };
    let groups = compiled.actions.ancestors(action).into_iter().flatten();
    let kept: Vec<_> = groups.chain([action]).filter_map(|uid| compiled.actions.get(uid)).cloned().collect();
    Entities::from_entities(kept, None).map_err(fault)
}

fn groups(base: &Entities, action: &EntityUid, facts: &RouteFacts<'_>, faults: &mut Vec<RouteFault>) {
    let schema: BTreeSet<&str> = base.ancestors(action).into_iter().flatten().map(|uid| uid.id().unescaped()).collect();
    let route: BTreeSet<&str> = facts.action_groups.iter().copied().collect();
    if route.is_empty() || route == schema {
        return;
    }
    let in_words = |groups: &BTreeSet<&str>| match groups.iter().copied().collect::<Vec<_>>().as_slice() {
        [] => "no group".to_owned(),
        some => listed(some),
    };
    faults.push(RouteFault {
        about: About::ActionGroups,
        message: format!(
            "`{}` is in {} here, and in {} in the schema",
            facts.name,
            in_words(&route),
            in_words(&schema)
        ),
        help: "policies go by the schema: make both the same, or leave `action_groups` out".to_owned(),
    });
}

fn resource(compiled: &Compiled, action: &EntityUid, facts: &RouteFacts<'_>, faults: &mut Vec<RouteFault>) {
    let kind = facts.resource.kind();
    let fault = |message, help| RouteFault { about: About::Resource, message, help };
    let Some(shape) = compiled.shapes.entities.get(&kind.to_string()) else {
        let known = compiled.shapes.entities.keys().map(String::as_str);
        let help = match near(&kind.to_string(), known) {
            Some(meant) => format!("did you mean `{meant}`? if not, add to the schema: `entity {kind};`"),
            None => format!("add to the schema: `entity {kind};`"),
        };
        faults.push(fault(format!("the schema has no entity type `{kind}`"), help));
        return;
    };
    let allowed = compiled.schema.resources_for_action(action);
    let allowed: BTreeSet<String> = allowed.into_iter().flatten().map(ToString::to_string).collect();
    if !allowed.contains(&kind.to_string()) {
        let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
        let help = if names.is_empty() {
            format!("write in the schema: `{}`", declaration(facts))
        } else {
            format!(
                "it applies to {}; add `{kind}` to its `resource: […]`, or change the route's `resource`",
                listed(&names)
            )
        };
        faults.push(fault(format!("action `{}` does not apply to resources of type `{kind}`", facts.name), help));
    }
    let required: Vec<&str> = shape.fields.required().collect();
    if let Some(attributes) = facts.resource.attributes() {
        let known: Vec<&str> = shape.fields.0.keys().map(String::as_str).collect();
        for name in attributes.names().filter(|name| !known.contains(name)) {
            let message = format!("`set` makes an attribute `{name}`, which the schema's `{kind}` does not have");
            let help = crate::near::did_you_mean(name, &known);
            faults.push(RouteFault { about: About::ResourceAttributes, message, help });
        }
        for parent in attributes.parents().filter(|parent| !shape.member_of.contains(&parent.to_string())) {
            let message = format!("the schema's `{kind}` cannot be in a `{parent}`");
            let help = format!("write in the schema: `entity {kind} in [{parent}]`, or take it out of `parents`");
            faults.push(RouteFault { about: About::ResourceAttributes, message, help });
        }
    } else if !required.is_empty() {
        let message =
            format!("`{kind}` requires {}, and the route does not say where it comes from", listed(&required));
        faults.push(fault(message, "give the route `resource_attributes`, or make them optional in the schema and ask `has` before reading them".to_owned()));
    }
}

fn principals(compiled: &Compiled, action: &EntityUid) -> BTreeSet<String> {
    let kinds = compiled.schema.principals_for_action(action);
    kinds.into_iter().flatten().map(ToString::to_string).collect()
}

/// Every way in must let somebody through; a kind that one way may yield and the schema leaves out is
/// a warning, for it may be meant.
fn callers(allowed: &BTreeSet<String>, facts: &RouteFacts<'_>, faults: &mut Vec<RouteFault>) -> Vec<String> {
    let mut warnings = Vec::new();
    for caller in facts.callers {
        let missing: Vec<&str> = caller.yields().iter().copied().filter(|kind| !allowed.contains(*kind)).collect();
        if missing.len() == caller.yields().len() {
            faults.push(RouteFault {
                about: About::Authenticate,
                message: format!(
                    "`{}` yields {}, for whom the schema's action `{}` is not",
                    caller.method(),
                    listed(&missing),
                    facts.name
                ),
                help: format!("add `{}` to its `principal: […]`, or change `authenticate`", missing.join(", ")),
            });
        } else if !missing.is_empty() {
            warnings.push(format!(
                "`{}` may yield {}, for whom the schema's action `{}` is not: they are always refused",
                caller.method(),
                listed(&missing),
                facts.name
            ));
        }
    }
    warnings
}
