//! Has this address failed too often?
//!
//! Failures alone are counted, so whoever shows something good is never held up by those who do not: neither by others
//! behind the same address, nor by others who try the same key.

use std::net::IpAddr;
use std::sync::Arc;

use super::Guard;
use crate::limit::{Charge, KeyText, MemoryCounters, Quota, Verdict, push_address};
use crate::moment::Now;
use crate::refusal::{Code, LimitState, Refusal};
use crate::units::Rate;

/// How many failures are borne.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    quota: Quota,
    /// Of logins, each of which asks a provider: a tenth.
    logins: Quota,
    address: Box<str>,
    account: Box<str>,
    login: Box<str>,
    name: Arc<str>,
}

impl Failures {
    pub(super) fn compile(rate: Rate) -> Result<Self, String> {
        let quota = Quota::new(rate, None)?;
        let prefix = |of: &str| format!("{of}:{}-{}:", quota.requests, quota.window.as_micros()).into();
        let (address, account, login) = (prefix("fa"), prefix("fk"), prefix("fl"));
        Ok(Self { quota, logins: quota.share(10), address, account, login, name: Arc::from("failures") })
    }

    fn of(&self, address: IpAddr) -> Charge {
        let mut key = KeyText::new(&self.address);
        push_address(&mut key, address);
        Charge::one(key.finish(), self.quota)
    }

    fn of_login(&self, address: IpAddr) -> Charge {
        let mut key = KeyText::new(&self.login);
        push_address(&mut key, address);
        Charge::one(key.finish(), self.logins)
    }

    fn of_account(&self, id: &str) -> Charge {
        let mut key = KeyText::new(&self.account);
        key.push_id(id);
        Charge::one(key.finish(), self.quota)
    }

    fn judge(&self, charge: &Charge, verdict: Verdict) -> Result<(), Refusal> {
        if verdict.allowed {
            return Ok(());
        }
        Err(Refusal::new(Code::RateLimited)
            .because("used up: `failures` of the guard")
            .detail("Too many credentials from your network did not verify.")
            .retry_after(verdict.retry_after)
            .limits(vec![LimitState {
                name: Arc::clone(&self.name),
                quota: charge.quota.requests,
                window: charge.quota.window,
                remaining: verdict.remaining,
                reset: verdict.retry_after,
            }]))
    }
}

impl Guard {
    /// Counts a failure of `address`, and of the API key that was tried.
    ///
    /// # Errors
    /// `rate_limited` when there were too many of either.
    pub fn failed(
        &self,
        address: IpAddr,
        account: Option<&str>,
        counters: &MemoryCounters,
        now: Now,
    ) -> Result<(), Refusal> {
        let judged = |charge: &Charge| self.failures.judge(charge, counters.judge(charge, now));
        let of_address = judged(&self.failures.of(address));
        let of_account = account.map_or(Ok(()), |id| judged(&self.failures.of_account(id)));
        of_address.and(of_account)
    }

    /// Counts a login of `address` that came to nothing. What becomes of it shows at the next.
    pub fn login_failed(&self, address: IpAddr, counters: &MemoryCounters, now: Now) {
        let _ = counters.judge(&self.failures.of_login(address), now);
    }

    /// Whether one more failed login of `address` would be borne, before a provider is asked.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn may_log_in(&self, address: IpAddr, counters: &MemoryCounters, now: Now) -> Result<(), Refusal> {
        let charge = self.failures.of_login(address);
        self.failures.judge(&charge, counters.look(&charge, now))
    }
}
