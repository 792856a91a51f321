//! Refusals of the admin API (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One refusal: a status, a stable code and a sentence.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) errors: Vec<FieldFault>,
}

/// What is wrong with one member of the body.
#[derive(Debug, Serialize)]
pub(super) struct FieldFault {
    pub(super) pointer: String,
    pub(super) message: String,
}

#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new() }
    }

    pub(super) fn invalid(errors: Vec<FieldFault>) -> Self {
        let detail = "the body does not fit; see `errors`".to_owned();
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "schema_violation", detail, errors }
    }

    pub(super) fn store(error: &dyn std::fmt::Display) -> Self {
        let detail = "the store cannot be used, and nothing was written";
        tracing::error!(%error, "store failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "dependency_unavailable", detail)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let document = Document {
            kind: format!("/_portcullis/refusals/{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            errors: self.errors,
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portcullis admin\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(super) async fn not_found() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "route_not_found", "there is nothing here")
}

pub(super) async fn method_not_allowed() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path exists, but not for this method")
}
