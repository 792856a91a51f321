//! The problem document of a refusal (RFC 9457).

use std::collections::HashMap;
use std::sync::LazyLock;

use memchr::memchr2;
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

impl Refusal {
    /// The bytes of [`Self::problem`], with `base` before the reference of its `type` and whoever may log in told where.
    pub fn document(&self, base: &str, decision: &str, request_id: &str, login_url: Option<String>) -> Vec<u8> {
        let more = self.extra.as_ref().is_some_and(|extra| !extra.errors.is_empty() || extra.failure.is_some());
        let fixed = FIXED.get(&self.code).filter(|_| !more && login_url.is_none());
        if let Some(fixed) = fixed.filter(|_| [base, decision, request_id].into_iter().all(is_plain)) {
            return fixed.document((base, decision, request_id), &self.detail);
        }
        let mut problem = self.problem(decision, request_id);
        problem.kind = format!("{base}{}", problem.kind);
        problem.login_url = login_url;
        serde_json::to_vec(&problem).unwrap_or_default()
    }
}

/// Whether JSON quotes it as it is (RFC 8259 §7).
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr2(b'"', b'\\', bytes).is_none() && bytes.iter().all(|byte| *byte >= b' ')
}

/// What is the same in every document of a code, written once: floods are refused, and each refusal costs.
struct Fixed {
    /// From the reference of its type up to `"detail":`.
    begin: String,
    detail: String,
    /// From the value of `instance` to that of `request_id`.
    code: String,
}

static FIXED: LazyLock<HashMap<Code, Fixed>> =
    LazyLock::new(|| Code::ALL.iter().filter_map(|code| Some((*code, Fixed::of(*code)?))).collect());

impl Fixed {
    /// `None`: a text cannot be written, which serde will say again.
    fn of(code: Code) -> Option<Self> {
        let (row, json) = (code.row(), |text: &str| serde_json::to_string(text).ok());
        let begin = format!(
            "{}\",\"title\":{},\"status\":{},\"detail\":",
            documentation_path(code),
            json(row.title)?,
            row.status
        );
        let code = format!("\",\"code\":{},\"request_id\":\"", json(row.name)?);
        Some(Self { begin, detail: json(row.detail)?, code })
    }

    fn document(&self, (base, decision, request_id): (&str, &str, &str), detail: &str) -> Vec<u8> {
        const AROUND: usize = 64;
        let texts = [base, &self.begin, &self.detail, detail, decision, &self.code, request_id];
        let mut written = Vec::with_capacity(texts.iter().map(|text| text.len()).sum::<usize>() + AROUND);
        for part in ["{\"type\":\"", base, &self.begin] {
            written.extend_from_slice(part.as_bytes());
        }
        // Writing into memory does not fail.
        match detail {
            "" => written.extend_from_slice(self.detail.as_bytes()),
            detail => drop(serde_json::to_writer(&mut written, detail)),
        }
        for part in [",\"instance\":\"", decision, &self.code, request_id, "\"}"] {
            written.extend_from_slice(part.as_bytes());
        }
        written
    }
}
