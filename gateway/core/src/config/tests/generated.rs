use std::path::Path;

use super::super::{json_schema, reference_markdown};
use super::golden;

#[test]
fn the_schema_beside_the_configuration_is_fresh() {
    let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    golden(Path::new("config/schema.json"), &text).unwrap();
}

#[test]
fn the_reference_is_fresh() {
    golden(Path::new("docs/configuration.md"), &reference_markdown()).unwrap();
}

#[test]
fn every_key_is_explained() {
    fn walk(schema: &serde_json::Value, path: &str, bare: &mut Vec<String>) {
        for (key, property) in schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten() {
            if property.get("description").is_none() {
                bare.push(format!("{path}.{key}"));
            }
        }
        for (name, below) in schema.get("$defs").and_then(|p| p.as_object()).into_iter().flatten() {
            walk(below, name, bare);
        }
    }
    let mut bare = Vec::new();
    walk(&json_schema(), "", &mut bare);
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn every_key_stands_in_the_shipped_configuration() {
    fn walk(schema: &serde_json::Value, shipped: &str, absent: &mut Vec<String>) {
        for (key, _) in schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten() {
            let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            if !shipped.split(word).any(|word| word == key) {
                absent.push(key.clone());
            }
        }
        for below in schema.get("$defs").and_then(|p| p.as_object()).into_iter().flatten().map(|(_, below)| below) {
            walk(below, shipped, absent);
        }
    }
    let shipped = std::fs::read_to_string(super::project().join("config/portcullis.toml")).unwrap();
    let mut absent = Vec::new();
    walk(&json_schema(), &shipped, &mut absent);
    assert_eq!(absent, Vec::<String>::new());
}

#[test]
fn the_shipped_configuration_fits_the_schema_that_editors_use() {
    let shipped = std::fs::read_to_string(super::project().join("config/portcullis.toml")).unwrap();
    let shipped: serde_json::Value = toml::from_str(&shipped).unwrap();
    let schema = jsonschema::validator_for(&json_schema()).unwrap();
    let faults: Vec<String> = schema.iter_errors(&shipped).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new());
}
