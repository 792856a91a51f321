//! The types a schema declares, in a form values can be fitted into.
//!
//! Cedar keeps its own form of a schema to itself; what is read here is its published JSON form with every name
//! resolved, or, where there is no namespace, as it was written: then a name is a common type, an entity type, or one of
//! Cedar's own, in this order (`resolve_type_references`, RFC 24 and 70).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// One Cedar type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Bool,
    Datetime,
    Decimal,
    Duration,
    Entity(String),
    Ip,
    Long,
    Record(Fields),
    Set(Box<Shape>),
    String,
}

/// The attributes of an entity, a record or a context, by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Fields(pub(super) BTreeMap<String, Field>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Field {
    pub(super) shape: Shape,
    pub(super) presence: Presence,
}

/// Must an attribute be there?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    Optional,
    Required,
}

/// What a schema declares of entities and contexts.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// By full name: `Shop::Order`.
    pub(super) entities: BTreeMap<String, EntityShape>,
    /// Contexts of the actions outside any namespace, by action id.
    pub(super) contexts: BTreeMap<String, Fields>,
}

#[derive(Debug, Default)]
pub(super) struct EntityShape {
    pub(super) fields: Fields,
    /// Full names of the entity types it may be a member of.
    pub(super) member_of: Vec<String>,
}

/// Common types may nest no deeper; the schema's own check has excluded cycles.
const DEEPEST: usize = 64;

impl Shapes {
    /// Whether names need no resolving: there is no namespace that one could be in.
    pub(super) fn speaks_plainly(schema: &Value) -> bool {
        schema.as_object().is_some_and(|namespaces| namespaces.keys().all(String::is_empty))
    }

    /// Reads the JSON form of a schema, resolved or [plain](Self::speaks_plainly). `None`: it has a part this gateway
    /// does not know.
    pub(super) fn read(schema: &Value) -> Option<Self> {
        let namespaces = schema.as_object()?;
        let mut reader = Reader::default();
        for (namespace, definition) in namespaces {
            for (name, common) in members(definition, "commonTypes") {
                reader.commons.insert(full_name(namespace, name), common);
            }
            reader.entities.extend(members(definition, "entityTypes").map(|(name, _)| full_name(namespace, name)));
        }
        let mut shapes = Self::default();
        for (namespace, definition) in namespaces {
            for (name, entity) in members(definition, "entityTypes") {
                shapes.entities.insert(full_name(namespace, name), reader.entity(entity)?);
            }
        }
        for (id, action) in namespaces.get("").into_iter().flat_map(|root| members(root, "actions")) {
            let context = action.get("appliesTo").and_then(|applies| applies.get("context"));
            let fields = context.map_or(Some(Fields::default()), |context| reader.fields(context))?;
            shapes.contexts.insert(id.clone(), fields);
        }
        Some(shapes)
    }
}

#[derive(Default)]
struct Reader<'a> {
    commons: BTreeMap<String, &'a Value>,
    entities: BTreeSet<String>,
}

impl Reader<'_> {
    fn entity(&self, entity: &Value) -> Option<EntityShape> {
        let fields = entity.get("shape").map_or(Some(Fields::default()), |shape| self.fields(shape))?;
        let parents = entity.get("memberOfTypes").and_then(Value::as_array);
        let member_of = parents.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(EntityShape { fields, member_of })
    }

    fn fields(&self, record: &Value) -> Option<Fields> {
        let Shape::Record(fields) = self.shape(record, DEEPEST)? else { return None };
        Some(fields)
    }

    fn shape(&self, ty: &Value, depth: usize) -> Option<Shape> {
        let depth = depth.checked_sub(1)?;
        let kind = ty.get("type")?.as_str()?;
        let name = ty.get("name").and_then(Value::as_str);
        match (kind, name) {
            ("Set", _) if ty.get("element").is_some() => {
                Some(Shape::Set(Box::new(self.shape(ty.get("element")?, depth)?)))
            }
            ("Record", _) if ty.get("attributes").is_some() => self.record(ty.get("attributes")?, depth),
            ("Entity", Some(name)) => Some(Shape::Entity(name.to_owned())),
            ("Extension", Some(name)) => builtin(name),
            ("EntityOrCommon", Some(name)) | (name, _) => self.named(name, depth),
        }
    }

    fn named(&self, name: &str, depth: usize) -> Option<Shape> {
        match self.commons.get(name) {
            Some(common) => self.shape(common, depth),
            None if self.entities.contains(name) => Some(Shape::Entity(name.to_owned())),
            None => builtin(name.strip_prefix("__cedar::").unwrap_or(name)),
        }
    }

    fn record(&self, attributes: &Value, depth: usize) -> Option<Shape> {
        let mut fields = BTreeMap::new();
        for (name, attribute) in attributes.as_object()? {
            let required = attribute.get("required").and_then(Value::as_bool).unwrap_or(true);
            let presence = if required { Presence::Required } else { Presence::Optional };
            fields.insert(name.clone(), Field { shape: self.shape(attribute, depth)?, presence });
        }
        Some(Shape::Record(Fields(fields)))
    }
}

fn builtin(name: &str) -> Option<Shape> {
    Some(match name {
        "Bool" | "Boolean" => Shape::Bool,
        "Long" => Shape::Long,
        "String" => Shape::String,
        "datetime" => Shape::Datetime,
        "decimal" => Shape::Decimal,
        "duration" => Shape::Duration,
        "ipaddr" => Shape::Ip,
        _ => return None,
    })
}

fn members<'a>(definition: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    definition.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn full_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}::{name}") }
}

impl Fields {
    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, field)| field.presence == Presence::Required).map(|(name, _)| name.as_str())
    }

    /// The path of the first attribute whose value would be an entity, which no text a caller sends may become.
    pub(super) fn entity_inside(&self) -> Option<String> {
        self.0.iter().find_map(|(name, field)| {
            field
                .shape
                .entity_inside()
                .map(|below| if below.is_empty() { name.clone() } else { format!("{name}.{below}") })
        })
    }
}

impl Shape {
    /// As [`Fields::entity_inside`]; the empty path is this shape itself.
    pub(super) fn entity_inside(&self) -> Option<String> {
        match self {
            Self::Entity(_) => Some(String::new()),
            Self::Record(fields) => fields.entity_inside(),
            Self::Set(element) => element.entity_inside(),
            Self::Bool | Self::Datetime | Self::Decimal | Self::Duration | Self::Ip | Self::Long | Self::String => None,
        }
    }
}

impl fmt::Display for Shape {
    /// As a schema writes it; a record without its attributes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Datetime => f.write_str("datetime"),
            Self::Decimal => f.write_str("decimal"),
            Self::Duration => f.write_str("duration"),
            Self::Entity(name) => f.write_str(name),
            Self::Ip => f.write_str("ipaddr"),
            Self::Long => f.write_str("Long"),
            Self::Record(_) => f.write_str("{…}"),
            Self::Set(element) => write!(f, "Set<{element}>"),
            Self::String => f.write_str("String"),
        }
    }
}
