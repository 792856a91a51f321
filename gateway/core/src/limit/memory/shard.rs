//! One shard: cells found by key, swept by a hand that walks over them.

use std::collections::HashMap;
use std::sync::Arc;

/// How many cells each charge looks at on its way: more than it can add, so the sweep keeps pace.
const STRIDE: usize = 2;

pub(super) struct Shard {
    /// The latest instant seen, in microseconds.
    pub(super) latest: i64,
    cells: Vec<Cell>,
    places: HashMap<Arc<str>, usize>,
    capacity: usize,
    hand: usize,
    /// When full: no cell expires before this instant, so looking for one earlier is in vain.
    soonest: i64,
    /// The one cell of all keys that found no room.
    overflow: i64,
}

struct Cell {
    key: Arc<str>,
    tat: i64,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Self { latest: 0, cells: Vec::new(), places: HashMap::new(), capacity, hand: 0, soonest: 0, overflow: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell's time. A key that has none begins where the shared cell stands while that is live: it may be
    /// one of those that were counted there, and must not find a fresh burst here.
    pub(super) fn tat(&self, key: &str, now: i64) -> Option<i64> {
        let own = self.places.get(key).and_then(|place| self.cells.get(*place)).map(|cell| cell.tat);
        own.or((self.overflow > now).then_some(self.overflow))
    }

    /// Keeps a cell's time; false when it went to the shared cell.
    pub(super) fn put(&mut self, key: &Arc<str>, tat: i64, now: i64) -> bool {
        if let Some(cell) = self.places.get(key).and_then(|place| self.cells.get_mut(*place)) {
            cell.tat = tat;
            return true;
        }
        if self.cells.len() >= self.capacity && !self.make_room(now) {
            // Quotas of all sizes meet here: the greatest time stands, so none is opened by another.
            self.overflow = self.overflow.max(tat);
            return false;
        }
        self.soonest = self.soonest.min(tat);
        self.places.insert(Arc::clone(key), self.cells.len());
        self.cells.push(Cell { key: Arc::clone(key), tat });
        true
    }

    /// Brings a stray cell back; see [`crate::limit::gcra::STRAY`]. The shared cell is never brought back.
    pub(super) fn correct(&mut self, key: &str, tat: i64) {
        if let Some(cell) = self.places.get(key).and_then(|place| self.cells.get_mut(*place)) {
            cell.tat = tat;
            self.soonest = self.soonest.min(tat);
        }
    }

    /// Looks at the next few cells and drops those whose burst is whole: they say what no cell says.
    pub(super) fn sweep(&mut self, now: i64) {
        for _ in 0..STRIDE.min(self.cells.len()) {
            if self.hand >= self.cells.len() {
                self.hand = 0;
            }
            if self.cells.get(self.hand).is_some_and(|cell| cell.tat <= now) {
                self.remove(self.hand);
            } else {
                self.hand += 1;
            }
        }
    }

    /// Drops every expired cell, unless the last look has told that there is none yet.
    fn make_room(&mut self, now: i64) -> bool {
        if now < self.soonest {
            return false;
        }
        let mut place = 0;
        while let Some(cell) = self.cells.get(place) {
            if cell.tat <= now {
                self.remove(place);
            } else {
                place += 1;
            }
        }
        let full = self.cells.len() >= self.capacity;
        self.soonest = if full { self.cells.iter().map(|cell| cell.tat).min().unwrap_or(0) } else { 0 };
        !full
    }

    fn remove(&mut self, place: usize) {
        if place >= self.cells.len() {
            return;
        }
        let gone = self.cells.swap_remove(place);
        self.places.remove(&gone.key);
        if let Some(moved) = self.cells.get(place)
            && let Some(at) = self.places.get_mut(&moved.key)
        {
            *at = place;
        }
    }
}
