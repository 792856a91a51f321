//! How many, in this process alone? Counters in memory, bounded, in shards.

mod shard;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shard::Shard;

use super::gcra::{self, Terms};
use super::{Charge, Verdict};
use crate::answer::{Answer, StoreDown};
use crate::limit::Counters;
use crate::moment::Now;

/// The counters named `memory`. They never fail and never wait; a restart forgets them.
pub struct MemoryCounters {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    overflowed: AtomicU64,
}

impl MemoryCounters {
    /// How many cells [`Self::default`] holds: some 15 MB when all are live.
    pub const CELLS: usize = 100_000;

    const SHARDS: usize = 64;

    /// Holds at most about `cells` (rounded up to a multiple of the number of shards). A new key that finds
    /// its shard full of live cells is counted in one cell that all such keys of the shard share: stricter,
    /// never open.
    pub fn new(cells: usize) -> Self {
        let each = cells.div_ceil(Self::SHARDS).max(1);
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::new(Shard::new(each))).collect(),
            hasher: RandomState::new(),
            overflowed: AtomicU64::new(0),
        }
    }

    /// How many charges went to a shared cell for want of room; for a metric.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// How many cells are held now, expired ones that no sweep has met included; for a metric.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One charge, without a port between.
    pub fn judge(&self, charge: &Charge, now: Now) -> Verdict {
        // INVARIANT: every key has a home.
        self.judge_one(charge, gcra::micros(now.steady)).unwrap_or(REFUSED)
    }

    /// What [`Self::judge`] would say, without charging.
    pub fn look(&self, charge: &Charge, now: Now) -> Verdict {
        let Some(shard) = self.shards.get(self.home(&charge.key)) else { return REFUSED };
        let shard = locked(shard);
        let now = shard.latest.max(gcra::micros(now.steady));
        gcra::charge(shard.tat(&charge.key, now), charge.quota.into(), now, 1).0
    }

    fn home(&self, key: &str) -> usize {
        // The remainder is below SHARDS, so it fits whatever `usize` is.
        usize::try_from(self.hasher.hash_one(key) % Self::SHARDS as u64).unwrap_or(0)
    }

    /// The common case: one lock, and nothing allocated but a new cell.
    fn judge_one(&self, charge: &Charge, now: i64) -> Option<Verdict> {
        let mut shard = locked(self.shards.get(self.home(&charge.key))?);
        let now = shard.latest.max(now);
        shard.latest = now;
        shard.sweep(now);
        let kept = shard.tat(&charge.key, now);
        let (verdict, after) = gcra::charge(kept, charge.quota.into(), now, charge.take);
        if !verdict.allowed {
            shard.correct(&charge.key, after);
        } else if !shard.put(&charge.key, after, now) {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
        }
        Some(verdict)
    }

    fn judge_all(&self, charges: &[Charge], now: i64) -> Vec<Verdict> {
        let mut locks = Locks::take(&self.shards, charges.iter().map(|charge| self.home(&charge.key)));
        let now = locks.latest(now);
        let mut allowed = true;
        let mut verdicts = Vec::with_capacity(charges.len());
        let mut steps: Vec<Step<'_>> = Vec::with_capacity(charges.len());
        for charge in charges {
            let terms = Terms::from(charge.quota);
            let home = self.home(&charge.key);
            let kept = locks.at(home).and_then(|shard| shard.tat(&charge.key, now));
            // The same key twice in one call: the second charge stands on the first.
            let before = steps.iter().rfind(|step| step.charge.key == charge.key).map(|step| step.after).or(kept);
            let (verdict, after) = gcra::charge(before, terms, now, charge.take);
            allowed &= verdict.allowed;
            verdicts.push(verdict);
            steps.push(Step { charge, home, terms, kept, after });
        }
        if allowed {
            for step in &steps {
                if locks.at(step.home).is_some_and(|shard| !shard.put(&step.charge.key, step.after, now)) {
                    self.overflowed.fetch_add(1, Ordering::Relaxed);
                }
            }
        } else {
            for (step, verdict) in steps.iter().zip(&mut verdicts) {
                if verdict.allowed {
                    *verdict = gcra::uncharged(step.kept, step.terms, now);
                } else if step.kept.is_some_and(|kept| kept > step.after)
                    && let Some(shard) = locks.at(step.home)
                {
                    shard.correct(&step.charge.key, step.after);
                }
            }
        }
        verdicts
    }
}

impl Default for MemoryCounters {
    fn default() -> Self {
        Self::new(Self::CELLS)
    }
}

impl Counters for MemoryCounters {
    fn charge<'a>(&'a self, charges: &'a [Charge], now: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
        let now = gcra::micros(now.steady);
        Answer::Ready(match charges {
            [one] => {
                self.judge_one(one, now).map(|verdict| vec![verdict]).ok_or(StoreDown { what: "counters: memory" })
            }
            all => Ok(self.judge_all(all, now)),
        })
    }
}

/// Of a key without a home, which there is not.
const REFUSED: Verdict = Verdict {
    allowed: false,
    taken: 0,
    remaining: 0,
    retry_after: Duration::from_secs(1),
    reset: Duration::from_secs(1),
};

/// One charge on its way: where it belongs, what the cell says, what it would say.
struct Step<'a> {
    charge: &'a Charge,
    home: usize,
    terms: Terms,
    kept: Option<i64>,
    after: i64,
}

/// The shards a call needs, each locked once, always in the same order: two calls cannot wait for each other.
struct Locks<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl<'a> Locks<'a> {
    fn take(shards: &'a [Mutex<Shard>], homes: impl Iterator<Item = usize>) -> Self {
        let mut homes: Vec<usize> = homes.collect();
        homes.sort_unstable();
        homes.dedup();
        Self(homes.into_iter().filter_map(|home| Some((home, locked(shards.get(home)?)))).collect())
    }

    fn at(&mut self, home: usize) -> Option<&mut Shard> {
        self.0.iter_mut().find(|(at, _)| *at == home).map(|(_, shard)| &mut **shard)
    }

    /// The latest instant any of these shards has seen: readings of one steady clock arrive here out of
    /// order, and a cell must not meet an instant before the one that wrote or swept it.
    fn latest(&mut self, now: i64) -> i64 {
        let latest = self.0.iter().map(|(_, shard)| shard.latest).fold(now, i64::max);
        for (_, shard) in &mut self.0 {
            shard.latest = latest;
            shard.sweep(latest);
        }
        latest
    }
}

/// Nothing done under the lock can panic, so a poisoned lock guards nothing half written.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
