//! Which keys are known without asking the file?
//!
//! An entry holds for one *generation*: the store's thread begins a new one when another process has written
//! the file, and every entry is then read again the next time it is asked for. This process's own changes go
//! straight into the cache, on that same thread, before the change is acknowledged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::identify::KeyRecord;
use portcullis_core::moment::{Moment, Now};
use quick_cache::sync::Cache;

/// Keys kept in memory.
const KNOWN: usize = 10_000;

/// Ids kept in memory that are no keys. They have a place of their own: whoever tries ids at random displaces
/// other tries, never a good key.
const UNKNOWN: usize = 1_000;

/// Keys whose last use is noted until the next write of them; further ones are not noted.
const TOUCHED: usize = 10_000;

pub(super) struct KeyCache {
    known: Cache<Box<str>, Entry>,
    unknown: Cache<Box<str>, u64>,
    generation: AtomicU64,
    touched: Mutex<Touched>,
}

#[derive(Clone)]
struct Entry {
    record: Arc<KeyRecord>,
    generation: u64,
}

/// Uses that wait to be written.
#[derive(Default)]
pub(super) struct Touched {
    pub(super) used: HashMap<Box<str>, Moment>,
    /// By the steady clock.
    first: Duration,
    newest: Duration,
}

impl Touched {
    /// How long the oldest of them has waited, as far as later uses tell.
    fn waited(&self) -> Duration {
        self.newest.saturating_sub(self.first)
    }
}

impl KeyCache {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::new(KNOWN),
            unknown: Cache::new(UNKNOWN),
            generation: AtomicU64::new(0),
            touched: Mutex::default(),
        }
    }

    /// `None`: ask the file. `Some(None)`: there is no such key.
    #[expect(clippy::option_option, reason = "two different nothings: not known, and known not to be")]
    pub(super) fn find(&self, id: &str) -> Option<Option<Arc<KeyRecord>>> {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(entry) = self.known.get(id) {
            return (entry.generation == generation).then_some(Some(entry.record));
        }
        (self.unknown.get(id) == Some(generation)).then_some(None)
    }

    /// On the store's thread alone, as are the next two: what is read and what is kept stay in step.
    pub(super) fn keep(&self, record: &Arc<KeyRecord>) {
        let generation = self.generation.load(Ordering::Acquire);
        self.unknown.remove(record.id.as_str());
        self.known.insert(record.id.as_str().into(), Entry { record: Arc::clone(record), generation });
    }

    pub(super) fn keep_absent(&self, id: &str) {
        self.known.remove(id);
        self.unknown.insert(id.into(), self.generation.load(Ordering::Acquire));
    }

    /// Another process has written.
    pub(super) fn begin_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn touch(&self, id: &str, now: Now) {
        let mut touched = self.touched();
        if touched.used.is_empty() {
            touched.first = now.steady;
        }
        touched.newest = touched.newest.max(now.steady);
        if let Some(at) = touched.used.get_mut(id) {
            *at = (*at).max(now.wall);
        } else if touched.used.len() < TOUCHED {
            touched.used.insert(id.into(), now.wall);
        }
    }

    /// The uses to be written now: all that wait, once the oldest has waited for `wait`.
    pub(super) fn take_touched(&self, wait: Duration) -> Option<Touched> {
        let mut touched = self.touched();
        (!touched.used.is_empty() && touched.waited() >= wait).then(|| std::mem::take(&mut *touched))
    }

    /// A lost last use is no harm: a poisoned lock is taken all the same.
    fn touched(&self) -> MutexGuard<'_, Touched> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
