//! Is it one JSON value that everybody reads alike?
//!
//! Stricter than RFC 8259 asks, because what the gateway judges must be what the application reads:
//! duplicate members (RFC 8259 §4 leaves them open), numbers a double does not keep (§6), a byte order mark (§8.1)
//! and anything after the value are refused.

mod numbers;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::pointer;
use crate::refusal::Fault;

/// 2^53 − 1: beyond it a double cannot tell an integer from its neighbour (RFC 8259 §6).
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// How much JSON is read. Memory follows from `nodes` and from the bound on the body itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Arrays and objects inside each other; at most 100.
    pub depth: usize,
    /// Values in all: members, elements and the top.
    pub nodes: usize,
    /// Bytes of one string or member name, decoded.
    pub string_bytes: usize,
    /// Of one object.
    pub members: usize,
    pub numbers: Numbers,
    /// See [`super::ValidateConfig::max_ratio`].
    pub ratio: u32,
}

/// Which numbers are read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Whatever a 64-bit integer or a double holds.
    Any,
    /// At most 2^53 − 1 in magnitude, however written, and with no more digits than a double keeps.
    #[default]
    Exact,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, nodes: 100_000, string_bytes: 1 << 20, members: 10_000, numbers: Numbers::Exact, ratio: 100 }
    }
}

/// A value and how many values it holds in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub value: Value,
    pub nodes: usize,
}

/// Reads one JSON value.
///
/// # Errors
/// What is wrong and where; never with a value in it.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Parsed, Fault> {
    let top = |message: String| pointer::syntax(String::new(), message);
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(top("a byte order mark stands before the value".to_owned()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| top(format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
    if text.bytes().all(|b| b.is_ascii_whitespace()) {
        return Err(top("the body is empty".to_owned()));
    }
    if limits.numbers == Numbers::Exact && !numbers::survive(text) {
        return Err(top("a number has more digits than a reader of doubles keeps".to_owned()));
    }
    let mut reader = Reader { limits, nodes: 0, broken: None, trail: Vec::new() };
    let mut json = serde_json::Deserializer::from_str(text);
    let read =
        Node { reader: &mut reader, depth: 0 }.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    match read {
        Ok(value) => Ok(Parsed { value, nodes: reader.nodes }),
        Err(error) => Err(reader.fault(&error)),
    }
}

struct Reader<'l> {
    limits: &'l Limits,
    nodes: usize,
    /// Our own objection; `None` when the text is not JSON at all.
    broken: Option<String>,
    /// Where, innermost first: filled only on the way out of an error.
    trail: Vec<Cow<'static, str>>,
}

impl Reader<'_> {
    fn refuse<E: Error>(&mut self, message: impl Into<String>) -> E {
        self.broken = Some(message.into());
        E::custom("refused")
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > self.limits.nodes {
            return Err(self.refuse(format!("more than {} values in all", self.limits.nodes)));
        }
        Ok(())
    }

    fn string<E: Error>(&mut self, text: &str) -> Result<(), E> {
        if text.len() > self.limits.string_bytes {
            return Err(self.refuse(format!("a string is longer than {} bytes", self.limits.string_bytes)));
        }
        Ok(())
    }

    fn enter<E: Error>(&mut self, depth: usize) -> Result<(), E> {
        if depth >= self.limits.depth.min(100) {
            return Err(self.refuse(format!("nested deeper than {} levels", self.limits.depth.min(100))));
        }
        Ok(())
    }

    fn number<E: Error>(&mut self, exact: bool) -> Result<(), E> {
        match self.limits.numbers {
            Numbers::Exact if !exact => Err(self.refuse(format!("a number is beyond ±{LARGEST_EXACT} (2^53 − 1)"))),
            Numbers::Any | Numbers::Exact => Ok(()),
        }
    }

    fn fault(self, error: &serde_json::Error) -> Fault {
        let mut at = String::new();
        for name in self.trail.iter().rev() {
            pointer::push(&mut at, name);
        }
        // serde_json's own messages are fixed sentences with a line and a column.
        pointer::syntax(at, self.broken.unwrap_or_else(|| error.to_string()))
    }
}

struct Node<'r, 'l> {
    reader: &'r mut Reader<'l>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        self.reader.count()?;
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.reader.number(value <= LARGEST_EXACT)?;
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.reader.number(value.unsigned_abs() <= LARGEST_EXACT)?;
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "2^53 − 1 is exact in a double")]
        self.reader.number(value.abs() <= LARGEST_EXACT as f64)?;
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.reader.refuse("a number is not finite")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.reader.string(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        self.reader.string(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        self.reader.enter(self.depth)?;
        let mut array = Vec::new();
        loop {
            match elements.next_element_seed(Node { reader: &mut *self.reader, depth: self.depth + 1 }) {
                Ok(Some(element)) => array.push(element),
                Ok(None) => return Ok(Value::Array(array)),
                Err(error) => {
                    self.reader.trail.push(array.len().to_string().into());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.reader.enter(self.depth)?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.reader.string(&name)?;
            if object.len() >= self.reader.limits.members {
                return Err(self
                    .reader
                    .refuse(format!("more than {} members in one object", self.reader.limits.members)));
            }
            if object.contains_key(&name) {
                self.reader.trail.push(name.into());
                return Err(self.reader.refuse("the member appears more than once"));
            }
            match members.next_value_seed(Node { reader: &mut *self.reader, depth: self.depth + 1 }) {
                Ok(value) => {
                    object.insert(name, value);
                }
                Err(error) => {
                    self.reader.trail.push(name.into());
                    return Err(error);
                }
            }
        }
        Ok(Value::Object(object))
    }
}
