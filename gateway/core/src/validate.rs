//! Is it well formed?
//!
//! One [`Validate`] per route, compiled at load: declared parameters are judged before Cedar is asked,
//! the body after (before, where the route says `authorize_body = true`). What was judged is what is
//! forwarded: nothing here rewrites, fills in defaults or reorders. A content coding that the route allows is taken off
//! for good, so that the application reads the very bytes that were judged.

mod answers;
mod bodies;
mod body;
mod coding;
mod config;
mod form;
mod json;
mod media_type;
mod multipart;
mod parameters;
mod pointer;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
mod tree;

use std::path::Path;

use http::{HeaderMap, Method};

use crate::refusal::{Code, Fault, Refusal};
use crate::request::{DeclaredBody, Request};

pub use answers::{AnswerPlan, Answers};
pub use bodies::Judged;
use bodies::{Bodies, Wanted};
pub use body::BodySchema;
pub use config::{
    BodyConfig, ContentCoding, ParameterConfig, ParameterStyle, Place, ResponseConfig, ResponsesConfig, RouteInput,
    Undeclared, UnknownQuery, ValidateConfig,
};
pub use json::{Limits, Numbers, Parsed, parse};
pub use media_type::MediaTypes;
pub use parameters::{ParameterRules, Parameters};
pub use schema::{Schema, SchemaFault};

/// The input rules of one route, compiled; and what it may answer.
#[derive(Debug)]
pub struct Validate {
    bodies: Bodies,
    /// `None`: required by POST, PUT and PATCH.
    required: Option<bool>,
    parameters: ParameterRules,
    answers: Option<Answers>,
    max_body: u64,
}

/// The texts of the schema files that a route names.
#[derive(Clone, Copy)]
pub struct Schemas<'a> {
    /// Behind `body_schema`.
    pub body: Option<&'a [u8]>,
    /// Behind every other path.
    pub others: &'a dyn Fn(&Path) -> Option<&'a [u8]>,
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
    /// The route's key: `body_schema`, `bodies`, `media_types`, `parameters`, `responses`, ….
    pub key: &'static str,
    /// JSON Pointer into the schema; empty where the fault is not inside one.
    pub pointer: String,
    pub message: String,
}

impl Validate {
    /// Compiles the rules of one route. `max_body` is the greatest body in bytes.
    ///
    /// # Errors
    /// Everything wrong with the schemas and the parameters, at once.
    pub fn compile(
        route: &RouteInput,
        schemas: Schemas<'_>,
        limits: Limits,
        max_body: u64,
    ) -> Result<Self, Vec<InputFault>> {
        let bodies = Bodies::compile(route, schemas, limits, max_body);
        let parameters = ParameterRules::compile(&route.parameters, route.unknown_query);
        let answers =
            route.responses.as_ref().map(|config| Answers::compile(config, schemas.others, limits)).transpose();
        match (bodies, parameters, answers) {
            (Ok(bodies), Ok(parameters), Ok(answers)) => {
                Ok(Self { bodies, required: route.body_required, parameters, answers, max_body })
            }
            (bodies, parameters, answers) => {
                let found = [bodies.err(), parameters.err(), answers.err()];
                Err(found.into_iter().flatten().flatten().collect())
            }
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

    /// Whether there is anything to judge beside the body.
    pub fn wants_parameters(&self) -> bool {
        self.parameters.judges()
    }

    /// Whether bodies of this route are judged, and so held in memory whole.
    pub fn wants_body(&self) -> bool {
        self.bodies.reads()
    }

    /// What this route may answer; `None` where nothing is judged.
    pub fn answers(&self) -> Option<&Answers> {
        self.answers.as_ref()
    }

    /// Bytes of memory that judging takes beside the body itself: where a content coding is taken off, the plain body
    /// stands beside the coded one.
    pub fn beside(&self, headers: &HeaderMap) -> u64 {
        if self.bodies.takes_off(headers) { self.max_body } else { 0 }
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
        if self.bodies.is_empty() {
            return Ok(BodyPlan::Stream(self.max_body));
        }
        match declared {
            DeclaredBody::Absent | DeclaredBody::Length(0) if self.requires(method) => Err(missing_body()),
            DeclaredBody::Absent | DeclaredBody::Length(0) => Ok(BodyPlan::Nothing),
            DeclaredBody::Length(_) | DeclaredBody::Unknown => Ok(match self.bodies.want(headers)? {
                Wanted::Held => BodyPlan::Hold(self.max_body),
                Wanted::Unread => BodyPlan::Stream(self.max_body),
            }),
        }
    }

    /// Judges a whole body. No value: there is no body and none is required, or the route does not read it.
    ///
    /// # Errors
    /// 413 over the bound, 415 for another media type, 400 `invalid_json` or `invalid_body`, 422 `schema_violation`.
    pub fn body(&self, method: &Method, headers: &HeaderMap, bytes: &[u8]) -> Result<Judged, Refusal> {
        if u64::try_from(bytes.len()).map_or(true, |length| length > self.max_body) {
            return Err(Code::BodyTooLarge.into());
        }
        if self.bodies.is_empty() {
            return Ok(Judged::default());
        }
        match (bytes.is_empty(), self.requires(method)) {
            (true, true) => Err(missing_body()),
            (true, false) => Ok(Judged::default()),
            (false, _) => self.bodies.judge(headers, bytes, self.max_body),
        }
    }

    fn requires(&self, method: &Method) -> bool {
        self.required.unwrap_or(matches!(*method, Method::POST | Method::PUT | Method::PATCH))
    }
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
