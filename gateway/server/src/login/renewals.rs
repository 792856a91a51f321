//! Which sessions are being renewed, and which could not be?

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use portcullis_core::identify::SessionHash;
use quick_cache::sync::Cache;

/// Renewals under way at once; further ones come later.
pub(super) const MOST: usize = 1_024;

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The session was written anew, here or elsewhere, or has ended.
    Renewed,
    /// The provider says no.
    Refused,
    /// The provider, or the store, says nothing.
    Unreachable,
}

pub(super) type Renewal = Shared<BoxFuture<'static, Outcome>>;

/// Renewals under way, and those that failed lately.
pub(super) struct Renewals {
    /// INVARIANT: at most [`MOST`].
    pub(super) under_way: Arc<Mutex<HashMap<SessionHash, Renewal>>>,
    /// Until when, by the steady clock, nothing is tried; and what came of the last trial.
    pub(super) failed: Cache<SessionHash, (Duration, Outcome)>,
}

impl Renewals {
    pub(super) fn new() -> Self {
        Self { under_way: Arc::default(), failed: Cache::new(10_000) }
    }
}
