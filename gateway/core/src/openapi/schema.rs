//! How does a schema of the document become one of ours? Everything it refers to comes along under `$defs`; the dialect of
//! `OpenAPI` 3.0 becomes 2020-12; what describes and judges nothing stays behind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::{Dialect, Document, local};
use crate::validate::Schema;

/// Words that judge.
const JUDGING: &[&str] = &[
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "required",
    "then",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];
/// Words that describe.
const DESCRIBING: &[&str] = &[
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$recursiveAnchor",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "externalDocs",
    "nullable",
    "readOnly",
    "title",
    "writeOnly",
    "xml",
];
/// Words that have a schema, a list of schemas, or an object of schemas.
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LIST: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: &[&str] = &["dependentSchemas", "patternProperties", "properties"];
/// Rounds of taking out what cannot be judged.
const MOST_ROUNDS: usize = 64;

/// What the schema will judge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judging {
    /// JSON that the application answers.
    Answers,
    /// A form with files: binary members are files.
    Files,
    /// JSON or texts.
    Values,
}

/// One schema, and what was left out of it: where, and what.
pub(super) struct Translated {
    pub(super) schema: Value,
    pub(super) left_out: Vec<(String, String)>,
}

struct Work<'d> {
    document: &'d Document,
    judging: Judging,
    /// By pointer into the document: the name under `$defs`.
    names: BTreeMap<String, String>,
    waiting: Vec<String>,
    left_out: Vec<(String, String)>,
}

/// Translates the schema at `at`. What the compiler of schemas refuses is taken out, piece by piece.
pub(super) fn translate(document: &Document, schema: &Value, at: &str, judging: Judging) -> Translated {
    let mut work = Work { document, judging, names: BTreeMap::new(), waiting: Vec::new(), left_out: Vec::new() };
    let mut whole = work.schema(schema, at);
    let mut defs = Map::new();
    while let Some(pointer) = work.waiting.pop() {
        let name = work.names.get(&pointer).cloned().unwrap_or_default();
        let target = document.root.pointer(&pointer).cloned().unwrap_or(Value::Bool(true));
        let translated = work.schema(&target, &pointer);
        defs.insert(name, translated);
    }
    if !defs.is_empty() {
        if whole.is_boolean() {
            whole = json!({});
        }
        if let Value::Object(members) = &mut whole {
            defs.sort_keys();
            members.insert("$defs".to_owned(), Value::Object(defs));
        }
    }
    let mut left_out = work.left_out;
    left_out.extend(judgeable(&mut whole).into_iter().map(|message| (at.to_owned(), message)));
    Translated { schema: whole, left_out }
}

/// Takes out what the compiler refuses; answers what that was.
fn judgeable(schema: &mut Value) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let Err(faults) = Schema::compile(schema.to_string().as_bytes()) else { return told };
        let mut mended = false;
        for fault in faults {
            let Some((parent, word)) = fault.pointer.rsplit_once('/') else { continue };
            let word = word.replace("~1", "/").replace("~0", "~");
            let parent = schema.pointer_mut(parent).and_then(Value::as_object_mut);
            if parent.is_some_and(|members| members.remove(&word).is_some()) {
                told.push(format!("`{word}` is left out: {}", fault.message));
                mended = true;
            }
        }
        if !mended {
            break;
        }
    }
    if let Err(faults) = Schema::compile(schema.to_string().as_bytes()) {
        let why = faults.first().map(ToString::to_string).unwrap_or_default();
        told.push(format!("the schema is left out, so that only the syntax is judged: {why}"));
        *schema = json!({});
    }
    told
}

