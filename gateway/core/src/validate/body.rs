//! Does the body fit its schema?

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::schema::{Schema, SchemaFault};
use super::{Limits, json, refusal};
use crate::refusal::{Code, Refusal};

/// A body's schema, compiled, with the bounds of reading.
#[derive(Debug)]
pub struct BodySchema {
    schema: Schema,
    limits: Limits,
}

impl BodySchema {
    /// Compiles the text of a schema file.
    ///
    /// # Errors
    /// See [`Schema::compile`].
    pub fn compile(text: &[u8], limits: Limits) -> Result<Self, Vec<SchemaFault>> {
        Ok(Self { schema: Schema::compile(text)?, limits })
    }

    /// Judges a whole body.
    ///
    /// # Errors
    /// 400 `invalid_json` where it is not one JSON value that everybody reads alike, 422 `schema_violation` with
    /// at most [`Refusal::MOST_FAULTS`] faults where it does not fit. Neither ever holds a value from the body.
    pub fn check(&self, bytes: &[u8]) -> Result<Value, Refusal> {
        let parsed =
            json::parse(bytes, &self.limits).map_err(|fault| refusal(Code::InvalidJson, "body", vec![fault]))?;
        match self.schema.check(&parsed, "") {
            Ok(()) => Ok(parsed.value),
            Err(faults) => Err(refusal(Code::SchemaViolation, "body", faults)),
        }
    }
}
