//! Which keys were used, since it was last written down?

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

/// Keys whose use is noted until the next writing; uses of further ones are not noted.
const NOTED: usize = 10_000;

/// What is known of the use of a key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Use {
    pub(super) last: Option<Moment>,
    pub(super) count: u64,
}

impl Use {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { last: self.last.max(other.last), count: self.count.saturating_add(other.count) }
    }
}

/// Uses that wait to be written.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<Box<str>, Use>>);

impl Uses {
    pub(super) fn note(&self, id: &str, used: Use) {
        let mut noted = self.noted();
        if let Some(known) = noted.get_mut(id) {
            *known = known.and(used);
        } else if noted.len() < NOTED {
            noted.insert(id.into(), used);
        }
    }

    pub(super) fn take(&self) -> HashMap<Box<str>, Use> {
        std::mem::take(&mut *self.noted())
    }

    /// A lost use is no harm: a poisoned lock is taken all the same.
    fn noted(&self) -> MutexGuard<'_, HashMap<Box<str>, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
