//! How does one token source stand? Its keys, their age, and who waits for newer ones.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_core::identify::jwks::{KeyOrigin, KeySet, SourceSpec};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::KeysUnavailable;
use tokio::sync::{Notify, watch};

use super::SourceStatus;

pub(super) struct Source {
    pub(super) spec: SourceSpec,
    held: ArcSwapOption<Held>,
    progress: Mutex<Progress>,
    /// The number of the last attempt that has ended.
    ended: watch::Sender<u64>,
    /// A request wants a fetch now.
    pub(super) asked: Notify,
    /// The source is no longer configured.
    pub(super) retired: Notify,
    claimed: AtomicBool,
}

/// A key set and when it was fetched.
pub(super) struct Held {
    pub(super) keys: Arc<KeySet>,
    pub(super) skipped: Vec<String>,
    pub(super) document: Vec<u8>,
    pub(super) fetched_at: Moment,
    /// How old it was at `since`: clock jumps later on change nothing.
    pub(super) age: Duration,
    /// By the steady clock.
    pub(super) since: Duration,
}

#[derive(Default)]
struct Progress {
    /// The number of the last attempt that has begun.
    begun: u64,
    /// The last fetch a request has asked for: when, and the attempt that will do it.
    asked: Option<(Duration, u64)>,
    /// In a row.
    failures: u32,
    last_error: Option<String>,
    copy_error: Option<String>,
}

/// What a request that wants newer keys is told.
pub(super) enum Ask {
    Answered(Result<Arc<KeySet>, KeysUnavailable>),
    /// Until the attempt of this number has ended.
    Wait(watch::Receiver<u64>, u64),
}

const FIRST_RETRY: Duration = Duration::from_secs(1);
/// However long an issuer was away, its return is noticed within this.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Held {
    fn age(&self, now: Now) -> Duration {
        self.age.saturating_add(now.steady.saturating_sub(self.since))
    }
}

impl Source {
    pub(super) fn new(spec: SourceSpec, held: Option<Arc<Held>>) -> Self {
        Self {
            spec,
            held: ArcSwapOption::new(held),
            progress: Mutex::default(),
            ended: watch::Sender::new(0),
            asked: Notify::new(),
            retired: Notify::new(),
            claimed: AtomicBool::new(false),
        }
    }

    pub(super) fn current(&self, now: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        let held = self.held.load();
        let held = held.as_ref().ok_or(KeysUnavailable::Never)?;
        if held.age(now) > self.spec.max_age {
            return Err(KeysUnavailable::Stale);
        }
        Ok(Arc::clone(&held.keys))
    }

    /// A request has met a key that generation `seen` does not know.
    pub(super) fn ask(&self, seen: u64, now: Now) -> Ask {
        let mut progress = self.progress();
        if self.held.load().as_ref().is_some_and(|held| held.keys.generation != seen) {
            return Ask::Answered(self.current(now));
        }
        let ended = self.ended.subscribe();
        match progress.asked {
            Some((_, attempt)) if *ended.borrow() < attempt => Ask::Wait(ended, attempt),
            Some((at, _)) if now.steady.saturating_sub(at) < self.spec.cooldown => {
                Ask::Answered(self.outcome_of(&progress, now))
            }
            Some(_) | None => {
                // A fetch under way may have read the issuer's answer before the token was made.
                let attempt = progress.begun + 1;
                progress.asked = Some((now.steady, attempt));
                self.asked.notify_one();
                Ask::Wait(ended, attempt)
            }
        }
    }

    /// What the last attempt has brought.
    pub(super) fn outcome(&self, now: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        self.outcome_of(&self.progress(), now)
    }

    fn outcome_of(&self, progress: &Progress, now: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        match progress.last_error {
            Some(_) => Err(KeysUnavailable::FetchFailed),
            None => self.current(now),
        }
    }

    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    pub(super) fn hold(&self, held: Held) {
        self.held.store(Some(Arc::new(held)));
    }

    /// True once: for the loop that keeps this source fresh.
    pub(super) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// The number of a new attempt.
    pub(super) fn begin(&self) -> u64 {
        let mut progress = self.progress();
        progress.begun += 1;
        progress.begun
    }

    pub(super) fn end(&self, attempt: u64, failure: Option<String>) {
        let mut progress = self.progress();
        progress.failures = if failure.is_some() { progress.failures.saturating_add(1) } else { 0 };
        progress.last_error = failure;
        drop(progress);
        self.ended.send_modify(|last| *last = attempt.max(*last));
    }

    pub(super) fn note_copy(&self, written: Result<(), String>) {
        self.progress().copy_error = written.err();
    }

    /// A file was read when the source was configured; all else is fetched at once, copy or not.
    pub(super) fn first_wait(&self) -> Duration {
        match self.spec.origin {
            KeyOrigin::Discovery | KeyOrigin::Url(_) => Duration::ZERO,
            KeyOrigin::File(_) => self.next_wait(),
        }
    }

    /// `refresh` after a success; after failures 1, 2, 4 … seconds up to 30, or `refresh` if that is less. A part of it is chance, so
    /// that replicas do not ask in step.
    pub(super) fn next_wait(&self) -> Duration {
        let failures = self.progress().failures;
        match failures.checked_sub(1) {
            None => spread(self.spec.refresh, 10),
            Some(doublings) => {
                let wait = FIRST_RETRY.saturating_mul(1 << doublings.min(20)).min(LONGEST_RETRY).min(self.spec.refresh);
                spread(wait, 50)
            }
        }
    }

    pub(super) fn status(&self, now: Now) -> SourceStatus {
        let held = self.held();
        let progress = self.progress();
        SourceStatus {
            alias: Arc::clone(&self.spec.alias),
            fetched_at: held.as_ref().map(|held| held.fetched_at),
            age: held.as_ref().map(|held| held.age(now)),
            generation: held.as_ref().map(|held| held.keys.generation),
            keys: held.as_ref().map(|held| held.keys.len()),
            stale: held.as_ref().is_some_and(|held| held.age(now) > self.spec.max_age),
            last_error: progress.last_error.clone(),
            copy_error: progress.copy_error.clone(),
            skipped: held.map_or_else(Vec::new, |held| held.skipped.clone()),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `span` less a random part of it, at most `percent`. Nothing secret hangs on it, so the randomness of a
/// fresh hash map will do.
fn spread(span: Duration, percent: u32) -> Duration {
    let chance = u32::try_from(RandomState::new().hash_one(percent) % 1000).unwrap_or(0);
    span.saturating_sub(span / 1000 * chance / 100 * percent)
}
