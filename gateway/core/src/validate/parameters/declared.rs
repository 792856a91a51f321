//! How is one parameter read? By the `type` of its schema, which also judges it.

use serde_json::{Map, Number, Value};

use super::super::config::{ParameterConfig, Place};
use super::super::json::{Limits, Parsed};
use super::super::schema::Schema;
use super::super::{InputFault, json};

/// Header fields that a parameter may not be (`OpenAPI` 3.1 §4.8.12.1), because other rules judge them.
const NOT_PARAMETERS: &[&str] = &["accept", "authorization", "content-type", "cookie", "host", "content-length"];

/// One parameter, compiled.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) place: Place,
    /// Lower case for headers.
    pub(super) name: String,
    pub(super) required: bool,
    shape: Shape,
    pub(super) schema: Schema,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    Array(Scalar),
    One(Scalar),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scalar {
    Boolean,
    Integer,
    Number,
    String,
}

impl Declared {
    pub(super) fn compile(config: &ParameterConfig) -> Result<Self, Vec<InputFault>> {
        let ParameterConfig { place, name, required, schema } = config;
        let about = format!("{} parameter `{name}`", place.as_str());
        let wrong = |pointer: String, message: String| InputFault {
            key: "parameters",
            pointer,
            message: format!("{about}: {message}"),
        };
        let one = |message: &str| vec![wrong(String::new(), message.to_owned())];
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            return Err(one("a name has 1 to 128 bytes and no controls"));
        }
        let name = match place {
            Place::Header => http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| one("not a header field name"))?
                .as_str()
                .to_owned(),
            Place::Cookie | Place::Path | Place::Query => name.clone(),
        };
        match place {
            Place::Header if NOT_PARAMETERS.contains(&name.as_str()) => {
                return Err(one("this field is not a parameter: the gateway judges it by other rules"));
            }
            Place::Cookie if name.to_ascii_lowercase().starts_with("__host-portcullis") => {
                return Err(one("this cookie belongs to the gateway"));
            }
            Place::Cookie | Place::Header | Place::Path | Place::Query => {}
        }
        let shape = shape(schema).map_err(|(pointer, message)| vec![wrong(pointer.to_owned(), message)])?;
        match (shape, place) {
            (Shape::Array(_), Place::Cookie | Place::Path) => {
                return Err(one("only query and header parameters can be arrays"));
            }
            (Shape::Array(_), Place::Header | Place::Query) | (Shape::One(_), _) => {}
        }
        let text = serde_json::to_vec(schema).map_err(|_| one("the schema cannot be read as JSON"))?;
        let schema = Schema::compile(&text)
            .map_err(|found| found.into_iter().map(|f| wrong(f.pointer, f.message)).collect::<Vec<_>>())?;
        Ok(Self { place: *place, name, required: *required || *place == Place::Path, shape, schema })
    }

    pub(super) fn is(&self, place: Place, name: &str) -> bool {
        self.place == place && self.name == name
    }

    pub(super) fn is_array(&self) -> bool {
        match self.shape {
            Shape::Array(_) => true,
            Shape::One(_) => false,
        }
    }

    /// `None` where it is absent.
    pub(super) fn read(&self, values: &[&str]) -> Result<Option<Parsed>, &'static str> {
        match (self.shape, values) {
            (_, []) => Ok(None),
            (Shape::One(scalar), [value]) => scalar.read(value).map(|value| Some(Parsed { value, nodes: 1 })),
            (Shape::One(_), _) => Err("appears more than once"),
            (Shape::Array(scalar), values) => {
                let all: Vec<Value> = values.iter().map(|value| scalar.read(value)).collect::<Result<_, _>>()?;
                Ok(Some(Parsed { nodes: all.len() + 1, value: Value::Array(all) }))
            }
        }
    }
}

impl Scalar {
    fn read(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::String => Ok(Value::String(text.to_owned())),
            Self::Boolean => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("must be `true` or `false`"),
            },
            Self::Integer => whole(text).map(Value::Number).ok_or("must be a whole number within ±(2^53 − 1)"),
            Self::Number => match number(text) {
                Some(number) => Ok(Value::Number(number)),
                None => Err("must be a number, written as in JSON, within ±(2^53 − 1)"),
            },
        }
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
    let bounded = text.len() <= 64 && !text.bytes().any(|b| b.is_ascii_whitespace());
    match bounded.then(|| json::parse(text.as_bytes(), &Limits::default()))?.ok()?.value {
        Value::Number(number) => Some(number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn shape(schema: &Map<String, Value>) -> Result<Shape, (&'static str, String)> {
    const WANTED: &str = "must be `string`, `integer`, `number` or `boolean`";
    match schema.get("type") {
        None => Ok(Shape::One(Scalar::String)),
        Some(Value::String(name)) if name == "array" => match schema.get("items").and_then(|items| items.get("type")) {
            None => Ok(Shape::Array(Scalar::String)),
            Some(kind) => scalar(kind)
                .map(Shape::Array)
                .ok_or(("/items/type", format!("the type of an array parameter's `items` {WANTED}"))),
        },
        Some(kind) => scalar(kind)
            .map(Shape::One)
            .ok_or(("/type", format!("the type of a parameter {WANTED}, or `array` of those"))),
    }
}

fn scalar(kind: &Value) -> Option<Scalar> {
    Some(match kind.as_str()? {
        "boolean" => Scalar::Boolean,
        "integer" => Scalar::Integer,
        "number" => Scalar::Number,
        "string" => Scalar::String,
        _ => return None,
    })
}
