//! How is one parameter read? By its place, its style and its schema, which also judges it.

use serde_json::{Map, Value};

use super::super::InputFault;
use super::super::config::{ParameterConfig, Place};
use super::super::json::Parsed;
use super::super::schema::Schema;
use super::super::shape::Shape;
use super::super::tree::Wrong;
use super::style::{Came, Explode, Style, Written};

/// Header fields that a parameter may not be (`OpenAPI` 3.1 §4.8.12.1), because other rules judge them.
const NOT_PARAMETERS: &[&str] = &["accept", "authorization", "content-type", "cookie", "host", "content-length"];

/// One parameter, compiled.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) place: Place,
    /// Lower case for headers.
    pub(super) name: String,
    pub(super) required: bool,
    written: Written,
    shape: Shape,
    pub(super) schema: Schema,
}

impl Declared {
    pub(super) fn compile(config: &ParameterConfig) -> Result<Self, Vec<InputFault>> {
        let ParameterConfig { place, name, required, schema, .. } = config;
        let about = format!("{} parameter `{name}`", place.name());
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
        let written = Written::of(config).map_err(|message| one(&message))?;
        let document = Value::Object(schema.clone());
        let shape = Shape::of(&document, &document);
        writable(written, &shape, schema).map_err(|message| one(&message))?;
        let text = serde_json::to_vec(schema).map_err(|_| one("the schema cannot be read as JSON"))?;
        let schema = Schema::compile(&text)
            .map_err(|found| found.into_iter().map(|f| wrong(f.pointer, f.message)).collect::<Vec<_>>())?;
        Ok(Self { place: *place, name, required: *required || *place == Place::Path, written, shape, schema })
    }

    pub(super) fn is(&self, place: Place, name: &str) -> bool {
        self.place == place && self.name == name
    }

    /// Whether a pair of the query is this parameter's.
    pub(super) fn claims(&self, pair: &str) -> bool {
        self.place == Place::Query && self.written.claims(&self.name, &self.shape, pair)
    }

    /// `None` where it is absent.
    pub(super) fn read(&self, came: &Came<'_>) -> Result<Option<Parsed>, Wrong> {
        let value = self.written.read(came, &self.shape)?;
        Ok(value.map(|value| Parsed { nodes: nodes(&value), value }))
    }
}

/// Whether the style can carry what the schema wants.
fn writable(written: Written, shape: &Shape, schema: &Map<String, Value>) -> Result<(), String> {
    let nested = |shape: &Shape| !shape.is_scalar() && (shape.items.is_some() || shape.members.is_some());
    let flat = |shape: &Shape| {
        let items = shape.items.as_deref().is_none_or(|items| !nested(items));
        items && shape.members.as_ref().is_none_or(|members| !members.named.values().any(nested))
    };
    match written.style {
        Style::Deep if shape.members.is_none() => Err("the style `deepObject` is for objects".to_owned()),
        Style::Deep | Style::Json => Ok(()),
        Style::Pipe | Style::Space if written.explode == Explode::Together && shape.items.is_none() => {
            Err("the styles `spaceDelimited` and `pipeDelimited` are for arrays".to_owned())
        }
        Style::Field | Style::Form | Style::Label | Style::Pipe | Style::Simple | Style::Space => {
            let exploded = written.style == Style::Form && written.explode == Explode::Apart;
            let unknown = schema.get("type").is_some_and(|kind| kind == "null");
            if unknown {
                return Err("the type of a parameter cannot be `null` alone".to_owned());
            }
            if flat(shape) || (exploded && shape.members.is_some() && shape.items.is_none()) {
                return Ok(());
            }
            Err("an array or object inside another cannot be written in this style: use `deepObject` or \
                 `content = \"application/json\"`"
                .to_owned())
        }
    }
}

fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(nodes).sum::<usize>(),
        Value::Object(all) => 1 + all.values().map(nodes).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}
