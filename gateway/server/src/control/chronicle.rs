//! What was in force, and when? Each configuration that comes into force becomes a revision in the store.
//!
//! Nothing waits for it: a store that is away is told when it is back.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_core::ports::Clock;
use tokio::sync::Notify;

use super::Published;
use crate::world::store::{Applied, Origin, Revision, Revisions, StoreError};

/// From a failed try to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// Who applies what stands in the files of a machine.
const AUTHOR: &str = "files";

/// Notes what is in force. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Chronicle(Arc<Inner>);

struct Inner {
    revisions: Revisions,
    published: Arc<ArcSwap<Published>>,
    clock: Arc<dyn Clock>,
    /// What the store knows of what is in force here.
    noted: ArcSwapOption<Revision>,
    changed: Notify,
}

impl Chronicle {
    pub(crate) fn new(revisions: Revisions, published: Arc<ArcSwap<Published>>, clock: Arc<dyn Clock>) -> Self {
        let (noted, changed) = (ArcSwapOption::empty(), Notify::new());
        Self(Arc::new(Inner { revisions, published, clock, noted, changed }))
    }

    /// There may be another configuration in force.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_one();
    }

    /// The revision in force here; `None` while it has no number yet.
    pub(crate) fn in_force(&self) -> Option<Arc<Revision>> {
        let hash = &self.0.published.load().hash;
        self.0.noted.load_full().filter(|noted| noted.hash == *hash)
    }

    /// Notes what the gateway starts with, if the store can be written now.
    pub(crate) async fn begin(&self) {
        if let Err(error) = self.note().await {
            tracing::warn!(%error, "the configuration in force is not kept yet");
        }
    }

    /// Notes whatever comes into force, without end.
    pub(crate) async fn run(&self) {
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            while let Err(error) = self.note().await {
                match error {
                    // It will not fit the next time either.
                    StoreError::Unfit(_) => {
                        tracing::warn!(%error, "the configuration in force cannot be kept as a revision");
                        break;
                    }
                    _ => again.tick().await,
                };
            }
            self.0.changed.notified().await;
        }
    }

    async fn note(&self) -> Result<(), StoreError> {
        if self.in_force().is_some() {
            return Ok(());
        }
        let (published, at) = (self.0.published.load_full(), self.0.clock.now().wall);
        let applied = Applied { texts: &published.texts, author: AUTHOR, origin: Origin::Files, at };
        let keep = u64::from(published.snapshot.control().revisions);
        let revision = self.0.revisions.note(applied, keep).await?;
        tracing::debug!(revision = revision.number, "the configuration in force is kept");
        self.0.noted.store(Some(Arc::new(revision)));
        Ok(())
    }
}
