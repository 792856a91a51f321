//! Does every policy fit the schema? Cedar looks at each under every action, which with thousands of both takes minutes.
//!
//! A policy of a single action (`action == …`) needs to be looked at under that action alone: under any other its scope
//! is false, and Cedar looks no further. Any other policy needs to be looked at under each action that it names, and of
//! those that it does not name under one of each kind: where two are declared alike but for their names, Cedar finds the
//! same under both. So policies are first tried, some at a time, on a schema that has no other actions. What is without
//! fault there is without fault; whatever is not is tried on the whole schema, which alone decides what is told: a
//! condition may speak of an action that the small one does not have.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use serde_json::{Map, Value};

use super::Rule;
use crate::authorize::fault::PolicyFault;
use crate::near::near;

/// Up to so many actions the whole schema is no burden.
const FEW: usize = 50;

/// How many actions a small schema has, beside the groups they are in.
const TOGETHER: usize = 10;

/// Strictly, on the whole schema; what can never apply is a fault too.
pub(super) fn validate(
    schema: &Schema,
    policies: &PolicySet,
    rules: &[Rule],
    (faults, warnings): (&mut Vec<PolicyFault>, &mut Vec<PolicyFault>),
) {
    let places: HashMap<&PolicyId, &Rule> = rules.iter().map(|rule| (rule.policy.id(), rule)).collect();
    let place = |id: &PolicyId, diagnostic: &dyn miette::Diagnostic| {
        let rule = places.get(id);
        let mut fault = PolicyFault::one(rule.map_or("", |rule| &rule.file), diagnostic);
        if fault.offset.is_none() {
            fault = fault.at(rule.and_then(|rule| rule.span));
        }
        if let Some(meant) = meant(schema, &fault.message) {
            fault.help = Some(format!("did you mean `{meant}`?"));
        }
        fault
    };
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::Strict);
    faults.extend(result.validation_errors().map(|error| place(error.policy_id(), error)));
    // Where an error is told already, "never applies" is its consequence.
    let mut told: HashSet<&PolicyId> =
        result.validation_errors().map(cedar_policy::ValidationError::policy_id).collect();
    for warning in result.validation_warnings() {
        let fault = place(warning.policy_id(), warning);
        match warning {
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                if told.insert(warning.policy_id()) {
                    faults.push(never_applies(fault));
                }
            }
            // Of another crate, which may add to it.
            _ => warnings.push(fault),
        }
    }
}

/// The closest name to one that the schema does not know. Cedar's own guess may be any of several, a different one each
/// time.
fn meant(schema: &Schema, message: &str) -> Option<String> {
    let named = |what: &str| message.split_once(what)?.1.strip_suffix('`');
    if let Some(action) = named("unrecognized action `Action::\"").and_then(|id| id.strip_suffix('"')) {
        let known: Vec<&str> = schema.actions().map(|known| known.id().unescaped()).collect();
        return near(action, known).map(|id| format!("Action::\"{id}\""));
    }
    let kind = named("unrecognized entity type `")?;
    let known: Vec<String> = schema.entity_types().map(ToString::to_string).collect();
    near(kind, known.iter().map(String::as_str)).map(str::to_owned)
}

fn never_applies(mut fault: PolicyFault) -> PolicyFault {
    fault.help.get_or_insert_with(|| {
        "it can never apply: compare its principal, action and resource with `appliesTo` in the schema, or remove it".to_owned()
    });
    fault
}

