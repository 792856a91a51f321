//! What may a text become? Parameters and forms carry texts only; the schema that judges them says which are numbers,
//! which are lists, which are objects.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

use super::json;
use super::json::Limits;

/// Levels of lists and objects that are read out of texts.
const DEEPEST: usize = 8;
/// Shapes of one schema; what lies beyond is read as text.
const MOST: usize = 4_096;
/// References followed for one value.
const LONGEST_CHAIN: usize = 32;

/// What one schema makes of texts. Where it allows several kinds, the narrowest that fits is taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Shape {
    scalars: Kinds,
    pub(super) items: Option<Box<Shape>>,
    pub(super) members: Option<Members>,
}

/// The members of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Members {
    pub(super) named: BTreeMap<String, Shape>,
    /// Of those that are not named; `None` where the schema forbids them.
    pub(super) rest: Option<Box<Shape>>,
}

/// A set of JSON types.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Kinds(u8);

impl Kinds {
    const BOOLEAN: Self = Self(1);
    const INTEGER: Self = Self(2);
    const NUMBER: Self = Self(4);
    const STRING: Self = Self(8);
    const NULL: Self = Self(16);
    const ARRAY: Self = Self(32);
    const OBJECT: Self = Self(64);
    const SCALARS: Self = Self(1 | 2 | 4 | 8 | 16);

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn named(name: &str) -> Self {
        match name {
            "array" => Self::ARRAY,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "null" => Self::NULL,
            "number" => Self::NUMBER.or(Self::INTEGER),
            "object" => Self::OBJECT,
            "string" => Self::STRING,
            _ => Self(0),
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Array(_) => Self::ARRAY,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Null => Self::NULL,
            Value::Number(number) if number.is_f64() => Self::NUMBER,
            Value::Number(_) => Self::INTEGER,
            Value::Object(_) => Self::OBJECT,
            Value::String(_) => Self::STRING,
        }
    }
}

impl Shape {
    /// What `schema` makes of texts; its references lead into `root`.
    pub(super) fn of(schema: &Value, root: &Value) -> Self {
        Maker { root, made: 0 }.shape(&[schema], 0)
    }

    /// Whether anything but a list or an object is possible.
    pub(super) fn is_scalar(&self) -> bool {
        !self.scalars.is_empty()
    }

    /// One text as the narrowest kind that it fits.
    ///
    /// # Errors
    /// What it must be.
    pub(super) fn scalar(&self, text: &str) -> Result<Value, &'static str> {
        let kinds = self.scalars;
        if kinds == Kinds::STRING {
            return Ok(Value::String(text.to_owned()));
        }
        let as_boolean = match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        if let Some(value) = as_boolean.filter(|_| kinds.has(Kinds::BOOLEAN)) {
            return Ok(Value::Bool(value));
        }
        if let Some(value) = whole(text).filter(|_| kinds.has(Kinds::INTEGER)) {
            return Ok(Value::Number(value));
        }
        if let Some(value) = number(text).filter(|_| kinds.has(Kinds::NUMBER)) {
            return Ok(Value::Number(value));
        }
        if kinds.has(Kinds::NULL) && matches!(text, "" | "null") && !kinds.has(Kinds::STRING) {
            return Ok(Value::Null);
        }
        if kinds.has(Kinds::STRING) {
            return Ok(Value::String(text.to_owned()));
        }
        Err(match Kinds(kinds.0 & !Kinds::NULL.0) {
            Kinds::BOOLEAN => "must be `true` or `false`",
            Kinds::INTEGER => "must be a whole number within ±(2^53 − 1)",
            Kinds(6) => "must be a number, written as in JSON, within ±(2^53 − 1)",
            Kinds(0) => "must be a list or an object, written as the parameter's style says",
            _ => "cannot be read as any of its types",
        })
    }

    /// The shape of one member; `None` where the schema knows no such member.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let members = self.members.as_ref()?;
        members.named.get(name).or(members.rest.as_deref())
    }
}

struct Maker<'s> {
    root: &'s Value,
    made: usize,
}

/// What several schemas that judge one value say together.
#[derive(Default)]
struct Said<'s> {
    items: Vec<&'s Value>,
    named: Vec<(&'s str, &'s Value)>,
    rest: Vec<&'s Value>,
    closed: bool,
}

