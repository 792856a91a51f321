//! May this address even ask?
//!
//! In this order, the cheapest and most certain first:
//! 1. an address on the deny list is refused, 403 `address_denied`;
//! 2. where there is an allow list, an address that is not on it is refused, 403 `address_denied`;
//! 3. an address over its rate is refused, 429 `rate_limited`; who fell to 1 or 2 was not counted;
//! 4. a declared body over the bound is refused, 413 `body_too_large`, before a byte of it is read; it was counted.

mod addresses;
mod config;
mod failures;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use addresses::AddressSet;
use failures::Failures;

use crate::answer::Answer;
use crate::limit::Counters;
use crate::limit::{Charge, KeyText, Quota, push_address};
use crate::mode::Mode;
use crate::moment::Now;
use crate::refusal::{Code, LimitState, Refusal};
use crate::request::{DeclaredBody, Request};
use crate::units::Rate;

pub use config::{GuardConfig, Network};

/// The guard of one route.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What a refusal does; the journey acts on it.
    pub mode: Mode,
    allow: AddressSet,
    deny: AddressSet,
    quota: Quota,
    /// Names the counter, which all routes with the same quota share.
    prefix: Box<str>,
    name: Arc<str>,
    failures: Failures,
    max_body: u64,
}

impl Guard {
    /// Where the operator says nothing: `600/min` for each address, as many at once.
    pub const RATE: Rate = Rate { requests: 600, window: std::time::Duration::from_mins(1) };

    /// Where the operator says nothing: `300/min` bad credentials of one address, and 30 logins.
    pub const FAILURES: Rate = Rate { requests: 300, window: std::time::Duration::from_mins(1) };

    /// Where the operator says nothing: bodies of up to 1 MiB.
    pub const MAX_BODY: u64 = 1 << 20;

    /// Compiles what [`GuardConfig::merge`] yields for a route. Fails, in words for the operator, on a `burst`
    /// that cannot be kept.
    pub fn compile(config: &GuardConfig) -> Result<Self, String> {
        let quota = Quota::new(config.rate.unwrap_or(Self::RATE), config.burst)?;
        let list = |list: &Option<Vec<Network>>| AddressSet::new(list.as_deref().unwrap_or_default());
        Ok(Self {
            mode: config.mode.unwrap_or_default(),
            allow: list(&config.allow),
            deny: list(&config.deny),
            quota,
            prefix: format!("g:{}-{}-{}:", quota.requests, quota.window.as_micros(), quota.burst).into(),
            name: Arc::from("address"),
            failures: Failures::compile(config.failures.unwrap_or(Self::FAILURES))?,
            max_body: config.max_body.map_or(Self::MAX_BODY, |size| size.0),
        })
    }

    /// The largest body, in bytes. [`Self::admit`] holds declared lengths to it; who reads a body of unknown
    /// length must hold it too.
    pub fn max_body(&self) -> u64 {
        self.max_body
    }

    /// Lets the request ask, or refuses it; see above for the order.
    ///
    /// `counters` are those in memory, which answer at once: an address is held back even while a shared store
    /// is down. Counters that would wait are refused with 503 `dependency_unavailable`.
    pub fn admit(&self, request: &Request<'_>, counters: &dyn Counters, now: Now) -> Result<(), Refusal> {
        let address = request.client.to_canonical();
        if self.deny.contains(address) {
            return Err(Refusal::new(Code::AddressDenied).because("the address is on the deny list"));
        }
        if !self.allow.is_empty() && !self.allow.contains(address) {
            return Err(Refusal::new(Code::AddressDenied).because("the address is not on the allow list"));
        }
        let mut key = KeyText::new(&self.prefix);
        push_address(&mut key, address);
        self.count(&[Charge::one(key.finish(), self.quota)], counters, now)?;
        match request.body {
            DeclaredBody::Length(length) if length > self.max_body => Err(Refusal::new(Code::BodyTooLarge)
                .because(format!("the declared length {length} is above `max_body` ({})", self.max_body))
                .detail(format!("At most {} bytes are accepted here.", self.max_body))),
            DeclaredBody::Absent | DeclaredBody::Length(_) | DeclaredBody::Unknown => Ok(()),
        }
    }

    fn count(&self, charge: &[Charge], counters: &dyn Counters, now: Now) -> Result<(), Refusal> {
        let verdict = match counters.charge(charge, now) {
            Answer::Ready(Ok(verdicts)) => verdicts.first().copied(),
            Answer::Ready(Err(_)) | Answer::Wait(_) => None,
        };
        let Some(verdict) = verdict else {
            return Err(Refusal::new(Code::DependencyUnavailable).because("guard: the counters did not answer at once"));
        };
        if verdict.allowed {
            return Ok(());
        }
        Err(Refusal::new(Code::RateLimited)
            .because("used up: `address` of the guard")
            .retry_after(verdict.retry_after)
            .limits(vec![LimitState {
                name: Arc::clone(&self.name),
                quota: self.quota.requests,
                window: self.quota.window,
                remaining: verdict.remaining,
                reset: verdict.retry_after,
            }]))
    }
}
