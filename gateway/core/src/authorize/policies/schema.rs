//! The schema: read, measured, resolved.

use std::borrow::Cow;

use cedar_policy::{
    CedarSchemaError, Entities, Schema, SchemaFragment, SchemaWarning, schema_str_to_json_with_resolved_types,
};
use serde_json::Value;

use super::{alike, depth, size};
use crate::authorize::fault::{PolicyFault, Source, of_schema};
use crate::authorize::principal::{Kept, Principals};
use crate::authorize::shapes::Shapes;

/// A schema that was read.
pub(super) struct Read<'s> {
    /// Cedar's JSON form, of which smaller ones can be made.
    pub(super) json: Value,
    pub(super) unresolved: Unresolved<'s>,
    pub(super) warnings: Vec<PolicyFault>,
}

/// Whose names are not looked up yet.
pub(super) struct Unresolved<'s> {
    source: &'s Source,
    fragment: SchemaFragment,
    /// What it was read from.
    text: Cow<'s, str>,
}

/// A schema that holds together.
pub(super) struct Typed {
    pub(super) schema: Schema,
    pub(super) actions: Entities,
    pub(super) shapes: Shapes,
    pub(super) principals: Principals,
}

impl<'s> Read<'s> {
    pub(super) fn of(source: &'s Source) -> Result<Self, Vec<PolicyFault>> {
        if let Some(found) = depth::too_deep(&source.text, depth::Text::Schema) {
            let fault = PolicyFault::new(&source.file, found.message).at(Some((found.at, 1))).help(found.help);
            return Err(vec![fault]);
        }
        let (fragment, told, text) = read(&source.text).map_err(|error| faults(source, *error))?;
        let json = fragment.clone().to_json_value().unwrap_or_default();
        if let Some(found) = size::too_large(&json) {
            let last = found.name.rsplit("::").next().unwrap_or_default();
            let declared = format!("type {last}");
            let fault = PolicyFault::new(&source.file, found.message)
                .at(source.text.find(&declared).map(|at| (at, declared.len())));
            return Err(vec![fault.help(format!("make `{}` smaller, or an entity of its own", found.name))]);
        }
        let warnings = told.iter().map(|warning| PolicyFault::one(&source.file, warning)).collect();
        Ok(Self { json, unresolved: Unresolved { source, fragment, text }, warnings })
    }
}

impl Unresolved<'_> {
    /// `json` is that of the same schema.
    pub(super) fn typed(&self, json: &Value, kept: Kept) -> Result<Typed, Vec<PolicyFault>> {
        let source = self.source;
        // Its own faults would not say where.
        let schema = match Schema::from_schema_fragments([self.fragment.clone()]) {
            Ok(schema) => schema,
            Err(_) => Schema::from_cedarschema_str(&source.text).map_err(|error| faults(source, error))?.0,
        };
        // Resolving reads the text once more, which with thousands of actions takes a while.
        let shapes = if Shapes::speaks_plainly(json) {
            Shapes::read(json)
        } else {
            let resolved = schema_str_to_json_with_resolved_types(&self.text).map_err(|error| faults(source, error))?;
            Shapes::read(&resolved.0)
        };
        let fault = |message: String| vec![PolicyFault::new(&source.file, message)];
        let shapes = shapes.ok_or_else(|| fault("the schema uses a type this gateway does not know".to_owned()))?;
        let principals = Principals::read(&shapes, &source.file, kept)?;
        let actions = schema.action_entities().map_err(|error| fault(error.to_string()))?;
        Ok(Typed { schema, actions, shapes, principals })
    }
}

type Fragment<'t> = (SchemaFragment, Vec<SchemaWarning>, Cow<'t, str>);

/// A short way of writing the schema, if there is one that is without fault; what Cedar says of the text else.
fn read(text: &str) -> Result<Fragment<'_>, Box<CedarSchemaError>> {
    if let Some(short) = alike::shortened(text)
        && let Ok((fragment, mut told)) = SchemaFragment::from_cedarschema_str(&short)
        && told.next().is_none()
    {
        return Ok((fragment, Vec::new(), Cow::Owned(short)));
    }
    let (fragment, told) = SchemaFragment::from_cedarschema_str(text).map_err(Box::new)?;
    Ok((fragment, told.collect(), Cow::Borrowed(text)))
}

fn faults(source: &Source, error: CedarSchemaError) -> Vec<PolicyFault> {
    let faults = PolicyFault::from_cedar(&source.file, &error).into_iter();
    faults.map(|fault| of_schema(fault, &source.text)).collect()
}
