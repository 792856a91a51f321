//! Which document? JSON or YAML, within bounds.

use std::fmt;
use std::path::Path;

use portcullis_core::openapi::Document;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bytes of a document.
const LARGEST: u64 = 64 << 20;

/// Reads a document.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Document, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > LARGEST {
        return Err(format!("has {size} bytes, at most {LARGEST} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let text = text.trim_start_matches('\u{feff}');
    let value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?
    } else {
        serde_yaml::from_str::<Plain>(text).map_err(|error| format!("is not YAML: {error}"))?.0
    };
    Document::of(value).map_err(|unreadable| unreadable.0)
}

/// YAML as the JSON it stands for. Keys that are numbers, as statuses often are, are their texts; whole numbers beyond 64
/// bits are what a double makes of them.
struct Plain(Value);

struct Visit;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(yaml: D) -> Result<Self, D::Error> {
        yaml.deserialize_any(Visit).map(Self)
    }
}

#[expect(clippy::cast_precision_loss, reason = "what every reader of doubles makes of them")]
impl<'de> Visitor<'de> for Visit {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Plain(element)) = elements.next_element()? {
            all.push(element);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((Plain(key), Plain(value))) = members.next_entry()? {
            let key = match key {
                Value::String(key) => key,
                key @ (Value::Bool(_) | Value::Number(_) | Value::Null) => key.to_string(),
                Value::Array(_) | Value::Object(_) => return Err(A::Error::custom("a key that is no text")),
            };
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("`{key}` stands there twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// What its files are named after: as asked for, after the file, or after the title where the file's name says nothing.
///
/// # Errors
/// A name that is asked for and cannot be one.
pub(crate) fn name_of(path: &Path, document: &Document, asked: Option<&str>) -> Result<String, String> {
    if let Some(asked) = asked {
        let fits = !asked.is_empty() && asked.len() <= 40 && slug(asked) == asked;
        let message = || format!("`{asked}` is not a name: write up to 40 small letters, digits and `-`");
        return fits.then(|| asked.to_owned()).ok_or_else(message);
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).map(slug).unwrap_or_default();
    let telling = !matches!(stem.as_str(), "" | "index" | "openapi" | "spec" | "spec3" | "schema" | "swagger");
    let title = slug(document.title());
    Ok(if telling {
        stem
    } else if title.is_empty() {
        "api".to_owned()
    } else {
        title
    })
}

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let short: String = slug.chars().take(40).collect();
    short.trim_end_matches('-').to_owned()
}
