//! The problem document of a refusal (RFC 9457).

use serde::Serialize;

use super::{Code, Fault, Refusal};

/// `type` of a code: a stable reference below the gateway's own origin, where its page is served.
pub fn documentation_path(code: Code) -> String {
    format!("/_portcullis/refusals/{}", code.name())
}

/// What the caller reads, as `application/problem+json`.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: &'static str,
    pub status: u16,
    pub detail: &'a str,
    /// The decision id: a relative reference (RFC 9457 §3.1.5).
    pub instance: &'a str,
    pub code: &'static str,
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [Fault],
    /// Where a browser gets a session; put in by whoever knows our origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_failure: Option<&'static str>,
}

impl Refusal {
    /// The one translation from a refusal to what its caller reads.
    pub fn problem<'a>(&'a self, decision: &'a str, request_id: &'a str) -> Problem<'a> {
        let row = self.code.row();
        Problem {
            kind: documentation_path(self.code),
            title: row.title,
            status: row.status,
            detail: if self.detail.is_empty() { row.detail } else { &self.detail },
            instance: decision,
            code: row.name,
            request_id,
            errors: self.extra.as_ref().map_or(&[], |extra| &extra.errors),
            login_url: None,
            login_failure: self.extra.as_ref().and_then(|extra| extra.failure).map(super::LoginFailure::name),
        }
    }
}
