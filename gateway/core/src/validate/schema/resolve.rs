//! Where does each reference lead? By `$id`, anchor or path, but always within the file: each becomes a path, so that
//! whoever judges later need not know of addresses, and nothing can be fetched.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::uri::resolve;
use super::{Dialect, SchemaFault, pointer};

/// What a file without an `$id` is called.
const NAMELESS: &str = "json-schema:///";
/// What stands plainly in a fragment.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'~').remove(b'_').remove(b'-').remove(b'.').remove(b'$');
/// Places of schemas: one, a list, or a member each. `items` and `dependencies` may be of two kinds.
const ONE: &[&str] = &[
    "additionalItems",
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
const LIST: &[&str] = &["allOf", "anyOf", "items", "oneOf", "prefixItems"];
const NAMED: &[&str] = &["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Names that lead somewhere in the file.
struct Index {
    dialect: Dialect,
    /// By address: the pointer.
    resources: BTreeMap<String, String>,
    /// By address and anchor.
    anchors: BTreeMap<(String, String), String>,
    /// Where each `$dynamicAnchor` stands, by its name.
    dynamic: BTreeMap<String, Vec<String>>,
    faults: Vec<SchemaFault>,
}

/// The same schema with every reference a path; without `$id`s and anchors, which are of no more use.
///
/// # Errors
/// References that lead out of the file, to no anchor, or to one thing or another; names that stand twice.
pub(super) fn resolved(mut document: Value, dialect: Dialect) -> Result<Value, Vec<SchemaFault>> {
    let (resources, anchors, dynamic) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut index = Index { dialect, resources, anchors, dynamic, faults: Vec::new() };
    index.resources.insert(NAMELESS.to_owned(), String::new());
    index.enter(&document, "", NAMELESS);
    index.rewrite(&mut document, "", NAMELESS);
    if index.faults.is_empty() { Ok(document) } else { Err(index.faults) }
}

impl Index {
    /// Notes the names of `schema` and of all below it.
    fn enter(&mut self, schema: &Value, at: &str, base: &str) {
        let Value::Object(members) = schema else { return };
        let (base, anchors) = self.names(members, base);
        if base.1 {
            self.note(at, "$id", &base.0, None);
        }
        for (word, name) in anchors {
            if word == "$dynamicAnchor" {
                self.dynamic.entry(name.clone()).or_default().push(at.to_owned());
            }
            self.note(at, word, &base.0, Some(name));
        }
        for (below, child) in children(members) {
            self.enter(child, &format!("{at}{below}"), &base.0);
        }
    }

    /// The address that holds from here on, and whether it is a new one; and the anchors.
    fn names(&self, members: &Map<String, Value>, base: &str) -> ((String, bool), Vec<(&'static str, String)>) {
        let word = |name: &str| members.get(name).and_then(Value::as_str);
        let same = (base.to_owned(), false);
        match self.dialect {
            // What stands beside a reference means nothing there.
            Dialect::Draft7 if members.contains_key("$ref") => (same, Vec::new()),
            Dialect::Draft7 => match word("$id").map(|id| id.split_once('#').unwrap_or((id, ""))) {
                Some(("", "")) | None => (same, Vec::new()),
                Some(("", anchor)) => (same, vec![("$id", anchor.to_owned())]),
                Some((id, _)) => ((resolve(base, id), true), Vec::new()),
            },
            Dialect::Draft202012 => {
                let id = word("$id").map(|id| id.trim_end_matches('#')).filter(|id| !id.is_empty());
                let base = id.map_or(same, |id| (resolve(base, id), true));
                let anchors = ["$anchor", "$dynamicAnchor"].into_iter();
                (base, anchors.filter_map(|name| Some((name, word(name)?.to_owned()))).collect())
            }
        }
    }

    fn note(&mut self, at: &str, word: &str, base: &str, anchor: Option<String>) {
        let shown = anchor.as_deref().unwrap_or(base).to_owned();
        let before = match anchor {
            Some(name) => self.anchors.insert((base.to_owned(), name), at.to_owned()),
            None => self.resources.insert(base.to_owned(), at.to_owned()),
        };
        if let Some(other) = before.filter(|other| other != at) {
            self.fault(at, word, format!("`{shown}` is the name of `#{other}` already"));
        }
    }

    fn fault(&mut self, at: &str, word: &str, message: String) {
        let mut place = pointer::join("", at);
        pointer::push(&mut place, word);
        self.faults.push(SchemaFault { pointer: place, message });
    }

    /// Puts paths in the place of references.
    fn rewrite(&mut self, schema: &mut Value, at: &str, base: &str) {
        let Value::Object(members) = schema else { return };
        let ((base, _), _) = self.names(members, base);
        if let Some(text) = members.get("$ref").and_then(Value::as_str) {
            match self.path(text, &base) {
                Ok(path) => drop(members.insert("$ref".to_owned(), as_reference(&path))),
                Err(message) => self.fault(at, "$ref", message),
            }
        }
        if self.dialect == Dialect::Draft202012
            && let Some(Value::String(text)) = members.remove("$dynamicRef")
        {
            match self.only_path(&text, &base) {
                Ok(path) => refer(members, as_reference(&path)),
                Err(message) => self.fault(at, "$dynamicRef", message),
            }
        }
        members.remove("$id");
        if self.dialect == Dialect::Draft202012 {
            members.remove("$anchor");
            members.remove("$dynamicAnchor");
        }
        for (below, child) in children_mut(members) {
            self.rewrite(child, &format!("{at}{below}"), &base);
        }
    }

    /// The pointer into the file that a reference stands for.
    fn path(&self, text: &str, base: &str) -> Result<String, String> {
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let address = resolve(base, address);
        let Some(resource) = self.resources.get(&address) else {
            return Err(format!(
                "`{text}` is outside this file and nothing is fetched: put the schema under `$defs` and write `#/$defs/name`"
            ));
        };
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(format!("{resource}{fragment}"));
        }
        let anchor = self.anchors.get(&(address, fragment.into_owned()));
        anchor.cloned().ok_or_else(|| format!("`{text}` is not an anchor in this file"))
    }
}

impl Index {
    /// The pointer that a `$dynamicRef` stands for, whoever refers to it.
    ///
    /// It leads where `$ref` would, unless that is a `$dynamicAnchor` and there are others of its name (JSON Schema Core
    /// 2020-12 §8.2.3.2): then the way by which one came decides, and what judging costs cannot be known at load.
    fn only_path(&self, text: &str, base: &str) -> Result<String, String> {
        let path = self.path(text, base)?;
        let (_, name) = text.split_once('#').unwrap_or((text, ""));
        let name = percent_decode_str(name).decode_utf8_lossy();
        match self.dynamic.get(&*name).map(|places| (places.contains(&path), places.as_slice())) {
            Some((true, places @ [_, _, ..])) => {
                let places: Vec<String> = places.iter().map(|place| format!("`#{place}`")).collect();
                Err(format!(
                    "`{text}` is one thing or another, depending on who refers to it: `$dynamicAnchor` `{name}` stands at \
                     {}; leave one of them, or use `$ref` to the one that is meant",
                    places.join(" and ")
                ))
            }
            Some(_) | None => Ok(path),
        }
    }
}

fn as_reference(path: &str) -> Value {
    format!("#{}", utf8_percent_encode(path, PLAIN)).into()
}

/// One reference more; behind all that is there, so that no other path changes.
fn refer(members: &mut Map<String, Value>, reference: Value) {
    if !members.contains_key("$ref") {
        members.insert("$ref".to_owned(), reference);
        return;
    }
    let also = Value::Object(Map::from_iter([("$ref".to_owned(), reference)]));
    // Anything but a list the meta-schema has refused.
    if let Value::Array(all) = members.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
        all.push(also);
    }
}

/// Subschemas, each with what leads to it.
fn children(members: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (word, value) in members {
        let known = |list: &[&str]| list.contains(&word.as_str());
        match value {
            Value::Array(list) if known(LIST) => {
                found.extend(list.iter().enumerate().map(|(at, schema)| (format!("/{word}/{at}"), schema)));
            }
            Value::Object(_) if known(ONE) => found.push((format!("/{word}"), value)),
            Value::Object(all) if known(NAMED) => {
                found.extend(all.iter().map(|(name, schema)| (format!("/{word}/{}", escaped(name)), schema)));
            }
            _ => {}
        }
    }
    found
}

fn children_mut(members: &mut Map<String, Value>) -> Vec<(String, &mut Value)> {
    let mut found = Vec::new();
    for (word, value) in members {
        let known = |list: &[&str]| list.contains(&word.as_str());
        let (named, listed, one) = (known(NAMED), known(LIST), known(ONE));
        if let Value::Array(list) = value {
            let list = list.iter_mut().enumerate().filter(|_| listed);
            found.extend(list.map(|(at, schema)| (format!("/{word}/{at}"), schema)));
        } else if one {
            found.push((format!("/{word}"), value));
        } else if let Value::Object(all) = value {
            let all = all.iter_mut().filter(|_| named);
            found.extend(all.map(|(name, schema)| (format!("/{word}/{}", escaped(name)), schema)));
        }
    }
    found
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
