//! Configurations that are in force no more, until nobody uses them.
//!
//! Freeing a large one takes tens of milliseconds. Whoever ends the last request that was decided by it must not be the
//! one who does, for other requests wait for the same thread.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Published;
use crate::turns::Turns;

/// From a look at what is still used to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// What has parts that may be used without the whole.
pub(super) trait InParts {
    fn is_used(&self) -> bool;
}

impl InParts for Published {
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.snapshot) > 1
    }
}

pub(super) struct Retired<T> {
    waiting: Mutex<Vec<Arc<T>>>,
    added: Notify,
    turns: Turns,
}

impl<T: InParts + Send + Sync + 'static> Retired<T> {
    /// To free one takes long, and its turn.
    pub(super) fn new(turns: Turns) -> Self {
        Self { waiting: Mutex::default(), added: Notify::default(), turns }
    }

    /// INVARIANT: it is not published any more, so nobody who does not have it gets it.
    pub(super) fn add(&self, whole: Arc<T>) {
        self.waiting.lock().push(whole);
        self.added.notify_one();
    }

    /// Frees each as soon as nobody else has it. Without end.
    pub(super) async fn free(&self) {
        loop {
            while self.waiting.lock().is_empty() {
                self.added.notified().await;
            }
            tokio::time::sleep(AGAIN).await;
            let unused = self.unused();
            let _ = self.turns.run(move || drop(unused)).await;
        }
    }

    fn unused(&self) -> Vec<Arc<T>> {
        let alone = |whole: &mut Arc<T>| Arc::strong_count(whole) == 1 && !whole.is_used();
        self.waiting.lock().extract_if(.., alone).collect()
    }
}
