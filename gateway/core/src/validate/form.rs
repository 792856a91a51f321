//! Does a form fit its schema? `application/x-www-form-urlencoded` (WHATWG URL §5.1), judged as the object of its fields.

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::json::{Limits, Parsed};
use super::parameters::query;
use super::schema::{Schema, SchemaFault};
use super::shape::Shape;
use super::tree::{Leaf, Texts, Tree};
use super::{pointer, refusal};
use crate::refusal::{Code, Fault, Refusal};

/// A form's schema, compiled, with the bounds of reading.
#[derive(Debug)]
pub(super) struct FormSchema {
    schema: Schema,
    pub(super) shape: Shape,
    pub(super) limits: Limits,
}

impl FormSchema {
    /// Compiles the text of a schema file.
    ///
    /// # Errors
    /// See [`Schema::compile`]; and a schema that is not of an object.
    pub(super) fn compile(text: &[u8], limits: Limits) -> Result<Self, Vec<SchemaFault>> {
        let (schema, document) = Schema::compile_kept(text)?;
        let shape = Shape::of(&document, &document);
        if shape.members.is_none() {
            let message = "a form is an object: write `\"type\": \"object\"`".to_owned();
            return Err(vec![SchemaFault { pointer: "/type".to_owned(), message }]);
        }
        Ok(Self { schema, shape, limits })
    }

    /// Judges a whole form.
    ///
    /// # Errors
    /// 400 `invalid_body` where it has no single reading, 422 `schema_violation` where it does not fit.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<Value, Refusal> {
        let wrong = |message: &str| unreadable(pointer::syntax(String::new(), message));
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
        let text = text.ok_or_else(|| wrong("holds a byte that a form must percent-encode"))?;
        let pairs = query::pairs(text, "").map_err(unreadable)?;
        let mut tree = Tree::default();
        for pair in pairs {
            if pair.value.len() > self.limits.string_bytes || pair.name.len() > self.limits.string_bytes {
                return Err(wrong("has a text longer than `max_string` allows"));
            }
            tree.insert(&pair.name, Leaf::Text(pair.value)).map_err(wrong)?;
        }
        self.judge(tree)
    }

    /// Judges fields, however they came.
    pub(super) fn judge(&self, tree: Tree) -> Result<Value, Refusal> {
        let value = tree
            .object(&self.shape, Texts::MayBeJson, &self.limits)
            .map_err(|(at, message)| unreadable(pointer::syntax(at, message)))?;
        // Forms are small; whatever stands in one is told in full.
        let parsed = Parsed { value, nodes: 1 };
        match self.schema.check(&parsed, "") {
            Ok(()) => Ok(parsed.value),
            Err(faults) => Err(refusal(Code::SchemaViolation, "body", faults)),
        }
    }
}

pub(super) fn unreadable(fault: Fault) -> Refusal {
    refusal(Code::InvalidBody, "body", vec![fault])
}
