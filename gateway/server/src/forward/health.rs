//! Is a target worth trying? Passive health: what real requests met.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Failures in a row before a target is left alone.
const PATIENCE: u32 = 3;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How far the request came that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failed {
    /// The target answered badly, late or not at all: which may be this one request's doing, not the target's.
    Answering,
    Connecting,
}

/// The health of one target, as its requests found it.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: AtomicU32,
    /// Whether the last failure was to connect.
    unconnected: AtomicBool,
    /// The steady clock in microseconds; 0 while the target is in use.
    away_until: AtomicU64,
}

impl Health {
    /// Whether a request may try it. When its time away is over, one request at a time may.
    pub(super) fn usable(&self, now: Duration) -> bool {
        let until = self.away_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let now = micros(now);
        let next = now.saturating_add(micros(SHORTEST));
        now >= until && self.away_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn succeeded(&self) {
        // Reading first keeps the cache line shared while all is well.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.away_until.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn failed(&self, how: Failed, now: Duration) {
        self.unconnected.store(how == Failed::Connecting, Ordering::Relaxed);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= PATIENCE {
            let doublings = (failures - PATIENCE).min(5);
            let away = SHORTEST.saturating_mul(1 << doublings).min(LONGEST);
            self.away_until.store(micros(now.saturating_add(away)), Ordering::Relaxed);
        }
    }

    pub(super) fn away(&self) -> bool {
        self.away_until.load(Ordering::Relaxed) != 0
    }

    /// Away, and nobody is there at all. Only then may everybody be refused on its account: what fails after a connection
    /// was made, a client may have brought about, who must not close the application to the others.
    pub(super) fn gone(&self) -> bool {
        self.away() && self.unconnected.load(Ordering::Relaxed)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1)
}
