//! How much?
//!
//! Every limit of a route is charged for every request that got this far: all of them, or none when one
//! refuses. Two stores cannot be charged in one stroke: limits in `memory` come first, so that what they
//! refuse never reaches the shared store, and what the shared store refuses has been counted in memory.

mod config;
pub mod gcra;
pub mod headers;
mod key;
mod leases;
mod memory;
mod once;
mod stage;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::answer::{Answer, StoreDown};
use crate::moment::Now;
use crate::units::Rate;

pub use config::{By, LimitConfig, OnStoreFailure, Store};
pub use leases::Leases;
pub use memory::MemoryCounters;
pub use once::Once;
pub use stage::{Desks, Limit, LimitFault};

pub(crate) use key::{KeyText, push_address};

/// Counters of requests, in process or shared by replicas.
pub trait Counters: Send + Sync {
    /// Charges all of `charges`, or none of them when one refuses. Verdicts come in the same order.
    fn charge<'a>(&'a self, charges: &'a [Charge], now: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>>;
}

/// One counter to charge: whose, and against which quota.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// Names the limit and the one who is counted; at most 256 bytes.
    pub key: Arc<str>,
    pub quota: Quota,
    /// How many requests to take, as many of them as fit; at least 1, and refused where not even one does.
    pub take: u64,
}

impl Charge {
    /// Of a single request.
    pub fn one(key: Arc<str>, quota: Quota) -> Self {
        Self { key, quota, take: 1 }
    }
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

impl Quota {
    /// The quota of a configured rate; `burst` is `rate.requests` where the operator says nothing.
    ///
    /// Fails, in words for the operator, on a burst of 0 and on one that takes over ten years to recover.
    pub fn new(rate: Rate, burst: Option<u64>) -> Result<Self, String> {
        let quota = Self { requests: rate.requests, window: rate.window, burst: burst.unwrap_or(rate.requests) };
        if quota.burst == 0 {
            return Err("a burst of `0` lets nothing pass: leave `burst` out, or write 1 or more".to_owned());
        }
        let terms = gcra::Terms::from(quota);
        if i64::try_from(quota.burst).ok().and_then(|burst| terms.interval.checked_mul(burst)) != Some(terms.tolerance)
        {
            return Err(format!(
                "a burst of `{}` takes more than ten years to recover at this rate: write a smaller `burst`",
                quota.burst
            ));
        }
        Ok(quota)
    }

    /// What one of `replicas` may let pass when they cannot count together: each number divided, rounded
    /// down, at least 1.
    #[must_use]
    pub fn share(self, replicas: u32) -> Self {
        let replicas = u64::from(replicas.max(1));
        Self { requests: (self.requests / replicas).max(1), burst: (self.burst / replicas).max(1), ..self }
    }
}

/// What one counter says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    pub allowed: bool,
    /// Requests that were charged; none where another charge of the call was refused.
    pub taken: u64,
    /// Requests that would pass now, after those.
    pub remaining: u64,
    /// When refused: until this one would pass. Zero when allowed.
    pub retry_after: Duration,
    /// Until the burst is whole again.
    pub reset: Duration,
}
