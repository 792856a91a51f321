//! Refusals of the admin API (RFC 9457).

#[cfg(test)]
mod tests;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::refusal::Refusal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::world::store::StoreError;

/// One refusal: a status, a stable code and a sentence.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) errors: Vec<Value>,
}

/// What is wrong with one member of the body. Never holds its value.
#[derive(Debug)]
pub(super) struct FieldFault {
    /// RFC 6901.
    pub(super) pointer: String,
    pub(super) keyword: String,
    pub(super) message: String,
}

/// A problem (RFC 9457).
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Problem")]
pub(super) struct Document {
    /// The page that explains the code, relative to this listener.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// What happened here.
    detail: String,
    /// By what the operator finds the call in the log; the answer's `X-Request-Id`.
    instance: &'static str,
    /// Stable; `docs/refusals.md` lists them.
    code: &'static str,
    /// The same as `instance`.
    request_id: &'static str,
    /// What is wrong with the input, one by one; at most 10, and never a value that was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Value>,
}

/// In the extensions of an answer: whether anything was done is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown;

pub(super) const OUTCOME_UNKNOWN: &str = "outcome_unknown";

pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// At most this many faults are told.
const MOST_FAULTS: usize = 10;

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new() }
    }

    /// Whether it says nothing about who asked, but that something we need is away.
    pub(super) fn is_outage(&self) -> bool {
        self.status.is_server_error()
    }

    pub(super) fn invalid(errors: Vec<FieldFault>) -> Self {
        let detail = "the body does not fit; see `errors`".to_owned();
        let errors = errors
            .into_iter()
            .take(MOST_FAULTS)
            .map(|fault| json!({ "pointer": fault.pointer, "keyword": fault.keyword, "message": fault.message }));
        let errors = errors.collect();
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "schema_violation", detail, errors }
    }

    pub(super) fn store(error: &StoreError) -> Self {
        tracing::error!(%error, "store failed");
        match error {
            StoreError::Doubtful(_) | StoreError::Stopped => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                OUTCOME_UNKNOWN,
                "the store did not answer: whether the change was made is not known",
            ),
            StoreError::Away(_)
            | StoreError::Busy
            | StoreError::Conflict
            | StoreError::Cursor
            | StoreError::Damaged(_)
            | StoreError::Failed(_)
            | StoreError::Foreign
            | StoreError::Full
            | StoreError::Locked
            | StoreError::Newer { .. }
            | StoreError::ReadOnly
            | StoreError::Unfit(_) => Self::unwritten(),
        }
    }

    /// Something else than the store is not there, and nothing was written.
    pub(super) fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "the admin API failed");
        Self::unwritten()
    }

    fn unwritten() -> Self {
        let detail = "the store cannot be used, and nothing was written";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "dependency_unavailable", detail)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let row = refusal.code.row();
        let detail = if refusal.detail.is_empty() { row.detail.to_owned() } else { refusal.detail.into_owned() };
        if !refusal.reason.is_empty() {
            tracing::info!(code = row.name, reason = %refusal.reason, "the admin API refused");
        }
        Self::new(refusal.code.status(), row.name, detail)
    }
}

impl From<BytesRejection> for Refused {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than 256 KiB")
            }
            _ => Self::new(StatusCode::BAD_REQUEST, "malformed_request", "the body did not arrive whole"),
        }
    }
}

impl From<PathRejection> for Refused {
    fn from(_: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", "the path is not percent-encoded UTF-8")
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", rejection.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let document = Document {
            kind: format!("/_portcullis/refusals/{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: self.detail,
            // Put in by whoever names the call.
            instance: "",
            code: self.code,
            request_id: "",
            errors: self.errors,
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3: where nothing was shown, the challenge names no error.
            let challenge = match self.code {
                "authentication_required" => r#"Bearer realm="portcullis admin""#,
                "invalid_api_key" => {
                    r#"Bearer realm="portcullis admin", error="invalid_token", error_description="the key does not verify""#
                }
                _ => r#"Bearer realm="portcullis admin", error="invalid_token""#,
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.code == OUTCOME_UNKNOWN {
            response.extensions_mut().insert(Unknown);
        } else if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What a code means: the page behind `type`.
pub(super) async fn page(code: Result<Path<String>, PathRejection>) -> Result<Response, Refused> {
    let Path(code) = code?;
    let Some(reply) = crate::respond::documentation(&code) else { return Err(not_found().await) };
    let mut response = (reply.status, reply.body).into_response();
    // Ours take the place of what axum says of bytes.
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().extend(reply.fields);
    Ok(response)
}

pub(super) async fn not_found() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "route_not_found", "there is nothing here")
}

pub(super) async fn method_not_allowed() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path exists, but not for this method")
}
