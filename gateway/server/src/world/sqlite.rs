//! What must outlast the process? The embedded store: one `SQLite` file, on a thread of its own.
//!
//! Callers send a job over a bounded line and get a future; the thread runs one at a time. Each write is one
//! transaction with its row of the audit log, on disk before it is acknowledged (`synchronous = FULL`).
//!
//! API keys have a bounded cache in front, so the common path of a request neither waits nor reads. A change
//! made through this process shows at once. For changes by another process (the command line) the thread looks
//! at `PRAGMA data_version` after every job and each 250 ms; polling it costs no clock and no work per request,
//! and nothing is read again while nobody writes. While the thread itself waits for another process's write
//! lock (at most 2 s) it does not look.

mod audit;
mod cache;
mod desk;
mod error;
mod keys;
mod open;
mod revocations;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::identify::{KeyRecord, Revocations};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{Answer, Keys, RevokedTokens, StoreDown};
use rusqlite::{OptionalExtension, TransactionBehavior, params};
use tokio::sync::oneshot;
use tokio::time::timeout;

use audit::Change;
use cache::KeyCache;
use desk::{Desk, Job};

pub use audit::{AuditRow, AuditVerdict};
pub use error::{OpenError, StoreError};
pub use keys::{NewKey, Page, StoredKey};
pub use revocations::{Revocation, RevocationPage};

/// Jobs that may wait; the next one is [`StoreError::Busy`].
const LINE: usize = 1024;

/// How long a request waits for a key that is not in memory.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longer than any id we make: who asks for more asks for nothing.
const LONGEST_ID: usize = 64;

const ADMIN_KEY: &str = "admin_key_hash";

/// The embedded store. Cheap to clone; the thread ends with the last clone.
#[derive(Clone)]
pub struct Store {
    jobs: SyncSender<Job>,
    cache: Arc<KeyCache>,
    revoked: Arc<ArcSwap<Revocations>>,
}

/// Whether the store's file could be opened, without writing to it. A file that is not there is fine.
///
/// # Errors
/// What [`Store::open`] would say.
pub(crate) fn inspect(path: &Path) -> Result<(), OpenError> {
    open::inspect(path).map_err(|error| OpenError::new(path, error))
}

/// Whether the first admin key is ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// There is one already, and it stays.
    Lost,
    Made,
}

impl Store {
    /// The longest page of a list.
    pub const LONGEST_PAGE: u32 = 200;

