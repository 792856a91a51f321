//! What do editors and readers see of it? The JSON Schema and the reference, both made from the text types.

mod reference;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Config;

pub use reference::reference_markdown;

/// The JSON Schema (draft 2020-12) of `portcullis.toml`.
pub fn json_schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>().to_value();
    tidy(&mut schema);
    schema
}

/// TOML has no null, and the widths of integers concern nobody who writes one.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(entries) => entries.iter_mut().for_each(tidy),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            drop_null_choice(object);
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                object.remove("format");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_null_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type") != Some(&Value::String("null".to_owned())));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}