impl Work<'_> {
    fn schema(&mut self, schema: &Value, at: &str) -> Value {
        let Value::Object(members) = schema else {
            return if schema.is_boolean() { schema.clone() } else { Value::Bool(true) };
        };
        let mut out = Map::new();
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            let target = self.reference(reference, at);
            if self.document.dialect == Dialect::Own {
                // What stands beside it means nothing there.
                return target;
            }
            out.extend(target.as_object().cloned().unwrap_or_default());
        }
        if self.judging == Judging::Files && is_file(members) {
            return file();
        }
        for (word, value) in members {
            let word = word.as_str();
            if ONE.contains(&word) {
                out.insert(word.to_owned(), self.schema(value, at));
            } else if LIST.contains(&word) {
                let all = value.as_array().into_iter().flatten().map(|schema| self.schema(schema, at)).collect();
                out.insert(word.to_owned(), Value::Array(all));
            } else if NAMED.contains(&word) {
                let all = value.as_object().into_iter().flatten();
                let all = all.map(|(name, schema)| (name.clone(), self.member(schema, at))).collect();
                out.insert(word.to_owned(), Value::Object(all));
            } else if JUDGING.contains(&word) {
                out.insert(word.to_owned(), value.clone());
            } else if !["$ref", "$recursiveRef"].contains(&word)
                && !DESCRIBING.contains(&word)
                && !word.starts_with("x-")
            {
                self.left_out.push((at.to_owned(), format!("`{word}` is not a word of schemas here and is left out")));
            }
        }
        self.recursive(members, &mut out, at);
        self.without_absent(members, &mut out);
        int32(&mut out);
        known_format(&mut out);
        exclusive(&mut out);
        match self.document.dialect {
            Dialect::Own => from_own(members, out),
            Dialect::JsonSchema => Value::Object(out),
        }
    }

    fn member(&mut self, schema: &Value, at: &str) -> Value {
        if self.is_absent(schema) { Value::Bool(false) } else { self.schema(schema, at) }
    }

    /// Of what is required, each once, and nothing that may not be there.
    fn without_absent(&self, members: &Map<String, Value>, out: &mut Map<String, Value>) {
        let properties = members.get("properties").and_then(Value::as_object);
        if let Some(Value::Array(required)) = out.get_mut("required") {
            let absent = |name: &str| properties.and_then(|all| all.get(name)).is_some_and(|one| self.is_absent(one));
            let mut seen = BTreeSet::new();
            required.retain(|name| name.as_str().is_none_or(|name| !absent(name) && seen.insert(name.to_owned())));
        }
    }

    /// What only the server says may not be sent to it, what only it is told may not be answered (`OpenAPI` 3.1
    /// §4.8.24.2).
    fn is_absent(&self, schema: &Value) -> bool {
        let word = match self.judging {
            Judging::Answers => "writeOnly",
            Judging::Files | Judging::Values => "readOnly",
        };
        schema.get(word) == Some(&Value::Bool(true))
    }

    /// `$recursiveRef` of draft 2019-09, to the component that it stands in.
    fn recursive(&mut self, members: &Map<String, Value>, out: &mut Map<String, Value>, at: &str) {
        let Some(reference) = members.get("$recursiveRef").and_then(Value::as_str) else { return };
        let target = self.document.root.pointer(at);
        if reference == "#" && target.is_some_and(|target| target.get("$recursiveAnchor") == Some(&Value::Bool(true))) {
            out.extend(self.reference(&format!("#{at}"), at).as_object().cloned().unwrap_or_default());
        } else {
            self.left_out.push((at.to_owned(), format!("`$recursiveRef` to `{reference}` is left out")));
        }
    }

    fn reference(&mut self, reference: &str, at: &str) -> Value {
        let pointer = match local(reference) {
            Ok(pointer) if self.document.root.pointer(&pointer).is_some() => pointer,
            Ok(_) => {
                self.left_out.push((at.to_owned(), format!("`{reference}` is not in the document")));
                return json!({});
            }
            Err(message) => {
                self.left_out.push((at.to_owned(), message));
                return json!({});
            }
        };
        if let Some(name) = self.names.get(&pointer) {
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let plain: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
            .take(56)
            .collect();
        let mut name = plain.clone();
        let mut number = 2;
        while name.is_empty() || self.names.values().any(|taken| *taken == name) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        self.names.insert(pointer.clone(), name.clone());
        self.waiting.push(pointer);
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

/// `format: int32` has bounds (`OpenAPI` 3.1 §4.4), which are judged where none are written.
fn int32(out: &mut Map<String, Value>) {
    let bounded =
        ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].iter().any(|word| out.contains_key(*word));
    if out.get("format").is_some_and(|format| format == "int32") && !bounded {
        out.insert("minimum".to_owned(), i32::MIN.into());
        out.insert("maximum".to_owned(), i32::MAX.into());
    }
}

/// Where the bound is a flag beside another, as it is in 3.0 and as it is written in 3.1 too.
fn exclusive(out: &mut Map<String, Value>) {
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match out.remove(flag) {
            Some(Value::Bool(true)) => {
                if let Some(limit) = out.remove(bound) {
                    out.insert(flag.to_owned(), limit);
                }
            }
            Some(Value::Bool(false)) | None => {}
            Some(other) => {
                out.insert(flag.to_owned(), other);
            }
        }
    }
}

/// Names that formats have elsewhere.
fn known_format(out: &mut Map<String, Value>) {
    let known = match out.get("format").and_then(Value::as_str) {
        Some("guid") => "uuid",
        Some("url") => "uri",
        Some(_) | None => return,
    };
    out.insert("format".to_owned(), known.into());
}

/// `OpenAPI` 3.0 §4.7.24.
fn from_own(members: &Map<String, Value>, mut out: Map<String, Value>) -> Value {
    if members.get("nullable") != Some(&Value::Bool(true)) {
        return Value::Object(out);
    }
    if let Some(Value::Array(values)) = out.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match out.get("type").cloned() {
        Some(Value::String(kind)) => {
            out.insert("type".to_owned(), json!([kind, "null"]));
            Value::Object(out)
        }
        Some(_) => Value::Object(out),
        None => json!({ "anyOf": [Value::Object(out), { "type": "null" }] }),
    }
}

/// `format: binary` in 3.0, a string with a media type that is no text in 3.1.
fn is_file(members: &Map<String, Value>) -> bool {
    let binary = members.get("format").is_some_and(|format| format == "binary");
    let media = members.contains_key("contentMediaType") && !members.contains_key("contentEncoding");
    binary || media
}

/// What stands for a file of a form.
fn file() -> Value {
    json!({ "type": "object", "required": ["filename", "media_type", "size"],
        "properties": { "filename": { "type": "string" }, "media_type": { "type": "string" }, "size": { "type": "integer" } } })
}

/// A file of one of these media types.
pub(super) fn file_of(media_types: &[&str]) -> Value {
    let mut file = file();
    if let Some(place) = file.pointer_mut("/properties/media_type") {
        *place = json!({ "enum": media_types });
    }
    file
}
