//! How do limits stand, in the caller's terms? `RateLimit`, `RateLimit-Policy` and `Retry-After`.
//!
//! Structured fields (RFC 9651) as draft-ietf-httpapi-ratelimit-headers-11 has them: lists of strings with
//! integer parameters. Seconds are rounded up: who returns then is not too early.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::refusal::LimitState;

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest integer of a structured field (RFC 9651 §3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

/// `RateLimit`: `"orders";r=9;t=6`. `None` without limits: the field must not be empty.
pub fn rate_limit(states: &[LimitState]) -> Option<HeaderValue> {
    list(states, |state| [('r', state.remaining), ('t', seconds(state.reset))])
}

/// `RateLimit-Policy`: `"orders";q=60;w=60`. `None` without limits.
pub fn rate_limit_policy(states: &[LimitState]) -> Option<HeaderValue> {
    list(states, |state| [('q', state.quota), ('w', seconds(state.window).max(1))])
}

/// `Retry-After` in seconds, at least 1, and never before the `t` of any limit told beside it (§7 of the draft).
pub fn retry_after(wait: Duration, states: &[LimitState]) -> HeaderValue {
    let wait = states.iter().map(|state| state.reset).fold(wait, Duration::max);
    HeaderValue::from(seconds(wait).max(1))
}

fn list(states: &[LimitState], parameters: impl Fn(&LimitState) -> [(char, u64); 2]) -> Option<HeaderValue> {
    let mut text = String::with_capacity(states.len() * 32);
    for state in states {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push('"');
        for character in state.name.chars().filter(|character| (' '..='~').contains(character)) {
            if character == '"' || character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
        for (name, value) in parameters(state) {
            // Writing to a string cannot fail.
            let _ = write!(text, ";{name}={}", value.min(LARGEST));
        }
    }
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

fn seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0))
}
