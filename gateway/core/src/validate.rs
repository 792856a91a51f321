//! Is it well formed?
//!
//! One [`Validate`] per route, compiled at load: declared parameters are judged before Cedar is asked,
//! the body after (before, where the route says `authorize_body = true`). What was judged is what is
//! forwarded: nothing here rewrites, fills in defaults or reorders.

mod body;
mod config;
mod json;
mod media_type;
mod parameters;
mod pointer;
mod schema;
#[cfg(test)]
mod tests;

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::refusal::{Code, Fault, Refusal};
use crate::request::{DeclaredBody, Request};

pub use body::BodySchema;
pub use config::{ParameterConfig, Place, RouteInput, UnknownQuery, ValidateConfig};
pub use json::{Limits, Numbers, Parsed, parse};
pub use media_type::MediaTypes;
pub use parameters::{ParameterRules, Parameters};
pub use schema::{Schema, SchemaFault};

/// The input rules of one route, compiled.
#[derive(Debug)]
pub struct Validate {
    body: Option<BodyRule>,
    parameters: ParameterRules,
    max_body: u64,
}

#[derive(Debug)]
struct BodyRule {
    schema: BodySchema,
    media_types: MediaTypes,
    /// `None`: required by POST, PUT and PATCH.
    required: Option<bool>,
}

/// What to do with the body of one request, known before its first byte is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyPlan {
    /// Hold at most this many bytes, judge them whole, then forward them.
    Hold(u64),
    /// There is none to judge.
    Nothing,
    /// Pass it on as it comes, at most this many bytes.
    Stream(u64),
}

/// Something wrong with the input rules an operator wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputFault {
    /// The configuration key: `body_schema`, `media_types`, `parameters`.
    pub key: &'static str,
    /// JSON Pointer into the schema; empty where the fault is not inside one.
    pub pointer: String,
    pub message: String,
}

impl Validate {
    /// Compiles the rules of one route. `schema` is the text of the file that `body_schema` names, `max_body`
    /// the greatest body in bytes.
    ///
    /// # Errors
    /// Everything wrong with the schema and the parameters, at once.
    pub fn compile(
        route: &RouteInput,
        schema: Option<&[u8]>,
        limits: Limits,
        max_body: u64,
    ) -> Result<Self, Vec<InputFault>> {
        let mut faults = Vec::new();
        let media_types = keep(MediaTypes::new(route.media_types.as_deref()), &mut faults, |message| {
            vec![InputFault { key: "media_types", pointer: String::new(), message }]
        });
        let schema = schema.and_then(|text| {
            keep(BodySchema::compile(text, limits), &mut faults, |found| {
                found.into_iter().map(|fault| fault.under("body_schema")).collect()
            })
        });
        let parameters = keep(ParameterRules::compile(&route.parameters, route.unknown_query), &mut faults, |f| f);
        match parameters {
            Some(parameters) if faults.is_empty() => {
                let body = schema.zip(media_types).map(|(schema, media_types)| BodyRule {
                    schema,
                    media_types,
                    required: route.body_required,
                });
                Ok(Self { body, parameters, max_body })
            }
            Some(_) | None => Err(faults),
        }
    }

    /// Judges path, query, header and cookie parameters. `params` are the route's, decoded once.
    ///
    /// # Errors
    /// 400 `invalid_parameter` where one cannot be read as its type, 422 `schema_violation` where one can but
    /// does not fit.
    pub fn parameters(
        &self,
        request: &Request<'_>,
        params: &[(std::sync::Arc<str>, String)],
    ) -> Result<Parameters, Refusal> {
        self.parameters.check(request, params)
    }

    /// Whether bodies of this route are judged, and so held in memory whole.
    pub fn wants_body(&self) -> bool {
        self.body.is_some()
    }

    /// The greatest body in bytes, judged or streamed.
    pub fn max_body(&self) -> u64 {
        self.max_body
    }

    /// Judges what the head says of the body, so that nothing unwelcome is read.
    ///
    /// # Errors
    /// 413 where the declared length is over the bound, 415 for another media type or a content coding,
    /// 400 `invalid_json` where a body is required and there is none.
    pub fn before_body(&self, request: &Request<'_>) -> Result<BodyPlan, Refusal> {
        self.plan(request.method, request.headers, request.body)
    }

    fn plan(&self, method: &Method, headers: &HeaderMap, declared: DeclaredBody) -> Result<BodyPlan, Refusal> {
        match declared {
            DeclaredBody::Length(length) if length > self.max_body => {
                return Err(Refusal::new(Code::BodyTooLarge)
                    .because(format!("{length} bytes declared, at most {} accepted", self.max_body)));
            }
            DeclaredBody::Absent | DeclaredBody::Length(_) | DeclaredBody::Unknown => {}
        }
        let Some(rule) = &self.body else { return Ok(BodyPlan::Stream(self.max_body)) };
        match declared {
            DeclaredBody::Absent | DeclaredBody::Length(0) if rule.requires(method) => Err(missing_body()),
            DeclaredBody::Absent | DeclaredBody::Length(0) => Ok(BodyPlan::Nothing),
            DeclaredBody::Length(_) | DeclaredBody::Unknown => {
                rule.media_types.check(headers)?;
                Ok(BodyPlan::Hold(self.max_body))
            }
        }
    }

    /// Judges a whole body. `None`: there is no body and none is required, or the route judges none.
    ///
    /// # Errors
    /// 413 over the bound, 400 `invalid_json`, 422 `schema_violation`.
    pub fn body(&self, method: &Method, bytes: &[u8]) -> Result<Option<Value>, Refusal> {
        if u64::try_from(bytes.len()).map_or(true, |length| length > self.max_body) {
            return Err(Code::BodyTooLarge.into());
        }
        match &self.body {
            Some(rule) if bytes.is_empty() && rule.requires(method) => Err(missing_body()),
            Some(_) if bytes.is_empty() => Ok(None),
            Some(rule) => rule.schema.check(bytes).map(Some),
            None => Ok(None),
        }
    }
}

impl BodyRule {
    fn requires(&self, method: &Method) -> bool {
        self.required.unwrap_or(matches!(*method, Method::POST | Method::PUT | Method::PATCH))
    }
}

/// The value, or its faults added to `all`.
fn keep<T, E>(
    result: Result<T, E>,
    all: &mut Vec<InputFault>,
    translate: impl FnOnce(E) -> Vec<InputFault>,
) -> Option<T> {
    result.map_err(|found| all.extend(translate(found))).ok()
}

fn missing_body() -> Refusal {
    refusal(Code::InvalidJson, "body", vec![pointer::syntax(String::new(), "the body is empty")])
}

/// One refusal that tells all `faults`; the operator reads the first.
fn refusal(code: Code, what: &str, faults: Vec<Fault>) -> Refusal {
    let because = match faults.first() {
        Some(Fault { pointer, keyword, message }) => {
            format!("{what}: `{keyword}` at `{pointer}`: {message} ({} told)", faults.len().min(Refusal::MOST_FAULTS))
        }
        None => what.to_owned(),
    };
    Refusal::new(code).because(because).errors(faults)
}