    /// Opens the file, or makes it (mode 0600, its folder 0700). Blocks, up to some seconds where another process
    /// holds the file; a damaged, foreign or newer file is refused untouched.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open::open(path).map_err(|error| OpenError::new(path, error))?;
        let cache = Arc::new(KeyCache::new());
        let revoked = revocations::all(&connection).map_err(|error| OpenError::new(path, error))?;
        let revoked = Arc::new(ArcSwap::from_pointee(revoked));
        let desk = Desk::new(connection, Arc::clone(&cache), Arc::clone(&revoked));
        let (jobs, line) = sync_channel(LINE);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || desk.work(&line))
            .map_err(|error| OpenError::new(path, StoreError::Failed(error.to_string())))?;
        Ok(Self { jobs, cache, revoked })
    }

    /// Keeps a new key; [`StoreError::Conflict`] when its id is taken.
    pub async fn create_key(&self, key: NewKey, actor: &str) -> Result<Arc<KeyRecord>, StoreError> {
        let actor = actor.to_owned();
        self.run(move |desk| {
            let record = keys::create(&mut desk.connection, key, &actor)?;
            desk.cache.keep(&record);
            Ok(record)
        })
        .await
    }

    /// The key as it stands in the file; `None`: no such key.
    pub async fn find_key(&self, id: &str) -> Result<Option<StoredKey>, StoreError> {
        let id = id.to_owned();
        self.run(move |desk| {
            let key = keys::find(&desk.connection, &id)?;
            match &key {
                Some(key) => desk.cache.keep(&key.record),
                None => desk.cache.keep_absent(&id),
            }
            Ok(key)
        })
        .await
    }

    /// Keys, oldest first, of one owner or of all; `limit` is 1 to [`Self::LONGEST_PAGE`], others are brought within.
    pub async fn list_keys(&self, owner: Option<&str>, limit: u32, cursor: Option<&str>) -> Result<Page, StoreError> {
        let (owner, cursor) = (owner.map(str::to_owned), cursor.map(str::to_owned));
        let limit = limit.clamp(1, Self::LONGEST_PAGE);
        self.run(move |desk| keys::list(&desk.connection, owner.as_deref(), limit, cursor.as_deref())).await
    }

    /// Revokes a key, with effect at once in this process. `None`: no such key. One that is revoked already stays
    /// as it is.
    pub async fn revoke_key(&self, id: &str, actor: &str, now: Moment) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.run(move |desk| {
            let record = keys::revoke(&mut desk.connection, &id, &actor, now)?;
            if let Some(record) = &record {
                desk.cache.keep(record);
            }
            Ok(record)
        })
        .await
    }

    /// Takes tokens back, with effect at once in this process.
    pub async fn revoke_tokens(&self, entry: Revocation, actor: &str) -> Result<(), StoreError> {
        let actor = actor.to_owned();
        self.run(move |desk| {
            revocations::add(&mut desk.connection, &entry, &actor)?;
            desk.read_revocations()
        })
        .await
    }

    /// Takes an entry off the list of taken-back tokens; `None`: no such entry.
    pub async fn forget_revocation(&self, id: &str, actor: &str, now: Moment) -> Result<Option<()>, StoreError> {
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.run(move |desk| {
            let removed = revocations::remove(&mut desk.connection, &id, &actor, now)?;
            desk.read_revocations()?;
            Ok(removed)
        })
        .await
    }

    /// Taken-back tokens, oldest first; `limit` as in [`Self::list_keys`].
    pub async fn list_revocations(&self, limit: u32, cursor: Option<&str>) -> Result<RevocationPage, StoreError> {
        let (limit, cursor) = (limit.clamp(1, Self::LONGEST_PAGE), cursor.map(str::to_owned));
        self.run(move |desk| revocations::list(&desk.connection, limit, cursor.as_deref())).await
    }

    /// Notes last uses, at most those later than the known ones. [`Keys::used`] gathers them by itself.
    pub async fn touch(&self, used: Vec<(Box<str>, Moment)>) -> Result<(), StoreError> {
        self.run(move |desk| keys::touch(&mut desk.connection, used.into_iter())).await
    }

    /// Writes the last uses that wait.
    #[cfg(test)]
    async fn flush(&self) -> Result<(), StoreError> {
        self.run(|desk| desk.write_touched(Duration::ZERO)).await
    }

    /// Writes the last uses that wait, and closes the file; for an orderly end. Every other clone then answers
    /// [`StoreError::Stopped`]. INVARIANT: once this returns, nothing of this process touches the file.
    pub async fn close(&self) {
        let (closing, closed) = oneshot::channel();
        let job: Job = Box::new(move |desk| desk.closing = Some(closing));
        // A line that is full or gone has nobody to wait for.
        if self.jobs.try_send(job).is_ok() {
            let _ = closed.await;
        }
    }

    /// SHA-256 of the admin key; `None` before the first.
    pub async fn admin_key_hash(&self) -> Result<Option<[u8; 32]>, StoreError> {
        self.run(|desk| {
            let mut query = desk.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
            Ok(query.query_row([ADMIN_KEY], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Sets the admin key if there is none, in one stroke: of all who try at once, one makes it.
    pub async fn set_admin_key_hash(&self, hash: [u8; 32], actor: &str, now: Moment) -> Result<Claim, StoreError> {
        self.write_admin_key(
            hash,
            actor,
            now,
            "admin_key.create",
            "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )
        .await
    }

    /// Puts a new admin key in the place of whatever was there.
    pub async fn replace_admin_key_hash(&self, hash: [u8; 32], actor: &str, now: Moment) -> Result<(), StoreError> {
        let write = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.write_admin_key(hash, actor, now, "admin_key.reset", write).await.map(|_| ())
    }

    async fn write_admin_key(
        &self,
        key: [u8; 32],
        actor: &str,
        at: Moment,
        action: &'static str,
        write: &'static str,
    ) -> Result<Claim, StoreError> {
        let actor = actor.to_owned();
        self.run(move |desk| {
            let change = desk.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let before: Option<[u8; 32]> =
                change.query_row("SELECT value FROM meta WHERE name = ?1", [ADMIN_KEY], |row| row.get(0)).optional()?;
            if change.execute(write, params![ADMIN_KEY, key])? == 0 {
                return Ok(Claim::Lost);
            }
            // The log is read by more people than the key: it gets the hash of the hash.
            let [before, after] = [before, Some(key)].map(|key| key.map(|key| audit::hash(&key)));
            audit::append(&change, &Change { at, actor: &actor, action, subject: "admin_key", before, after })?;
            change.commit()?;
            Ok(Claim::Made)
        })
        .await
    }

    /// Rows of the audit log after `seq`, oldest first; `limit` as in [`Self::list_keys`].
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let limit = limit.clamp(1, Self::LONGEST_PAGE);
        self.run(move |desk| audit::list(&desk.connection, after, limit)).await
    }

    /// Reads the whole audit log and checks its chain.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        self.run(|desk| audit::verify(&desk.connection)).await
    }

    /// Runs a job on the store's thread. A job whose caller has left before its turn is not begun.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |desk| {
            if !answer.is_closed() {
                let _ = answer.send(job(desk));
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Stopped,
        })?;
        answered.await.unwrap_or(Err(StoreError::Stopped))
    }
}

impl RevokedTokens for Store {
    fn current(&self) -> Arc<Revocations> {
        self.revoked.load_full()
    }
}

impl Keys for Store {
    fn key(&self, id: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>> {
        if id.len() > LONGEST_ID {
            return Answer::Ready(Ok(None));
        }
        if let Some(known) = self.cache.find(id) {
            return Answer::Ready(Ok(known));
        }
        let id = id.to_owned();
        Answer::Wait(Box::pin(async move {
            match timeout(PATIENCE, self.find_key(&id)).await {
                Ok(Ok(key)) => Ok(key.map(|key| key.record)),
                Ok(Err(_)) => Err(StoreDown { what: "keys: the store cannot be read" }),
                Err(_) => Err(StoreDown { what: "keys: the store did not answer in time" }),
            }
        }))
    }

    fn used(&self, id: &str, now: Now) {
        self.cache.touch(id, now);
    }
}
