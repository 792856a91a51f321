//! What must outlast the process? One port, and what stands on it.
//!
//! A [`Store`] keeps [`Record`]s: bodies with a kind, an id, tags to list them by, and a time at which they are gone.
//! A [`Commit`] changes several at once, or none, under what it expects to stand there; its word in the audit log is
//! part of it. `SQLite` ([`super::sqlite`]) is one implementation, Redis ([`super::redis`]) the other. What records mean is written once, on top: API keys
//! ([`Keyring`]), tokens taken back ([`RevocationList`]), the admin key ([`AdminKey`]). What requests look at is in
//! memory there, and told of every change.

mod admin_key;
mod answers;
pub mod audit;
mod ears;
mod error;
pub mod keys;
mod migrate;
mod record;
pub mod replicas;
pub mod revisions;
pub mod revocations;
pub mod sessions;
pub mod signing;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::MissedTickBehavior;

pub use admin_key::{AdminKey, Claim};
pub use answers::{Answers, Claimed, Kept, Turn};
pub use audit::{AuditEntry, AuditHead, AuditRow, AuditVerdict};
pub(crate) use audit::{ShownRow, hash};
pub(crate) use ears::Ears;
pub use ears::Hear;
pub use error::StoreError;
pub use keys::{Expiring, KeyPage, Keyring, NewKey, StoredKey, Word};
pub(crate) use migrate::copy_live;
pub use migrate::{Moved, Unmoved, migrate};
pub use record::{Changed, Commit, Draft, Expect, Kind, Listing, Page, Record, Write};
pub use replicas::{Replica, Replicas};
pub use revisions::{Applied, Force, Origin, Overtaken, Pin, Revision, RevisionPage, Revisions, Standing, TextsKept};
pub use revocations::{Revocation, RevocationList, RevocationPage};
pub use sessions::{SessionList, SessionPage, StoredSession};
pub use signing::{Published, SigningKey, SigningKeys};

/// The port. What is acknowledged is on disk, as far as the implementation's own settings promise it.
///
/// Whether a record has expired is judged by the clock of whoever asks.
#[async_trait]
pub trait Store: Send + Sync {
    /// The record; `None`: there is none.
    async fn read(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.read_all(kind, &[Arc::from(id)]).await?.pop().flatten())
    }

    /// Several of one kind, in the order asked for; at most [`Listing::LONGEST`].
    async fn read_all(&self, kind: Kind, ids: &[Arc<str>]) -> Result<Vec<Option<Record>>, StoreError>;

    /// One page of a list.
    async fn list(&self, listing: Listing<'_>) -> Result<Page, StoreError>;

    /// Makes all changes, or none; the new version of what was put.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an expectation fails. After any error nothing is written, but for two: after
    /// [`StoreError::Doubtful`] and [`StoreError::Stopped`] all may be, or nothing.
    async fn commit(&self, commit: Commit) -> Result<u64, StoreError>;

    /// Rows of the audit log after `seq`, oldest first; `limit` as in [`Listing`].
    async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError>;

    /// The last row as noted beside the log.
    async fn audit_head(&self) -> Result<AuditHead, StoreError>;

    /// Removes some of what has expired; how many.
    async fn sweep(&self) -> Result<usize, StoreError>;

    /// Tells `hear` of every change from now on, of this process and of others.
    fn hear(&self, hear: Hear);

    /// Whether it still hears of what others change.
    fn freshness(&self) -> Freshness {
        Freshness::Fresh
    }

    /// Lets the store go; every later call is [`StoreError::Stopped`]. Once this returns, nothing of this process
    /// touches it.
    async fn close(&self);
}

/// How far what is known in memory can be relied upon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// Every change is heard of.
    Fresh,
    /// The store is silent; what is known still holds.
    Stale,
    /// It has been silent for longer than was declared: nothing holds any more.
    Gone,
}

/// How often last uses of keys are written.
const USES: Duration = Duration::from_secs(5);

/// How often what has expired is swept away.
const SWEEP: Duration = Duration::from_mins(1);

/// Everything that outlasts the process, by what it is. Cheap to clone.
#[derive(Clone)]
pub struct Stored {
    pub admin_key: AdminKey,
    pub answers: Answers,
    pub keys: Keyring,
    pub replicas: Replicas,
    pub revisions: Revisions,
    pub revocations: RevocationList,
    pub sessions: SessionList,
    pub signing: SigningKeys,
    store: Arc<dyn Store>,
}

impl Stored {
    /// Stands everything on `store`, and reads what requests must never wait for.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        if migrate::is_incomplete(&*store).await? {
            let told = "a move into it has not ended: run `portcullis store migrate` again";
            return Err(StoreError::Failed(told.to_owned()));
        }
        let keys = Keyring::new(Arc::clone(&store));
        let sessions = SessionList::new(Arc::clone(&store));
        let revocations = RevocationList::open(Arc::clone(&store)).await?;
        let signing = SigningKeys::new(Arc::clone(&store));
        let (replicas, revisions) = (Replicas::new(Arc::clone(&store)), Revisions::new(Arc::clone(&store)));
        let (admin_key, answers) = (AdminKey::new(Arc::clone(&store)), Answers::new(Arc::clone(&store)));
        Ok(Self { admin_key, answers, keys, replicas, revisions, revocations, sessions, signing, store })
    }

    /// The records themselves, for what has no layer of its own here.
    pub fn records(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Rows of the audit log after `seq`, oldest first; `limit` as in [`Listing`].
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.store.audit(after, limit).await
    }

    /// The last row of the audit log as noted beside it.
    pub async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.store.audit_head().await
    }

    /// Reads the whole audit log and checks its chain.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        audit::verify(&*self.store).await
    }

    /// Works beside the requests, without end: writes last uses, takes over what others changed, sweeps.
    pub async fn run(&self) {
        let every = |period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut uses, mut sweep) = (every(USES), every(SWEEP));
        let following = self.revocations.follow();
        tokio::pin!(following);
        loop {
            tokio::select! {
                () = &mut following => {}
                // What could not be written is lost, as promised; the next uses note themselves again.
                _ = uses.tick() => { let _ = (self.keys.flush().await, self.sessions.flush().await); }
                // What could not be swept is invisible all the same, and swept another time.
                _ = sweep.tick() => while self.store.sweep().await.is_ok_and(|swept| swept > 0) {},
            }
        }
    }

    /// Writes what waits and lets the store go, for an orderly end.
    pub async fn close(&self) {
        let _ = self.keys.flush().await;
        let _ = self.sessions.flush().await;
        self.store.close().await;
    }
}

/// How often a change is tried again that somebody else's came before.
const TRIES: u32 = 8;

/// A body as it is kept.
fn json(value: &impl serde::Serialize) -> Result<bytes::Bytes, StoreError> {
    serde_json::to_vec(value).map(Into::into).map_err(|error| StoreError::Failed(error.to_string()))
}

/// What a body says.
fn parsed<T: serde::de::DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.body)
        .map_err(|error| StoreError::Damaged(format!("{} `{}`: {error}", record.kind.name(), record.id)))
}
