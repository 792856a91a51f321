//! Which sessions are known without asking the store? As with API keys, nothing is kept that was read before a change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::identify::SessionHash;
use quick_cache::sync::Cache;

use super::StoredSession;

/// Sessions kept in memory.
const KNOWN: usize = 20_000;

/// Ids kept in memory that are no sessions. They have a place of their own: whoever tries cookies at random displaces
/// other tries, never a live session.
const UNKNOWN: usize = 1_000;

pub(super) struct Known {
    live: Cache<SessionHash, (Arc<StoredSession>, u64)>,
    none: Cache<SessionHash, u64>,
    generation: AtomicU64,
    /// How many there were.
    changes: Mutex<u64>,
}

/// An instant before a reading.
#[derive(Clone, Copy)]
pub(super) struct Stamp(u64);

impl Known {
    pub(super) fn new() -> Self {
        let (live, none) = (Cache::new(KNOWN), Cache::new(UNKNOWN));
        Self { live, none, generation: AtomicU64::new(0), changes: Mutex::new(0) }
    }

    #[expect(clippy::option_option, reason = "two different nothings: not known, and known not to be")]
    pub(super) fn find(&self, hash: &SessionHash) -> Option<Option<Arc<StoredSession>>> {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some((stored, kept)) = self.live.get(hash) {
            return (kept == generation).then_some(Some(stored));
        }
        (self.none.get(hash) == Some(generation)).then_some(None)
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp(*self.changes())
    }

    /// Keeps what was read after `stamp`.
    pub(super) fn keep(&self, hash: SessionHash, found: Option<&Arc<StoredSession>>, stamp: Stamp) {
        let changes = self.changes();
        if *changes != stamp.0 {
            return;
        }
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(stored) = found {
            self.none.remove(&hash);
            self.live.insert(hash, (Arc::clone(stored), generation));
        } else {
            self.live.remove(&hash);
            self.none.insert(hash, generation);
        }
    }

    /// This session may be another now.
    pub(super) fn forget(&self, id: &str) {
        let mut changes = self.changes();
        *changes += 1;
        if let Some(hash) = SessionHash::parse(id) {
            self.live.remove(&hash);
            self.none.remove(&hash);
        }
    }

    /// Any session may be another now.
    pub(super) fn forget_all(&self) {
        *self.changes() += 1;
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A number is whole at every instant: a poisoned lock guards nothing half written.
    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
