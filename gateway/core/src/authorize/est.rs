//! Cedar's JSON form of a policy, taken apart and written out.

use cedar_policy::{Effect, Policy};
use serde_json::{Value, json};

/// `left && right`, at any nesting to the left: each conjunct in the order Cedar reaches it.
pub(super) fn conjuncts(expression: &Value) -> Vec<&Value> {
    match expression.get("&&").and_then(|and| Some((and.get("left")?, and.get("right")?))) {
        Some((left, right)) => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        None => vec![expression],
    }
}

/// The conditions of a policy as expressions that must be true: the body of `when`, the opposite of `unless`.
pub(super) fn conditions(policy: &Value) -> Vec<Value> {
    let conditions = policy.get("conditions").and_then(Value::as_array);
    let expression = |condition: &Value| {
        let body = condition.get("body")?.clone();
        match condition.get("kind")?.as_str()? {
            "unless" => Some(not(body)),
            _ => Some(body),
        }
    };
    conditions.into_iter().flatten().filter_map(expression).collect()
}

/// The scope as three expressions over `principal`, `action` and `resource`; `true` where it demands nothing.
pub(super) fn scope(policy: &Value) -> [Value; 3] {
    ["principal", "action", "resource"].map(|var| {
        let constraint = policy.get(var).unwrap_or(&Value::Null);
        let part = |name: &str| constraint.get(name).cloned();
        let this = json!({ "Var": var });
        let entity = |uid: Value| json!({ "Value": { "__entity": uid } });
        match (constraint.get("op").and_then(Value::as_str), part("entity"), part("entities"), part("entity_type")) {
            (Some("=="), Some(uid), ..) => binary("==", this, entity(uid)),
            (Some("in"), Some(uid), ..) => binary("in", this, entity(uid)),
            (Some("in"), _, Some(Value::Array(uids)), _) => {
                let set: Vec<Value> = uids.into_iter().map(entity).collect();
                binary("in", this, json!({ "Set": set }))
            }
            (Some("is"), _, _, Some(kind)) => {
                let mut is = json!({ "is": { "left": this, "entity_type": kind } });
                if let Some(uid) = constraint.get("in").and_then(|within| within.get("entity"))
                    && let Some(is) = is.get_mut("is").and_then(Value::as_object_mut)
                {
                    is.insert("in".to_owned(), entity(uid.clone()));
                }
                is
            }
            _ => literal(true),
        }
    })
}

pub(super) fn literal(bool: bool) -> Value {
    json!({ "Value": bool })
}

pub(super) fn not(expression: Value) -> Value {
    json!({ "!": { "arg": expression } })
}

/// As [`not`], without saying it twice.
pub(super) fn opposite(expression: Value) -> Value {
    match expression.pointer("/!/arg") {
        Some(inner) => inner.clone(),
        None => not(expression),
    }
}

pub(super) fn binary(operator: &str, left: Value, right: Value) -> Value {
    json!({ operator: { "left": left, "right": right } })
}

/// The permit that applies to every request of which `expression` is true; `None` where Cedar cannot read it.
pub(super) fn permit_when(expression: &Value) -> Option<Policy> {
    let all = json!({ "op": "All" });
    let policy = json!({
        "effect": "permit", "principal": all, "action": all, "resource": all,
        "conditions": [{ "kind": "when", "body": expression }],
    });
    Policy::from_json(None, policy).ok()
}

/// As Cedar writes it, on one line.
pub(super) fn text(expression: &Value) -> String {
    let written = permit_when(expression).map(|policy| policy.to_string()).unwrap_or_default();
    let body = written.split_once("when").map_or("", |(_, body)| body);
    let body = body.trim().trim_end_matches(';').trim_end();
    let body = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or(body);
    one_line(body)
}

/// With every run of white space outside texts as one space.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for char in text.trim().chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        if !quoted && char.is_whitespace() {
            if !line.ends_with(' ') {
                line.push(' ');
            }
        } else {
            line.push(char);
        }
    }
    line
}

pub(super) const fn effect(policy: Effect) -> &'static str {
    match policy {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

/// Every entity that stands in the policy as a literal: type and id.
pub(super) fn entities<'a>(json: &'a Value, found: &mut Vec<(&'a str, &'a str)>) {
    match json {
        Value::Array(items) => items.iter().for_each(|item| entities(item, found)),
        Value::Object(members) => {
            if let (Some(kind), Some(id)) = (members.get("type"), members.get("id"))
                && let (Some(kind), Some(id)) = (kind.as_str(), id.as_str())
            {
                found.push((kind, id));
            }
            members.values().for_each(|member| entities(member, found));
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}
