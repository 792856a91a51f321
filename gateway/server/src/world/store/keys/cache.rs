//! Which keys are known without asking the store?
//!
//! What was read before a change must not be kept after it: whoever reads takes a [`Stamp`] first, and nothing is kept
//! under a stamp that a change has made old. A change that names no key begins a new *generation*, and every entry is
//! then read again the next time it is asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::identify::KeyRecord;
use quick_cache::sync::Cache;

/// Keys kept in memory.
const KNOWN: usize = 10_000;

/// Ids kept in memory that are no keys. They have a place of their own: whoever tries ids at random displaces
/// other tries, never a good key.
const UNKNOWN: usize = 1_000;

pub(super) struct KeyCache {
    known: Cache<Box<str>, Entry>,
    unknown: Cache<Box<str>, u64>,
    generation: AtomicU64,
    /// How many there were.
    changes: Mutex<u64>,
}

#[derive(Clone)]
struct Entry {
    record: Arc<KeyRecord>,
    generation: u64,
}

/// What is known of a key.
pub(super) enum Found {
    Key(Arc<KeyRecord>),
    /// There is no such key.
    NoKey,
    /// Ask the store.
    Nothing,
    /// As it was; ask the store.
    Old(Arc<KeyRecord>),
}

/// An instant before a reading.
#[derive(Clone, Copy)]
pub(super) struct Stamp(u64);

impl KeyCache {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::new(KNOWN),
            unknown: Cache::new(UNKNOWN),
            generation: AtomicU64::new(0),
            changes: Mutex::new(0),
        }
    }

    pub(super) fn find(&self, id: &str) -> Found {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(entry) = self.known.get(id) {
            return if entry.generation == generation { Found::Key(entry.record) } else { Found::Old(entry.record) };
        }
        if self.unknown.get(id) == Some(generation) { Found::NoKey } else { Found::Nothing }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp(*self.changes())
    }

    /// Keeps what was read after `stamp`.
    pub(super) fn keep(&self, id: &str, record: Option<&Arc<KeyRecord>>, stamp: Stamp) {
        let changes = self.changes();
        if *changes != stamp.0 {
            return;
        }
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(record) = record {
            self.unknown.remove(id);
            self.known.insert(id.into(), Entry { record: Arc::clone(record), generation });
        } else {
            self.known.remove(id);
            self.unknown.insert(id.into(), generation);
        }
    }

    /// This key may be another now.
    pub(super) fn forget(&self, id: &str) {
        *self.changes() += 1;
        self.known.remove(id);
        self.unknown.remove(id);
    }

    /// Any key may be another now.
    pub(super) fn forget_all(&self) {
        *self.changes() += 1;
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A number is whole at every instant: a poisoned lock guards nothing half written.
    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
