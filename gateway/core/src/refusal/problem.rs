//! The problem document of a refusal (RFC 9457).

use serde::Serialize;

use super::{Code, Fault, Refusal};

/// `type` of a code: a stable URL, served by the gateway's own documentation.
pub fn documentation_url(code: Code) -> String {
    format!("https://portcullis.dev/refusals/{}", code.name())
}

/// What the caller reads, as `application/problem+json`.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: &'static str,
    pub status: u16,
    pub detail: &'a str,
    /// The decision id, as a URI (RFC 9457 §3.1.5).
    pub instance: String,
    pub code: &'static str,
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [Fault],
}

impl Refusal {
    /// The one translation from a refusal to what its caller reads.
    pub fn problem<'a>(&'a self, decision: &str, request_id: &'a str) -> Problem<'a> {
        let row = self.code.row();
        Problem {
            kind: documentation_url(self.code),
            title: row.title,
            status: row.status,
            detail: if self.detail.is_empty() { row.detail } else { &self.detail },
            instance: format!("urn:portcullis:decision:{decision}"),
            code: row.name,
            request_id,
            errors: self.extra.as_ref().map_or(&[], |extra| &extra.errors),
        }
    }
}