impl<'s> Maker<'s> {
    fn shape(&mut self, schemas: &[&'s Value], depth: usize) -> Shape {
        let text = Shape { scalars: Kinds::STRING, ..Shape::default() };
        self.made += 1;
        if depth > DEEPEST || self.made > MOST {
            return text;
        }
        let mut said = Said::default();
        let mut kinds: Option<Kinds> = None;
        for schema in schemas {
            let found = self.look(schema, &mut said, 0);
            kinds = match (kinds, found) {
                (Some(one), Some(other)) => Some(one.or(other)),
                (one, other) => one.or(other),
            };
        }
        let implied = match (said.items.is_empty(), said.named.is_empty()) {
            (true, true) => Kinds::STRING,
            (false, true) => Kinds::ARRAY,
            (true, false) => Kinds::OBJECT,
            (false, false) => Kinds::ARRAY.or(Kinds::OBJECT),
        };
        let kinds = kinds.filter(|kinds| !kinds.is_empty()).unwrap_or(implied);
        let items = kinds.has(Kinds::ARRAY).then(|| Box::new(self.shape(&said.items, depth + 1)));
        let members = kinds.has(Kinds::OBJECT).then(|| {
            let mut by_name: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
            for (name, schema) in &said.named {
                by_name.entry(name).or_default().push(schema);
            }
            let named =
                by_name.into_iter().map(|(name, schemas)| (name.to_owned(), self.shape(&schemas, depth + 1))).collect();
            let open = !said.closed || !said.rest.is_empty();
            let rest = open.then(|| Box::new(self.shape(&said.rest, depth + 1)));
            Members { named, rest }
        });
        Shape { scalars: kinds.and(Kinds::SCALARS), items, members }
    }

    /// The kinds that a schema leaves; `None` where it does not say.
    fn look(&self, schema: &'s Value, said: &mut Said<'s>, hops: usize) -> Option<Kinds> {
        let Value::Object(members) = schema else { return None };
        if hops > LONGEST_CHAIN {
            return None;
        }
        said.items.extend(members.get("items").filter(|items| items.is_object()));
        said.items.extend(list(members, "prefixItems"));
        let properties = members.get("properties").and_then(Value::as_object);
        said.named.extend(properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)));
        said.rest.extend(members.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values));
        match members.get("additionalProperties") {
            Some(Value::Bool(false)) => said.closed = true,
            Some(schema @ Value::Object(_)) => said.rest.push(schema),
            Some(_) | None => {}
        }
        let mut kinds = stated(members);
        let narrow = |kinds: Option<Kinds>, found: Option<Kinds>| match (kinds, found) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        if let Some(target) = members.get("$ref").and_then(Value::as_str).and_then(|text| self.target(text)) {
            kinds = narrow(kinds, self.look(target, said, hops + 1));
        }
        for part in list(members, "allOf") {
            kinds = narrow(kinds, self.look(part, said, hops + 1));
        }
        for name in ["anyOf", "oneOf"] {
            let mut any: Option<Kinds> = None;
            for part in list(members, name) {
                let found = self.look(part, said, hops + 1);
                any = match (any, found) {
                    (Some(one), Some(other)) => Some(one.or(other)),
                    (one, other) => one.or(other),
                };
            }
            kinds = narrow(kinds, any);
        }
        kinds
    }

    fn target(&self, reference: &str) -> Option<&'s Value> {
        let decoded = percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
        self.root.pointer(&decoded)
    }
}

fn list<'s>(schema: &'s Map<String, Value>, name: &str) -> impl Iterator<Item = &'s Value> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// By `type`, else by `const` and `enum`.
fn stated(schema: &Map<String, Value>) -> Option<Kinds> {
    let all = |values: &[Value], kind: fn(&Value) -> Kinds| values.iter().map(kind).fold(Kinds(0), Kinds::or);
    match (schema.get("type"), schema.get("const"), schema.get("enum")) {
        (Some(Value::String(name)), ..) => Some(Kinds::named(name)),
        (Some(Value::Array(names)), ..) => Some(all(names, |name| Kinds::named(name.as_str().unwrap_or_default()))),
        (_, Some(value), _) => Some(Kinds::of(value)),
        (_, _, Some(Value::Array(values))) => Some(all(values, Kinds::of)),
        _ => None,
    }
}

/// Digits with an optional minus and no leading zero: one text per number, so that nobody reads `010` as eight.
fn whole(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_digit()) || text == "-0" {
        return None;
    }
    number(text)
}

fn number(text: &str) -> Option<Number> {
    let begins = text.bytes().next().is_some_and(|first| first == b'-' || first.is_ascii_digit());
    let bounded = begins && text.len() <= 64 && !text.bytes().any(|b| b.is_ascii_whitespace());
    match bounded.then(|| json::parse(text.as_bytes(), &Limits::default()))?.ok()?.value {
        Value::Number(number) => Some(number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
