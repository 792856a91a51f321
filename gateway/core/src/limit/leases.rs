//! How is the shared store not asked at each request? By taking several at once, where a limit says so.
//!
//! What a replica takes has been charged, and is given out here without asking again. So in any span all replicas
//! together let pass what the limit lets pass and, for each of them, what it held when the span began: less than its
//! `lease`. What one replica holds, another cannot give out: a caller who comes to all of them by turns may be refused
//! while up to `lease - 1` lie unused on each of the others.
//!
//! A lease is as large as it is used: it begins at a single request, doubles while it is spent within a second, and
//! halves where it is not. Of all who find one spent, one asks for the next, and the others for a single request each.
//! What is left when the burst is whole again is void, for by then it has been earned anew. A refusal is remembered until
//! it ends: nothing that others do can make it end sooner.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use super::{Charge, Counters, Quota, Verdict};
use crate::answer::{Answer, StoreDown};
use crate::moment::Now;

/// A lease that is spent sooner is too small.
const BUSY: Duration = Duration::from_secs(1);

/// What this replica has taken of the shared limits and not given out yet.
pub struct Leases(Cache<Arc<str>, Arc<Mutex<Lease>>>);

/// Of one counter. Times are those of the steady clock.
#[derive(Debug)]
struct Lease {
    quota: Quota,
    left: u64,
    /// How many were asked for last.
    size: u64,
    asked_at: Duration,
    /// When the burst is whole again.
    whole_at: Duration,
    /// Requests that the store would let pass beyond what is left here.
    beyond: u64,
    refused_until: Duration,
    /// One request is on its way for more.
    asking: bool,
}

impl Leases {
    /// Counters of which something may be held: a little over 10 MB when all are.
    pub const MOST: usize = 100_000;

    /// Holds `most` counters; of those that are dropped for want of room the rest is lost, which is stricter.
    pub fn new(most: usize) -> Self {
        Self(Cache::new(most))
    }

    /// As [`Counters::charge`] of `shared`, where each charge may [`take`](Charge::take) more than the one request it is
    /// for, and gives out the others later.
    pub fn charge<'a>(
        &'a self,
        shared: &'a dyn Counters,
        charges: &'a [Charge],
        now: Now,
    ) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
        if charges.iter().all(|charge| charge.take <= 1) {
            return shared.charge(charges, now);
        }
        let held: Vec<Option<Verdict>> = charges.iter().map(|charge| self.give_out(charge, now)).collect();
        if held.iter().flatten().any(|verdict| !verdict.allowed) {
            self.give_back(charges, &held);
            return Answer::Ready(Ok(held.into_iter().map(|verdict| verdict.unwrap_or(UNASKED)).collect()));
        }
        match held.iter().copied().collect() {
            Some(verdicts) => Answer::Ready(Ok(verdicts)),
            None => Answer::Wait(Box::pin(self.ask(shared, charges, held, now))),
        }
    }

    /// One request of what is held, or a refusal that is known; `None` where the store must be asked.
    fn give_out(&self, charge: &Charge, now: Now) -> Option<Verdict> {
        if charge.take <= 1 {
            return None;
        }
        let lease = self.0.get(&charge.key)?;
        let mut lease = locked(&lease);
        lease.fit(charge.quota, now.steady);
        let wait = lease.refused_until.saturating_sub(now.steady);
        let reset = lease.whole_at.saturating_sub(now.steady);
        if !wait.is_zero() {
            return Some(Verdict { allowed: false, taken: 0, remaining: 0, retry_after: wait, reset });
        }
        lease.left = lease.left.checked_sub(1)?;
        Some(Verdict {
            allowed: true,
            taken: 1,
            remaining: lease.beyond.saturating_add(lease.left),
            retry_after: Duration::ZERO,
            reset,
        })
    }

    /// What was given out of `held`, for a request that another limit refused.
    fn give_back(&self, charges: &[Charge], held: &[Option<Verdict>]) {
        for (charge, _) in charges.iter().zip(held).filter(|(_, held)| held.is_some_and(|verdict| verdict.allowed)) {
            if let Some(lease) = self.0.get(&charge.key) {
                let mut lease = locked(&lease);
                if lease.quota == charge.quota {
                    lease.hold(1, charge.take);
                }
            }
        }
    }

    async fn ask(
        &self,
        shared: &dyn Counters,
        charges: &[Charge],
        held: Vec<Option<Verdict>>,
        now: Now,
    ) -> Result<Vec<Verdict>, StoreDown> {
        let unheld = charges.iter().zip(&held).filter(|(_, held)| held.is_none()).map(|(charge, _)| charge);
        let asked: Vec<Asked> = unheld.map(|charge| self.begin(charge, now.steady)).collect();
        let wanted: Vec<Charge> = asked.iter().map(|asked| asked.charge.clone()).collect();
        let told = shared.charge(&wanted, now).get().await;
        if !told.as_ref().is_ok_and(|told| told.iter().all(|verdict| verdict.allowed)) {
            self.give_back(charges, &held);
        }
        let mut told = asked.iter().zip(told?).map(|(asked, verdict)| asked.settle(verdict, now.steady));
        let verdicts: Option<Vec<Verdict>> = held.into_iter().map(|held| held.or_else(|| told.next())).collect();
        verdicts.ok_or(StoreDown { what: "counters: the store gave too few answers" })
    }

    /// What to ask the store for.
    fn begin(&self, charge: &Charge, now: Duration) -> Asked {
        if charge.take <= 1 {
            return Asked { charge: charge.clone(), most: 1, lease: None, more: false };
        }
        let fresh = || Ok::<_, Infallible>(Arc::new(Mutex::new(Lease::new(charge.quota))));
        let Ok(lease) = self.0.get_or_insert_with(&charge.key, fresh);
        let take = {
            let mut lease = locked(&lease);
            lease.fit(charge.quota, now);
            lease.begin(charge.take, now)
        };
        let (more, most) = (take.is_some(), charge.take);
        Asked { charge: Charge { take: take.unwrap_or(1), ..charge.clone() }, most, lease: Some(lease), more }
    }
}

