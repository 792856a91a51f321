//! Is it worth asking? Closed while it answers, open after failures in a row, probed once a second.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many failures in a row open it.
const FAILURES: u32 = 5;

/// From opening to the first probe, and from one probe to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// A probe that has not reported back by then is taken for lost. Longer than any probe may take.
const LOST: Duration = Duration::from_secs(5);

/// How the link to the store stands, for an operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// Calls are made.
    Closed,
    /// Calls fail at once; a probe is on its way.
    HalfOpen,
    /// Calls fail at once.
    Open,
}

#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { since: Duration },
    Probing { since: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What a call does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gate {
    Ask,
    Down,
    /// As `Down`, and this caller alone sends the probe.
    Probe,
}

impl Breaker {
    pub(super) fn gate(&self, now: Duration) -> Gate {
        let mut state = self.lock();
        let due = match *state {
            State::Closed { .. } => return Gate::Ask,
            State::Open { since } => since.saturating_add(PAUSE),
            State::Probing { since } => since.saturating_add(LOST),
        };
        if now < due {
            return Gate::Down;
        }
        *state = State::Probing { since: now };
        Gate::Probe
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        match *state {
            State::Closed { .. } => *state = State::default(),
            // An answer that was under way when it opened: the probe decides.
            State::Open { .. } | State::Probing { .. } => {}
        }
    }

    pub(super) fn failed(&self, now: Duration) {
        let mut state = self.lock();
        match *state {
            State::Closed { failures } if failures + 1 >= FAILURES => *state = State::Open { since: now },
            State::Closed { failures } => *state = State::Closed { failures: failures + 1 },
            State::Open { .. } | State::Probing { .. } => {}
        }
    }

    pub(super) fn recovered(&self) {
        *self.lock() = State::default();
    }

    pub(super) fn still_down(&self) {
        let mut state = self.lock();
        match *state {
            State::Probing { since } => *state = State::Open { since },
            State::Closed { .. } | State::Open { .. } => {}
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match *self.lock() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    /// The state is one word, whole at every instant: a poisoned lock guards nothing half written.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
