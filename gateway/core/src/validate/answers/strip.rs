//! What does the schema not declare? Members that no subschema of their object names are taken out.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Subschemas that may speak of one value.
const MOST: usize = 256;

/// Whether anything was taken out. `schemas` speak of `value`; their references lead into `root`.
pub(super) fn strip(value: &mut Value, schemas: &[&Value], root: &Value) -> bool {
    match value {
        Value::Array(elements) => {
            let said = said(schemas, root);
            let mut changed = false;
            for (at, element) in elements.iter_mut().enumerate() {
                let mut below: Vec<&Value> = said.iter().filter_map(|members| members.get("items")).collect();
                below.extend(said.iter().filter_map(|members| members.get("prefixItems")?.get(at)));
                changed |= strip(element, &below, root);
            }
            changed
        }
        Value::Object(members) => object(members, &said(schemas, root), root),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn object(members: &mut Map<String, Value>, said: &[&Map<String, Value>], root: &Value) -> bool {
    let declares = said.iter().any(|schema| schema.contains_key("properties"));
    // `additionalProperties` with a schema, or patterns, are a declaration of what has no name.
    let open = |schema: &&Map<String, Value>| {
        schema.contains_key("patternProperties")
            || schema.get("additionalProperties").is_some_and(Value::is_object)
            || schema.get("unevaluatedProperties").is_some_and(Value::is_object)
    };
    // A member that must not be there is not declared.
    let declared = |schema: Option<&Value>| schema.is_some_and(|schema| *schema != Value::Bool(false));
    let named = |name: &str| said.iter().any(|schema| declared(schema.get("properties").and_then(|p| p.get(name))));
    let before = members.len();
    if declares && !said.iter().any(open) {
        members.retain(|name, _| named(name));
    }
    let mut changed = members.len() < before;
    for (name, value) in members.iter_mut() {
        let mut below: Vec<&Value> =
            said.iter().filter_map(|schema| schema.get("properties")?.get(name.as_str())).collect();
        if below.is_empty() {
            below.extend(said.iter().filter_map(|schema| schema.get("additionalProperties")));
        }
        changed |= strip(value, &below, root);
    }
    changed
}

/// Every subschema that speaks of the same value.
fn said<'s>(schemas: &[&'s Value], root: &'s Value) -> Vec<&'s Map<String, Value>> {
    let mut found: Vec<&Map<String, Value>> = Vec::new();
    let mut waiting: Vec<&Value> = schemas.to_vec();
    while let Some(schema) = waiting.pop() {
        let Value::Object(members) = schema else { continue };
        if found.len() >= MOST || found.iter().any(|known| std::ptr::eq(*known, members)) {
            continue;
        }
        found.push(members);
        let reference = members.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        let decoded = reference.and_then(|text| percent_decode_str(text).decode_utf8().ok());
        waiting.extend(decoded.and_then(|text| root.pointer(&text)));
        for name in ["allOf", "anyOf", "oneOf"] {
            waiting.extend(members.get(name).and_then(Value::as_array).into_iter().flatten());
        }
        waiting.extend(["if", "then", "else"].iter().filter_map(|name| members.get(*name)));
        waiting.extend(members.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(Map::values));
    }
    found
}