/// One charge on its way to the store.
struct Asked {
    charge: Charge,
    /// The largest lease.
    most: u64,
    /// `None`: an exact limit.
    lease: Option<Arc<Mutex<Lease>>>,
    /// Whether it asks for more than the one request it is for.
    more: bool,
}

impl Asked {
    /// Keeps what was taken beyond one request, and what was refused.
    fn settle(&self, verdict: Verdict, now: Duration) -> Verdict {
        let Some(lease) = &self.lease else { return verdict };
        let mut lease = locked(lease);
        if lease.quota != self.charge.quota {
            return verdict;
        }
        if !verdict.allowed {
            lease.refused_until = now.saturating_add(verdict.retry_after);
        } else if self.more && verdict.taken > 0 {
            lease.hold(verdict.taken - 1, self.most);
            lease.beyond = verdict.remaining;
            lease.whole_at = now.saturating_add(verdict.reset);
        }
        let taken = verdict.taken.min(1);
        Verdict { taken, remaining: verdict.remaining.saturating_add(lease.left), ..verdict }
    }
}

impl Drop for Asked {
    /// However it ended, or if nobody waits for it any more.
    fn drop(&mut self) {
        if let Some(lease) = self.lease.as_ref().filter(|_| self.more) {
            locked(lease).asking = false;
        }
    }
}

impl Lease {
    fn new(quota: Quota) -> Self {
        Self {
            quota,
            left: 0,
            size: 0,
            asked_at: Duration::ZERO,
            whole_at: Duration::ZERO,
            beyond: 0,
            refused_until: Duration::ZERO,
            asking: false,
        }
    }

    /// Forgets what holds no longer: of another quota, or earned anew.
    fn fit(&mut self, quota: Quota, now: Duration) {
        if self.quota != quota {
            *self = Self { asking: self.asking, ..Self::new(quota) };
        }
        if now >= self.whole_at {
            self.left = 0;
        }
    }

    /// INVARIANT: never as many as `most`; whatever is over is lost, which is stricter.
    fn hold(&mut self, more: u64, most: u64) {
        self.left = self.left.saturating_add(more).min(most.saturating_sub(1));
    }

    /// How many to ask for, at most `most`; `None` while another request asks.
    fn begin(&mut self, most: u64, now: Duration) -> Option<u64> {
        if self.asking {
            return None;
        }
        let busy = self.size > 0 && now.saturating_sub(self.asked_at) < BUSY;
        self.size = if busy { self.size.saturating_mul(2) } else { self.size / 2 }.clamp(1, most);
        self.asked_at = now;
        self.asking = true;
        Some(self.size)
    }
}

/// What a limit says that was not asked, since another one refused.
const UNASKED: Verdict =
    Verdict { allowed: true, taken: 0, remaining: 0, retry_after: Duration::ZERO, reset: Duration::ZERO };

/// Nothing done under the lock can panic, so a poisoned lock guards nothing half written.
fn locked(lease: &Mutex<Lease>) -> MutexGuard<'_, Lease> {
    lease.lock().unwrap_or_else(PoisonError::into_inner)
}
