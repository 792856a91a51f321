//! How may a request be turned away? Every way there is, and the problem document for each.

mod code;
mod login;
mod problem;
mod row;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub use code::Code;
pub use login::{FailureRow, LoginFailure, LoginOffer, LoginStyle};
pub use problem::{Problem, documentation_path};
pub use row::{ADMIN_ONLY, Row};

/// One request turned away: data until `respond` writes it.
///
/// What the caller reads (`code`, `detail`, `errors`) differs from what the operator reads
/// (`reason`); nothing of the latter ever reaches the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: Code,
    /// For the caller; the code's own sentence when empty.
    pub detail: Cow<'static, str>,
    /// For the operator: logs and decision records only.
    pub reason: Cow<'static, str>,
    /// Shared: what was refused is told to the caller and kept for the operator.
    pub extra: Option<Arc<Extra>>,
}

/// What only some refusals carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// `Allow`, for 405 (RFC 9110 §10.2.1).
    pub allow: Vec<http::Method>,
    /// `Retry-After` in whole seconds, rounded up, at least 1 (RFC 9110 §10.2.3).
    pub retry_after: Option<Duration>,
    /// `WWW-Authenticate`, for 401 and 403 (RFC 6750 §3).
    pub challenge: Option<Challenge>,
    /// At most [`Refusal::MOST_FAULTS`]; never holds a value the client sent.
    pub errors: Vec<Fault>,
    /// `RateLimit` and `RateLimit-Policy`, for 429.
    pub limits: Vec<LimitState>,
    /// Where a session would do: how to get one.
    pub login: Option<LoginOffer>,
    /// Why a login came to nothing.
    pub failure: Option<LoginFailure>,
    /// A cookie of a session that is no more was shown; it is to be taken away.
    pub ended_session: bool,
    /// The credential was one that nobody gave out, as far as can be told.
    pub guess: Option<Guess>,
}

/// A credential that does not verify: it may have been made up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Guess {
    /// The API key that it names.
    pub account: Option<Arc<str>>,
}

/// Under which word a challenge is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scheme {
    /// RFC 6750.
    #[default]
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// A challenge (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3). `error` is `None` when no credential was shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Challenge {
    pub error: Option<&'static str>,
    pub description: Cow<'static, str>,
    pub scope: Option<String>,
    pub scheme: Scheme,
    /// Separated by spaces; the most wanted first.
    pub acr_values: Option<String>,
    /// How long ago the caller may have been authenticated.
    pub max_age: Option<Duration>,
}

/// One thing wrong with the input: where, against which rule, in words.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) into the body, or `#/query/limit`, `#/path/id`, `#/header/x-a`.
    pub pointer: String,
    /// The schema keyword that failed, or `syntax`.
    pub keyword: Cow<'static, str>,
    /// Never contains the offending value.
    pub message: String,
}

/// How one limit stands after this request (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Debug, PartialEq)]
pub struct LimitState {
    /// The policy's name.
    pub name: Arc<str>,
    /// `q`: requests per window.
    pub quota: u64,
    /// `w`: the window.
    pub window: Duration,
    /// `r`: requests that would pass at this instant.
    pub remaining: u64,
    /// `t`: until `remaining` is back to the quota when it passed; until the next request may pass
    /// when it was refused.
    pub reset: Duration,
}

impl Refusal {
    /// At most this many faults are told.
    pub const MOST_FAULTS: usize = 10;

    pub const fn new(code: Code) -> Self {
        Self { code, detail: Cow::Borrowed(""), reason: Cow::Borrowed(""), extra: None }
    }

    /// What the operator reads.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// What the caller reads; must hold nothing secret and no value the caller sent.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.extra_mut().retry_after = Some(wait);
        self
    }

    #[must_use]
    pub fn challenge(mut self, challenge: Challenge) -> Self {
        self.extra_mut().challenge = Some(challenge);
        self
    }

    /// Keeps the first [`Self::MOST_FAULTS`].
    #[must_use]
    pub fn errors(mut self, mut errors: Vec<Fault>) -> Self {
        errors.truncate(Self::MOST_FAULTS);
        self.extra_mut().errors = errors;
        self
    }

    #[must_use]
    pub fn allow(mut self, methods: Vec<http::Method>) -> Self {
        self.extra_mut().allow = methods;
        self
    }

    #[must_use]
    pub fn limits(mut self, limits: Vec<LimitState>) -> Self {
        self.extra_mut().limits = limits;
        self
    }

    pub fn extra_mut(&mut self) -> &mut Extra {
        Arc::make_mut(self.extra.get_or_insert_default())
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}
