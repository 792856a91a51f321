//! Does every policy fit the schema? Cedar looks at each under every action, which with thousands of both takes minutes.
//!
//! A policy of a single action (`action == …`) needs to be looked at under that action alone: under any other its scope
//! is false, and Cedar looks no further. So policies of that kind are first tried, some at a time, on a schema that has no
//! other actions. What is without fault there is without fault; whatever is not is tried on the whole schema, which
//! alone decides what is told: a condition may speak of an action that the small one does not have.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use serde_json::{Map, Value};

use super::{Described, Rule};
use crate::authorize::fault::PolicyFault;
use crate::near::near;

/// Up to so many actions the whole schema is no burden.
const FEW: usize = 50;

/// How many actions a small schema has, beside the groups they are in.
const TOGETHER: usize = 10;

/// Strictly; what can never apply is a fault too.
pub(super) fn validate(
    described: &Described,
    whole: &PolicySet,
    rules: &[Rule],
    (faults, warnings): (&mut Vec<PolicyFault>, &mut Vec<PolicyFault>),
) {
    let schema = &described.schema;
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
    let doubtful = doubtful(described, whole);
    let whole = doubtful.as_ref().unwrap_or(whole);
    let result = Validator::new(schema.clone()).validate(whole, ValidationMode::Strict);
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

/// The policies that must be tried on the whole schema; `None`: all.
fn doubtful(described: &Described, whole: &PolicySet) -> Option<PolicySet> {
    described.schema.actions().nth(FEW)?;
    let mut doubtful = PolicySet::new();
    let mut of_one: BTreeMap<EntityUid, Vec<&Policy>> = BTreeMap::new();
    for policy in whole.policies() {
        match policy.action_constraint() {
            ActionConstraint::Eq(action) => of_one.entry(action).or_default().push(policy),
            ActionConstraint::Any | ActionConstraint::In(_) => doubtful.add(policy.clone()).ok()?,
        }
    }
    let of_one: Vec<_> = of_one.into_iter().collect();
    for some in of_one.chunks(TOGETHER) {
        let policies = || some.iter().flat_map(|(_, policies)| policies.iter().copied());
        let suspects: Option<HashSet<PolicyId>> = small(&described.json, some.iter().map(|(action, _)| action))
            .zip(PolicySet::from_policies(policies().cloned()).ok())
            .map(|(schema, policies)| {
                let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
                let errors = result.validation_errors().map(cedar_policy::ValidationError::policy_id);
                errors.chain(result.validation_warnings().map(ValidationWarning::policy_id)).cloned().collect()
            });
        for policy in policies() {
            if suspects.as_ref().is_none_or(|suspects| suspects.contains(policy.id())) {
                doubtful.add(policy.clone()).ok()?;
            }
        }
    }
    Some(doubtful)
}

/// The schema with these actions and the groups they are in; `None` where one is not there.
fn small<'a>(json: &Value, actions: impl Iterator<Item = &'a EntityUid>) -> Option<Schema> {
    let mut open: Vec<(String, String)> =
        actions.map(|action| (action.type_name().namespace(), action.id().unescaped().to_owned())).collect();
    let mut kept: HashMap<String, Map<String, Value>> = HashMap::new();
    while let Some((namespace, id)) = open.pop() {
        let action = json.get(&namespace)?.get("actions")?.get(&id)?;
        for group in action.get("memberOf").and_then(Value::as_array).into_iter().flatten() {
            let of = match group.get("type").and_then(Value::as_str) {
                None => namespace.clone(),
                Some(kind) => kind.strip_suffix("Action")?.trim_end_matches("::").to_owned(),
            };
            open.push((of, group.get("id")?.as_str()?.to_owned()));
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
