//! What was in force, and what should be? Each configuration that comes into force becomes a revision in the store; one
//! that was applied there comes into force here.
//!
//! Nothing waits for it: a store that is away is told and asked when it is back.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_core::config::ControlSource;
use portcullis_core::ports::Clock;
use tokio::sync::Notify;

use super::{Followed, Published, Publisher};
use crate::turns::Turns;
use crate::world::store::{Applied, Origin, Revision, Revisions, StoreError};

/// From a failed try to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// Who applies what stands in the files of a machine.
const AUTHOR: &str = "files";

/// Notes what is in force, and follows what was applied. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Chronicle(Arc<Inner>);

struct Inner {
    revisions: Revisions,
    published: Arc<ArcSwap<Published>>,
    clock: Arc<dyn Clock>,
    /// What the store knows of the files that are in force here.
    noted: ArcSwapOption<Revision>,
    changed: Arc<Notify>,
}

impl Chronicle {
    pub(crate) fn new(revisions: Revisions, published: Arc<ArcSwap<Published>>, clock: Arc<dyn Clock>) -> Self {
        let (noted, changed) = (ArcSwapOption::empty(), Arc::new(Notify::new()));
        let heard = Arc::clone(&changed);
        revisions.hear(move || heard.notify_one());
        Self(Arc::new(Inner { revisions, published, clock, noted, changed }))
    }

    /// Whose turn it is to do what takes long.
    pub(crate) fn turns(&self) -> &Turns {
        self.0.revisions.turns()
    }

    /// There may be another configuration in force.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_one();
    }

    /// The revision in force here; `None` while it has no number yet.
    pub(crate) fn in_force(&self) -> Option<Arc<Revision>> {
        let published = self.0.published.load();
        let noted = || self.0.noted.load_full().filter(|noted| noted.hash == published.hash);
        published.revision.clone().or_else(noted)
    }

    /// Notes what the gateway starts with, if the store can be written now.
    pub(crate) async fn begin(&self) {
        if let Err(error) = self.note().await {
            tracing::warn!(%error, "the configuration in force is not kept yet");
        }
    }

    /// Notes whatever comes into force, and follows whatever is applied, without end.
    pub(crate) async fn run(&self, publisher: Arc<Publisher>) {
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (noted, followed) = (self.note().await, self.follow(&publisher).await);
            match noted.and(followed) {
                Ok(()) => self.0.changed.notified().await,
                // It will not fit the next time either.
                Err(error @ StoreError::Unfit(_)) => {
                    tracing::warn!(%error, "the configuration in force cannot be kept as a revision");
                    self.0.changed.notified().await;
                }
                Err(_) => {
                    again.tick().await;
                }
            }
        }
    }

    /// Puts in force here what the store says, if it says another than is followed.
    pub(crate) async fn follow(&self, publisher: &Arc<Publisher>) -> Result<(), StoreError> {
        let standing = self.0.revisions.standing().await?;
        let (files, following) = publisher.standing();
        let wanted = match publisher.source() {
            // Whoever runs what was pinned goes on with it when the pin is gone: its files are still those.
            ControlSource::Files => {
                standing.pin.filter(|pin| pin.files == files).map(|pin| (pin.revision, Some(pin.files)))
            }
            ControlSource::Store => standing.current.map(|number| (number, None)),
        };
        let Some((number, over)) = wanted.filter(|(number, _)| following.is_none_or(|known| known < *number)) else {
            return Ok(());
        };
        let texts = match self.0.revisions.show(number).await? {
            Some(revision) => self.0.revisions.texts(&revision).await.map(|texts| Some((revision, texts?))),
            None => Ok(None),
        };
        match texts {
            Ok(Some((revision, texts))) => {
                let followed = Followed { revision: Arc::new(revision), texts: Arc::new(texts), over };
                let publisher = Arc::clone(publisher);
                let _ = tokio::task::spawn_blocking(move || publisher.follow(followed)).await;
                Ok(())
            }
            Ok(None) => {
                complain(publisher, format!("revision {number} should be in force, and the store does not have it"))
                    .await;
                Ok(())
            }
            Err(error @ StoreError::Damaged(_)) => {
                complain(publisher, format!("revision {number} should be in force: {error}")).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn note(&self) -> Result<(), StoreError> {
        if self.in_force().is_some() {
            return Ok(());
        }
        let (published, at) = (self.0.published.load_full(), self.0.clock.now().wall);
        let applied = Applied { texts: &published.texts, author: AUTHOR, origin: Origin::Files, note: "", at };
        let keep = u64::from(published.snapshot.control().revisions);
        let revision = self.0.revisions.note(applied, published.lapsed, keep).await?;
        tracing::debug!(revision = revision.number, "the configuration in force is kept");
        self.0.noted.store(Some(Arc::new(revision)));
        Ok(())
    }
}

/// A reload may be under way, and is waited for elsewhere.
async fn complain(publisher: &Arc<Publisher>, message: String) {
    let publisher = Arc::clone(publisher);
    let _ = tokio::task::spawn_blocking(move || publisher.complain(message)).await;
}
