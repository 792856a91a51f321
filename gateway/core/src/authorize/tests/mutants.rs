//! Would the shipped cases notice? Every policy that is shipped, and every schema, is changed in every way a slip might
//! change it; the schema or some case must object.

mod schemas;
mod sets;

use super::*;

/// What is shipped together.
struct Set<'a> {
    schema: Source,
    /// All its files.
    policies: String,
    /// Whether its shipped cases hold under this schema and these policies.
    passes: &'a dyn Fn(&Source, &str) -> bool,
    /// Changes that change nothing, with the reason.
    same: &'a [(&'a str, &'a str)],
}

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
    if matches!(operator.as_str(), "in" | "is" | "has" | "." | "like" | "contains") {
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

impl Set<'_> {
    fn policies(&self) -> Vec<Value> {
        let set: cedar_policy::PolicySet = self.policies.parse().unwrap();
        let mut all: Vec<(usize, Value)> = set
            .policies()
            .map(|policy| {
                (policy.id().to_string().trim_start_matches("policy").parse().unwrap(), policy.to_json().unwrap())
            })
            .collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, json)| json).collect()
    }

    /// Every slip by its name, and the schema and policies it makes.
    fn slips(&self) -> Vec<(String, Source, Option<String>)> {
        let all = self.policies();
        let mut found = Vec::new();
        for at in 0..all.len() {
            let id = all[at]["annotations"]["id"].as_str().unwrap();
            for (what, mutant) in mutants(&all[at]) {
                let mut changed = all.clone();
                changed[at] = mutant;
                found.push((format!("{id}: {what}"), self.schema.clone(), written(&changed)));
            }
        }
        let schemas = schemas::slips(&self.schema);
        found.extend(schemas.into_iter().map(|(what, schema)| (what, schema, Some(self.policies.clone()))));
        found
    }

    /// Panics with the slips that nothing objects to; `least` were tried.
    fn holds(&self, least: usize) {
        assert!((self.passes)(&self.schema, &self.policies), "unchanged");
        let written = written(&self.policies()).unwrap();
        assert!((self.passes)(&self.schema, &written), "written anew");
        let slips = self.slips();
        assert!(slips.len() >= least, "{}", slips.len());
        let tried = slips.len();
        let passing = slips
            .into_iter()
            .filter(|(_, schema, policies)| policies.as_ref().is_some_and(|policies| (self.passes)(schema, policies)));
        let mut unnoticed: Vec<String> = passing.map(|(what, ..)| what).collect();
        let mut same: Vec<String> = self.same.iter().map(|(what, _)| (*what).to_owned()).collect();
        unnoticed.sort();
        same.sort();
        assert_eq!(unnoticed, same, "of {tried}");
    }
}
