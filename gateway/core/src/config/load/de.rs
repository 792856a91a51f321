//! How does a value with a place become a type? Through serde, with faults that keep the place and speak to people.

use std::fmt::Display;
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::keys::nearest;
use super::tree::{Entry, Node, Value};

/// Why a value does not fit its type.
#[derive(Debug)]
pub(super) struct Fault {
    /// The value that is meant; set by the innermost value that sees the fault pass.
    pub(super) span: Option<Range<usize>>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// A key that must be there is not: the walk over the keys has said so already.
    pub(super) missing: bool,
}

impl Fault {
    fn new(message: String) -> Self {
        Self { span: None, message, help: None, missing: false }
    }

    fn at(mut self, span: &Range<usize>) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", wanted(expected), seen(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", wanted(expected), seen(found)))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}", wanted(expected)))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let mut words: Vec<_> = expected.iter().map(|word| format!("`{word}`")).collect();
        let last = words.pop().unwrap_or_default();
        let words = if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) };
        let help = nearest(found, expected.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        Self { help, ..Self::new(format!("`{found}` does not fit here: write {words}")) }
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key `{field}`"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: true, ..Self::new(format!("`{field}` is missing")) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is written twice"))
    }
}

/// What was wanted, without the names that only programmers know.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a boolean" => "`true` or `false`".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a string" | "path string" | "string or table" => "a text in quotes".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, not negative and not too large".to_owned(),
        other if other.starts_with("struct ") || other.starts_with("enum ") => "a table".to_owned(),
        _ => text,
    }
}

fn seen(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Float(number) => format!("the number `{number}`"),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Signed(number) => format!("the number `{number}`"),
        Unexpected::Str(text) => format!("the text `{text}`"),
        Unexpected::Unsigned(number) => format!("the number `{number}`"),
        other => format!("{other}"),
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Date => Err(Fault::new("no date or time fits here".to_owned())),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_u64(number),
                _ => Err(Fault::new("the number is too large".to_owned())),
            },
            Value::List(list) => visitor.visit_seq(Items(list.iter())),
            Value::Table(table) => visitor.visit_map(Keys { entries: table.iter(), value: None }),
            Value::Text(text) => visitor.visit_borrowed_str(text),
        }
        .map_err(|fault: Fault| fault.at(&self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let word = self.text().ok_or_else(|| Fault::new("expected a text in quotes".to_owned()));
        word.and_then(|word| visitor.visit_enum(Word(word))).map_err(|fault| fault.at(&self.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0.next().map(|node| seed.deserialize(node).map_err(|fault| fault.at(&node.span))).transpose()
    }
}

struct Keys<'de> {
    entries: std::collections::btree_map::Iter<'de, String, Entry>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Keys<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, entry)) = self.entries.next() else { return Ok(None) };
        self.value = Some(&entry.node);
        let key: StrDeserializer<'de, Fault> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let node = self.value.take().ok_or_else(|| Fault::new("a key has no value".to_owned()))?;
        seed.deserialize(node).map_err(|fault| fault.at(&node.span))
    }
}

/// A variant without content.
struct Word<'de>(&'de str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Fault> {
        let word: StrDeserializer<'de, Fault> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Fault> {
        Err(Fault::new("expected a table".to_owned()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("expected a list".to_owned()))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("expected a table".to_owned()))
    }
}
