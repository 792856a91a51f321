//! Would the shipped cases notice? Every shipped policy is changed in every way a slip might change it; the schema or
//! some case must object.

use super::shipped::{folder, sources};
use super::*;

/// Changes that change nothing, with the reason.
const SAME: [(&str, &str); 3] = [
    ("anybody-sees-public-pages: no action", "the schema has no other action for `Anonymous`"),
    ("anybody-sees-public-pages: no principal", "the schema has these actions for nobody else"),
    ("suspended-users-are-refused: no principal", "nobody but a `User` has the attribute that is asked for"),
];

/// A policy in Cedar's JSON form, and what was done to it.
type Mutant = (String, Value);

/// Every one-step change of an expression.
fn changed(expression: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let Some((operator, inner)) = expression.as_object().and_then(|object| object.iter().next()) else { return found };
    let side = |name: &str| inner.get(name).cloned().unwrap_or_default();
    let swapped = match operator.as_str() {
        "==" => Some("!="),
        "!=" => Some("=="),
        "&&" => Some("||"),
        "||" => Some("&&"),
        "<" => Some("<="),
        "<=" => Some("<"),
        ">" => Some(">="),
        ">=" => Some(">"),
        _ => None,
    };
    if let Some(other) = swapped {
        found.push((format!("{operator} as {other}"), est::binary(other, side("left"), side("right"))));
    }
    if matches!(operator.as_str(), "&&" | "||") {
        found.push((format!("only the left of {operator}"), side("left")));
        found.push((format!("only the right of {operator}"), side("right")));
    }
    if matches!(operator.as_str(), "in" | "is" | "has" | "." | "like") {
        found.push((format!("not {operator}"), est::not(expression.clone())));
    }
    if operator == "Value"
        && let Some(number) = inner.as_i64()
    {
        found.extend([number - 1, number + 1].map(|bound| (format!("{number} as {bound}"), json!({ "Value": bound }))));
    }
    // The same, one level down.
    for (name, part) in inner.as_object().into_iter().flatten().filter(|(_, part)| part.is_object()) {
        for (what, other) in changed(part) {
            let mut whole = expression.clone();
            whole[operator][name] = other;
            found.push((what, whole));
        }
    }
    if operator == "Set" {
        for at in 0..inner.as_array().map_or(0, Vec::len) {
            let mut fewer = inner.as_array().unwrap().clone();
            fewer.remove(at);
            found.push((format!("without element {at}"), json!({ "Set": fewer })));
        }
    }
    found
}

fn mutants(policy: &Value) -> Vec<Mutant> {
    let mut found = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Value)| {
        let mut mutant = policy.clone();
        change(&mut mutant);
        found.push((what, mutant));
    };
    let other = if policy["effect"] == "permit" { "forbid" } else { "permit" };
    add(format!("{other} instead"), &|mutant| mutant["effect"] = other.into());
    for part in ["principal", "action", "resource"] {
        if policy[part]["op"] != "All" {
            add(format!("no {part}"), &|mutant| mutant[part] = json!({ "op": "All" }));
        }
        if let Some(entities) = policy[part]["entities"].as_array() {
            for at in 0..entities.len() {
                add(format!("{part} without {at}"), &|mutant| {
                    mutant[part]["entities"].as_array_mut().unwrap().remove(at);
                });
            }
        }
    }
    for at in 0..policy["conditions"].as_array().map_or(0, Vec::len) {
        add(format!("without condition {at}"), &|mutant| {
            mutant["conditions"].as_array_mut().unwrap().remove(at);
        });
        let word = if policy["conditions"][at]["kind"] == "when" { "unless" } else { "when" };
        add(format!("condition {at} as {word}"), &|mutant| mutant["conditions"][at]["kind"] = word.into());
        for (what, body) in changed(&policy["conditions"][at]["body"]) {
            add(format!("condition {at}: {what}"), &|mutant| mutant["conditions"][at]["body"] = body.clone());
        }
    }
    found
}

/// As one file of Cedar.
fn written(policies: &[Value]) -> Option<String> {
    let text = |json: &Value| Some(cedar_policy::Policy::from_json(None, json.clone()).ok()?.to_string());
    policies.iter().map(text).collect::<Option<Vec<_>>>().map(|texts| texts.join("\n"))
}

#[test]
fn some_shipped_case_or_the_schema_objects_to_every_slip_in_a_shipped_policy() {
    let schema =
        sources(&folder(), "cedarschema").into_iter().find(|source| source.file == "schema.cedarschema").unwrap();
    let cases = sources(&folder().join("tests"), "json");
    let policies = sources(&folder(), "cedar").into_iter().filter(|source| source.file != "admin.cedar");
    let sets: Vec<cedar_policy::PolicySet> = policies.map(|source| source.text.parse().unwrap()).collect();
    let all: Vec<Value> =
        sets.iter().flat_map(cedar_policy::PolicySet::policies).map(|policy| policy.to_json().unwrap()).collect();
    let passes = |policies: &[Value]| {
        let Some(text) = written(policies) else { return false };
        let Ok(compiled) = Policies::compile(&schema, &[source("all.cedar", &text)]) else { return false };
        compiled.run_cases(&cases).unwrap().passed()
    };
    assert!(passes(&all), "unchanged");
    let (mut tried, mut survived) = (0, Vec::new());
    for at in 0..all.len() {
        let id = all[at]["annotations"]["id"].as_str().unwrap().to_owned();
        for (what, mutant) in mutants(&all[at]) {
            let mut changed = all.clone();
            changed[at] = mutant;
            tried += 1;
            let name = format!("{id}: {what}");
            if passes(&changed) && !SAME.iter().any(|(same, _)| *same == name) {
                survived.push(name);
            }
        }
    }
    assert!(tried > 40, "{tried}");
    assert_eq!(survived, Vec::<String>::new(), "of {tried}");
}
