//! How much?

use std::sync::Arc;
use std::time::Duration;

/// One counter to charge: whose, and against which quota.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// Names the limit and the one who is counted; at most 256 bytes.
    pub key: Arc<str>,
    pub quota: Quota,
}

/// A rate with its burst, as the generic cell rate algorithm wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Requests per `window`; at least 1.
    pub requests: u64,
    pub window: Duration,
    /// How many may come at once; at least 1.
    pub burst: u64,
}

/// What one counter says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    pub allowed: bool,
    /// Requests that would pass now, after this one.
    pub remaining: u64,
    /// When refused: until this one would pass. Zero when allowed.
    pub retry_after: Duration,
    /// Until the burst is whole again.
    pub reset: Duration,
}