/// The policies that must be tried on the whole schema, of which this is the JSON form; `None`: all.
pub(super) fn doubtful(json: &Value, whole: &PolicySet) -> Option<PolicySet> {
    actions(json).nth(FEW)?;
    let mut doubtful = PolicySet::new();
    let mut of_one: BTreeMap<EntityUid, Vec<&Policy>> = BTreeMap::new();
    let mut of_many: Vec<&Policy> = Vec::new();
    for policy in whole.policies() {
        match policy.action_constraint() {
            ActionConstraint::Eq(action) => of_one.entry(action).or_default().push(policy),
            ActionConstraint::Any | ActionConstraint::In(_) => of_many.push(policy),
        }
    }
    let of_one: Vec<_> = of_one.into_iter().collect();
    let of_one = of_one.chunks(TOGETHER).map(|some| {
        let actions = some.iter().map(|(action, _)| Name::of(action)).collect();
        (actions, some.iter().flat_map(|(_, policies)| policies).copied().collect())
    });
    let kinds = if of_many.is_empty() { Vec::new() } else { kinds(json) };
    let of_many = of_many.chunks(TOGETHER).map(|some| {
        let named: Option<Vec<Vec<Name>>> = some.iter().map(|policy| named(policy)).collect();
        (named.into_iter().flatten().flatten().chain(kinds.iter().cloned()).collect(), some.to_vec())
    });
    for (actions, policies) in of_one.chain(of_many) {
        let (actions, policies): (Vec<Name>, Vec<&Policy>) = (actions, policies);
        let suspects: Option<HashSet<PolicyId>> = small(json, actions)
            .zip(PolicySet::from_policies(policies.iter().copied().cloned()).ok())
            .map(|(schema, policies)| {
                let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
                let errors = result.validation_errors().map(cedar_policy::ValidationError::policy_id);
                errors.chain(result.validation_warnings().map(ValidationWarning::policy_id)).cloned().collect()
            });
        for policy in policies {
            if suspects.as_ref().is_none_or(|suspects| suspects.contains(policy.id())) {
                doubtful.add(policy.clone()).ok()?;
            }
        }
    }
    Some(doubtful)
}

/// An action: its namespace and its id.
#[derive(Clone, Debug)]
struct Name {
    namespace: String,
    id: String,
}

impl Name {
    fn of(action: &EntityUid) -> Self {
        Self { namespace: action.type_name().namespace(), id: action.id().unescaped().to_owned() }
    }

    /// `None`: it is no action, by the name of its type.
    fn of_type(kind: &str, id: &str) -> Option<Self> {
        let namespace = kind.strip_suffix("Action")?;
        let namespace = if namespace.is_empty() { namespace } else { namespace.strip_suffix("::")? };
        Some(Self { namespace: namespace.to_owned(), id: id.to_owned() })
    }
}

/// Each with its namespace, its id and what is declared of it.
fn actions(json: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    json.as_object().into_iter().flatten().flat_map(|(namespace, declared)| {
        let actions = declared.get("actions").and_then(Value::as_object).into_iter().flatten();
        actions.map(move |(id, action)| (namespace, id, action))
    })
}

/// One action of each kind: those of a kind are declared alike but for their names.
fn kinds(json: &Value) -> Vec<Name> {
    let mut known = HashSet::new();
    actions(json)
        .filter(|(namespace, _, action)| known.insert((*namespace, action.to_string())))
        .map(|(namespace, id, _)| Name { namespace: namespace.clone(), id: id.clone() })
        .collect()
}

/// The actions that a policy names, by Cedar's own JSON form of it; `None`: it has none.
fn named(policy: &Policy) -> Option<Vec<Name>> {
    fn gather(json: &Value, found: &mut Vec<Name>) {
        match json {
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            Value::Object(members) => {
                let text = |key: &str| members.get(key).and_then(Value::as_str);
                found.extend(text("type").zip(text("id")).and_then(|(kind, id)| Name::of_type(kind, id)));
                members.values().for_each(|member| gather(member, found));
            }
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    gather(&policy.to_json().ok()?, &mut found);
    Some(found)
}

/// The schema with these actions and the groups they are in; `None` where one is not there.
fn small(json: &Value, mut open: Vec<Name>) -> Option<Schema> {
    let mut kept: HashMap<String, Map<String, Value>> = HashMap::new();
    while let Some(Name { namespace, id }) = open.pop() {
        if kept.get(&namespace).is_some_and(|actions| actions.contains_key(&id)) {
            continue;
        }
        let action = json.get(&namespace)?.get("actions")?.get(&id)?;
        for group in action.get("memberOf").and_then(Value::as_array).into_iter().flatten() {
            let id = group.get("id")?.as_str()?;
            open.push(match group.get("type").and_then(Value::as_str) {
                None => Name { namespace: namespace.clone(), id: id.to_owned() },
                Some(kind) => Name::of_type(kind, id)?,
            });
        }
        kept.entry(namespace).or_default().insert(id, action.clone());
    }
    let small = json.as_object()?.iter().map(|(namespace, declared)| {
        let mut declared: Map<String, Value> = declared
            .as_object()?
            .iter()
            .filter(|(key, _)| *key != "actions")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        declared.insert("actions".to_owned(), Value::Object(kept.remove(namespace).unwrap_or_default()));
        Some((namespace.clone(), Value::Object(declared)))
    });
    Schema::from_json_value(Value::Object(small.collect::<Option<Map<String, Value>>>()?)).ok()
}
