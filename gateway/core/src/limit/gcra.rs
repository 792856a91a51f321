//! Does one more fit? The generic cell rate algorithm, over whole microseconds.
//!
//! A cell is one number, its *theoretical arrival time*: when the burst will be whole again. Each request
//! moves it one interval ahead; it fits while that stays within the tolerance (`interval × burst`) of now.
//!
//! The shared store runs the same arithmetic in a script (`world/redis/charge.lua`), so every step here is
//! an integer below 2^53, where a double is exact: the interval is rounded *up* to a microsecond (never more
//! than the rate), `remaining` is rounded down. The contract suite of the counters holds the two together.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Quota, Verdict};

/// A cell further ahead of its tolerance than this can only come from a clock that was set back, or from a
/// quota that has shrunk: it counts as full now, so that nobody waits until the clock has caught up.
pub const STRAY: i64 = 60_000_000;

/// The longest interval and the longest tolerance: ten years, in microseconds.
pub const LONGEST: i64 = 3650 * 86_400 * 1_000_000;

/// The latest instant that is reckoned with (the year 2112), in microseconds: `LATEST + 2 × LONGEST < 2^53`.
const LATEST: i64 = 1 << 52;

/// A quota as the algorithm wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Microseconds from one request to the next, rounded up; 1 to [`LONGEST`].
    pub interval: i64,
    /// `interval × burst`; at most [`LONGEST`], the burst shrinks to fit.
    pub tolerance: i64,
}

impl From<Quota> for Terms {
    /// Numbers out of bounds are brought within them, always to the stricter side, except that a rate above
    /// one request a microsecond counts as that.
    fn from(quota: Quota) -> Self {
        let window = i64::try_from(quota.window.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let requests = i64::try_from(quota.requests).unwrap_or(i64::MAX).max(1);
        // The window is at least 1, so the sum cannot fall below 1 nor the quotient reach beyond the window.
        let interval = (window - 1) / requests + 1;
        let burst = i64::try_from(quota.burst).unwrap_or(i64::MAX).clamp(1, LONGEST / interval);
        Self { interval, tolerance: interval * burst }
    }
}

/// Microseconds of a span, as this module counts them.
pub fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(LATEST).min(LATEST)
}

/// Charges `take` requests to a cell, or as many of them as fit: what it says, and the cell's time from now on, to be
/// kept in both cases. Where not one fits, it is refused.
///
/// `tat`: the cell's time, `None` for a cell that is not there, which is the same as one at or before `now`.
/// Refused, the cell stays as it is, unless it was astray (see [`STRAY`]).
///
/// INVARIANT: a charge refused at one instant is refused at every earlier one; a clock that runs back
/// never opens a limit.
pub fn charge(tat: Option<i64>, terms: Terms, now: i64, take: u64) -> (Verdict, i64) {
    let now = now.clamp(0, LATEST);
    let ahead = ahead(tat, terms, now);
    let room = (terms.tolerance - ahead) / terms.interval;
    if room >= 1 {
        let taken = i64::try_from(take).unwrap_or(i64::MAX).clamp(1, room);
        let after = ahead + terms.interval * taken;
        return (verdict(Ok(taken), after, terms), now + after);
    }
    (verdict(Err(ahead + terms.interval - terms.tolerance), ahead, terms), now + ahead)
}

/// What a cell says to a request that is not charged after all, because another limit refused it.
pub fn uncharged(tat: Option<i64>, terms: Terms, now: i64) -> Verdict {
    verdict(Ok(0), ahead(tat, terms, now.clamp(0, LATEST)), terms)
}

/// How far the cell is ahead of now: between zero and just over the tolerance.
fn ahead(tat: Option<i64>, terms: Terms, now: i64) -> i64 {
    match tat {
        None => 0,
        // Nothing we write is negative: whatever it is, it is no reason to let more pass.
        Some(tat) if tat < 0 || tat > now + terms.tolerance + STRAY => terms.tolerance,
        Some(tat) => (tat - now).max(0),
    }
}

/// `taken` requests, or none for a while.
fn verdict(taken: Result<i64, i64>, ahead: i64, terms: Terms) -> Verdict {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let span = |micros: i64| Duration::from_micros(count(micros));
    Verdict {
        allowed: taken.is_ok(),
        taken: count(taken.unwrap_or(0)),
        remaining: count((terms.tolerance - ahead) / terms.interval),
        retry_after: span(taken.err().unwrap_or(0)),
        reset: span(ahead),
    }
}
