//! Who is told of changes?

use std::sync::{PoisonError, RwLock};

use super::Changed;

/// Told of each change before whoever made it learns that it is made. Must return at once, and never ask the store.
pub type Hear = Box<dyn Fn(&Changed) + Send + Sync>;

/// All who listen to one store. They are added at the start, and stay.
#[derive(Default)]
pub(crate) struct Ears(RwLock<Vec<Hear>>);

impl Ears {
    pub(crate) fn add(&self, hear: Hear) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(hear);
    }

    pub(crate) fn tell(&self, changed: &Changed) {
        for hear in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hear(changed);
        }
    }
}
