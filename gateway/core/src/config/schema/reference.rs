//! The reference for people: every key, its type, its default, what it does.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::json_schema;

const HEAD: &str = "\
# Configuration

<!-- Generated from the types in gateway/core/src/config; `PORTCULLIS_BLESS=1 cargo test -p portcullis-core --lib config::` \
writes it anew. -->

`config/portcullis.toml` is TOML. An unknown key is an error, and all errors are reported at once, with file, line and
column. In text values `${NAME}`, `${NAME:-default}` and `${file:PATH}` are replaced after parsing (`$${` stands for `${`
itself); what they stand for is never printed. A file is trimmed of one newline at its end and may be 64 KiB long.

`include` and `body_schema` are relative to the folder of this file. Every other path is relative to the *root*: the parent
of that folder when it is called `config`, else that folder itself.

";

/// `docs/configuration.md`.
pub fn reference_markdown() -> String {
    let schema = json_schema();
    let mut reference = Reference { schema: &schema, text: HEAD.to_owned(), types: BTreeSet::new() };
    reference.section("", &schema, "The file as a whole", 0);
    reference.scalars();
    reference.text
}

struct Reference<'s> {
    schema: &'s Value,
    text: String,
    /// Named types of single values, explained at the end.
    types: BTreeSet<String>,
}

impl<'s> Reference<'s> {
    /// One table of keys, then the sections that lie below it.
    fn section(&mut self, path: &str, schema: &'s Value, title: &str, depth: usize) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| depth < 6) else {
            return;
        };
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let _ = write!(self.text, "## {title}\n\n");
        if let Some(about) = schema.get("description").and_then(Value::as_str).filter(|_| depth == 0) {
            let _ = write!(self.text, "{}\n\n", one_line(about));
        }
        self.text.push_str("| key | type | default | what |\n|---|---|---|---|\n");
        for (key, property) in properties {
            let kind = self.kind(property, 0);
            let default = match property.get("default") {
                _ if required.contains(&key.as_str()) => "**must be given**".to_owned(),
                Some(default) if !is_empty(default) => format!("`{}`", toml_text(default)),
                _ => "–".to_owned(),
            };
            let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
            let cells = [kind, default, one_line(about)].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(self.text, "| `{key}` | {} |", cells.join(" | "));
        }
        self.text.push('\n');
        for (key, property) in properties {
            for (suffix, title, below) in self.tables(property) {
                let path = if path.is_empty() { format!("{key}{suffix}") } else { format!("{path}.{key}{suffix}") };
                let title = title.replace("PATH", &path.replace("[]", ""));
                self.section(&path, below, &title, depth + 1);
            }
        }
    }

    /// The tables a value may be or hold, each with how its path goes on and its title.
    fn tables(&self, schema: &'s Value) -> Vec<(&'static str, &'static str, &'s Value)> {
        let mut found = Vec::new();
        let mut open = vec![("", "`PATH`", schema)];
        for _ in 0..32 {
            let Some((suffix, title, schema)) = open.pop() else { break };
            if schema.get("properties").is_some() {
                found.push((suffix, title, schema));
            }
            open.extend(self.referred(schema).map(|below| (suffix, title, below)));
            let choices = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
            open.extend(choices.map(|choice| (suffix, title, choice)));
            open.extend(schema.get("items").map(|items| ("[]", "One of `[[PATH]]`", items)));
            let named = schema.get("additionalProperties").filter(|below| below.is_object());
            open.extend(named.map(|below| (".NAME", "`[PATH]`", below)));
        }
        found
    }

    fn referred(&self, schema: &'s Value) -> Option<&'s Value> {
        self.schema.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }

    fn kind(&mut self, schema: &'s Value, depth: usize) -> String {
        if depth > 4 {
            return "value".to_owned();
        }
        if let Some(target) = self.referred(schema) {
            let name =
                schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next()).unwrap_or_default();
            if target.get("type").and_then(Value::as_str) == Some("string") && target.get("enum").is_none() {
                self.types.insert(name.to_owned());
                return format!("[{name}](#{})", name.to_lowercase());
            }
            return self.kind(target, depth + 1);
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            let kinds: Vec<String> = choices.iter().map(|choice| self.kind(choice, depth + 1)).collect();
            return kinds.join(" or ");
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words.iter().map(|word| format!("`{}`", toml_text(word))).collect::<Vec<_>>().join(" or ");
        }
        if let Some(word) = schema.get("const") {
            return format!("`{}`", toml_text(word));
        }
        let bounds = bounds(schema);
        match schema.get("type").and_then(Value::as_str) {
            Some("array") => match schema.get("items") {
                Some(items) => format!("list of {}{bounds}", self.kind(items, depth + 1)),
                None => format!("list{bounds}"),
            },
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => format!("whole number{bounds}"),
            Some("object") => "table".to_owned(),
            Some("string") => format!("text{bounds}"),
            _ => "value".to_owned(),
        }
    }

    fn scalars(&mut self) {
        self.text.push_str("## Types\n\n");
        for name in std::mem::take(&mut self.types) {
            let target = self.schema.get("$defs").and_then(|defs| defs.get(&name));
            let text = |key: &str| target.and_then(|target| target.get(key)?.as_str()).unwrap_or_default();
            let about = match name.as_str() {
                "Rate" => "Requests per span of time: at least 1 in at least a microsecond.",
                "Size" => "A whole number and `B`, `KiB`, `MiB` or `GiB`; at most 1 TiB.",
                "Span" => "A whole number and `us`, `ms`, `s`, `m` (or `min`), `h` or `d`; at most ten years.",
                _ => text("description"),
            };
            let _ = write!(self.text, "### {name}\n\n{}", one_line(about));
            if let Some(example) = target.and_then(|target| target.get("examples")?.get(0)?.as_str()) {
                let _ = write!(self.text, " Example: `{example}`.");
            }
            self.text.push_str("\n\n");
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }
}

fn bounds(schema: &Value) -> String {
    let one = |low: &str, high: &str| match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) => Some(format!(", {low} to {high}")),
        (Some(low), None) if low.as_u64() != Some(0) => Some(format!(", at least {low}")),
        (None, Some(high)) => Some(format!(", at most {high}")),
        _ => None,
    };
    one("minimum", "maximum")
        .or_else(|| one("minItems", "maxItems"))
        .or_else(|| one("minLength", "maxLength"))
        .unwrap_or_default()
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

/// A default as it would be written in TOML.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(entries) => format!("[{}]", entries.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries: Vec<String> = entries.map(|(key, value)| format!("{key} = {}", toml_text(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
