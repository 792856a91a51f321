//! How does a parameter of the document become one of a route's?

use serde_json::{Map, Value, json};

use super::document::{Document, below};
use super::path::Path;
use super::schema::{Judging, translate};
use super::written;
use crate::validate::{Limits, RouteInput, Schemas, Validate};

/// What a route can have.
const MOST: usize = 64;
/// Judged by other rules (`OpenAPI` 3.1 §4.8.12.1).
const IGNORED: &[&str] = &["accept", "authorization", "content-type"];

/// The parameters of one route.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Each as an inline table of TOML.
    pub(super) entries: Vec<String>,
    /// The query holds parameters that are not judged.
    pub(super) unknown_query: bool,
}

/// All of them: those of the path item, in whose place those of the operation stand. Notes are place and message.
pub(super) fn all<'d>(
    document: &'d Document,
    lists: &[(&'d Value, String)],
    notes: &mut Vec<(String, String)>,
) -> Vec<(&'d Value, String)> {
    let mut found: Vec<(&Value, String)> = Vec::new();
    for (owner, at) in lists {
        let list = owner.get("parameters").and_then(Value::as_array).into_iter().flatten();
        for (index, parameter) in list.enumerate() {
            match document.resolved(parameter, &below(at, &["parameters", &index.to_string()])) {
                Ok((parameter, at)) => {
                    found.retain(|(other, _)| identity(other) != identity(parameter));
                    found.push((parameter, at));
                }
                Err(message) => notes.push((at.clone(), message)),
            }
        }
    }
    found
}

fn identity(parameter: &Value) -> (Option<&str>, Option<&str>) {
    let word = |key: &str| parameter.get(key).and_then(Value::as_str);
    (word("in"), word("name"))
}

/// Writes them for the route at `path`.
pub(super) fn write(
    document: &Document,
    parameters: &[(&Value, String)],
    path: &Path,
    notes: &mut Vec<(String, String)>,
) -> Written {
    let mut out = Written::default();
    for (name, schema) in &path.mixed {
        out.entries.extend(entry(&json!({ "in": "path", "name": name, "schema": schema })));
    }
    for (name, value) in &path.fixed {
        if !parameters.iter().any(|(parameter, _)| identity(parameter) == (Some("query"), Some(name))) {
            let schema = json!({ "enum": [value] });
            out.entries.extend(entry(&json!({ "in": "query", "name": name, "required": true, "schema": schema })));
        }
    }
    for (parameter, at) in parameters {
        let (Some(place), Some(name)) = identity(parameter) else {
            notes.push((at.clone(), "a parameter without `in` or `name` is left out".to_owned()));
            continue;
        };
        if place == "header" && IGNORED.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let name = match place {
            "path" => match path.names.iter().find(|(known, _)| known == name) {
                Some((_, plain)) => plain.as_str(),
                None if path.mixed.iter().any(|(label, _)| label.contains(name)) => {
                    notes.push((at.clone(), format!("`{name}` is a part of its segment, whose form alone is judged")));
                    continue;
                }
                None => {
                    notes.push((at.clone(), format!("`{name}` does not stand in the path and is left out")));
                    continue;
                }
            },
            _ => name,
        };
        let mut config = Map::new();
        config.insert("in".to_owned(), place.into());
        config.insert("name".to_owned(), name.into());
        if place != "path" && parameter.get("required") == Some(&Value::Bool(true)) {
            config.insert("required".to_owned(), true.into());
        }
        let schema = schema(document, parameter, at, &mut config, notes);
        config.insert("schema".to_owned(), schema);
        match usable(config) {
            Ok((text, None)) => out.entries.push(text),
            Ok((text, Some(why))) => {
                notes.push((at.clone(), format!("{place} parameter `{name}` is taken, but not judged: {why}")));
                out.entries.push(text);
            }
            Err(why) => {
                notes.push((at.clone(), format!("{place} parameter `{name}` is left out: {why}")));
                out.unknown_query |= place == "query";
            }
        }
    }
    if out.entries.len() > MOST {
        notes.push((String::new(), format!("more than {MOST} parameters: the rest is not judged")));
        out.entries.truncate(MOST);
        out.unknown_query = true;
    }
    out
}

/// The parameter's schema; its style goes into `config`.
fn schema(
    document: &Document,
    parameter: &Value,
    at: &str,
    config: &mut Map<String, Value>,
    notes: &mut Vec<(String, String)>,
) -> Value {
    let content = parameter.get("content").and_then(Value::as_object).and_then(|content| content.iter().next());
    let (schema, at) = if let Some((media, inner)) = content {
        config.insert("content".to_owned(), media.as_str().into());
        (inner.get("schema"), below(at, &["content", media, "schema"]))
    } else {
        styled(parameter, config);
        (parameter.get("schema"), below(at, &["schema"]))
    };
    let Some(schema) = schema else { return json!({}) };
    let mut translated = translate(document, schema, &at, Judging::Values);
    notes.extend(translated.left_out);
    without_null(&mut translated.schema);
    match translated.schema {
        Value::Object(_) => translated.schema,
        _ => json!({}),
    }
}

/// No text of a parameter is `null`, and TOML has none.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(values)) = members.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(all) => all.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `style` and `explode`, where they are not the usual.
fn styled(parameter: &Value, config: &mut Map<String, Value>) {
    let default = match parameter.get("in").and_then(Value::as_str) {
        Some("path" | "header") => "simple",
        _ => "form",
    };
    let style = parameter.get("style").and_then(Value::as_str).filter(|style| *style != default);
    config.extend(style.map(|style| ("style".to_owned(), style.into())));
    let explode = parameter.get("explode").and_then(Value::as_bool);
    let usual = style.unwrap_or(default) == "form";
    let in_cookie = config.get("in").is_some_and(|place| place == "cookie");
    let deep = style == Some("deepObject");
    // `explode` of a cookie would make cookies of its members, which nobody sends.
    let explode = explode.filter(|explode| *explode != usual && !in_cookie && !deep);
    config.extend(explode.map(|explode| ("explode".to_owned(), explode.into())));
}

/// As TOML; where the gateway cannot judge it so, without its schema and why.
fn usable(mut config: Map<String, Value>) -> Result<(String, Option<String>), String> {
    let Err(why) = tried(&config) else {
        if let Some(text) = entry(&Value::Object(config.clone())) {
            return Ok((text, None));
        }
        config.insert("schema".to_owned(), json!({}));
        let text = entry(&Value::Object(config)).ok_or("it cannot be written")?;
        return Ok((text, Some("its schema holds `null`, which TOML has not".to_owned())));
    };
    for word in ["style", "explode", "content"] {
        config.remove(word);
    }
    config.insert("schema".to_owned(), json!({}));
    match (tried(&config), entry(&Value::Object(config))) {
        (Ok(()), Some(text)) => Ok((text, Some(why))),
        (Ok(()) | Err(_), _) => Err(why),
    }
}

fn tried(config: &Map<String, Value>) -> Result<(), String> {
    let parameter = serde_json::from_value(Value::Object(config.clone())).map_err(|error| error.to_string())?;
    let route = RouteInput { parameters: vec![parameter], ..RouteInput::default() };
    let schemas = Schemas { body: None, others: &|_| None };
    let compiled = Validate::compile(&route, schemas, Limits::default(), 0);
    compiled.map(drop).map_err(|faults| faults.into_iter().next().map(|fault| fault.message).unwrap_or_default())
}

fn entry(config: &Value) -> Option<String> {
    written::value(config)
}
