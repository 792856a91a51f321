//! What if one machine is all there is? The embedded store: one `SQLite` file, on a thread of its own.
//!
//! Callers send a job over a bounded line and get a future; the thread runs one at a time. Each commit is one
//! transaction with its row of the audit log, on disk before it is acknowledged (`synchronous = FULL`).
//!
//! For changes by another process (the command line) the thread looks at `PRAGMA data_version` after every job and
//! each 250 ms, and says that anything may have changed; polling it costs no clock and no work per request, and
//! nothing is read again while nobody writes. While the thread itself waits for another process's write lock (at most
//! 2 s) it does not look.

mod audit;
mod desk;
mod error;
mod migrate;
mod open;
mod records;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use async_trait::async_trait;
use portcullis_core::ports::Clock;
use tokio::sync::oneshot;

use super::store::{AuditHead, AuditRow, Changed, Commit, Ears, Hear, Kind, Listing, Page, Record, Store, StoreError};
use desk::{Desk, Job};

pub use error::OpenError;

/// Jobs that may wait; the next one is [`StoreError::Busy`].
const LINE: usize = 1024;

/// Expired records swept away at a time.
const SWEPT: usize = 500;

/// The embedded store. The thread ends with it.
pub struct Sqlite {
    jobs: SyncSender<Job>,
    ears: Arc<Ears>,
    clock: Arc<dyn Clock>,
}

/// Whether the store's file could be opened, without writing to it. A file that is not there is fine.
///
/// # Errors
/// What [`Sqlite::open`] would say.
pub(crate) fn inspect(path: &Path) -> Result<(), OpenError> {
    open::inspect(path).map_err(|error| OpenError::new(path, error))
}

/// Whether the store's file can be written. One that is not there is fine.
///
/// # Errors
/// [`StoreError::ReadOnly`], which only a gateway must mind: a store on a file system that went bad can still be read,
/// checked and moved elsewhere.
pub(crate) fn must_be_writable(path: &Path) -> Result<(), OpenError> {
    open::must_be_writable(path).map_err(|error| OpenError::new(path, error))
}

/// Writes a whole copy of the store at `path` into the new file `copy`, mode 0600, while others go on using it.
pub(crate) fn backup(path: &Path, copy: &Path) -> Result<(), OpenError> {
    open::backup(path, copy).map_err(|error| OpenError::new(path, error))
}

impl Sqlite {
    /// Opens the file, or makes it (mode 0600, its folder 0700). Blocks, up to some seconds where another process
    /// holds the file; a damaged, foreign or newer file is refused untouched.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let connection = open::open(path).map_err(|error| OpenError::new(path, error))?;
        Self::at(connection, path, clock)
    }

    /// The store as it is, for reading alone: nothing is made, written or brought to another format. `None` where it
    /// would be.
    pub(crate) fn open_to_read(path: &Path, clock: Arc<dyn Clock>) -> Result<Option<Self>, OpenError> {
        let connection = open::to_read(path).map_err(|error| OpenError::new(path, error))?;
        connection.map(|connection| Self::at(connection, path, clock)).transpose()
    }

    fn at(connection: rusqlite::Connection, path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let ears = Arc::new(Ears::default());
        let desk = Desk::new(connection, Arc::clone(&ears));
        let (jobs, line) = sync_channel(LINE);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || desk.work(&line))
            .map_err(|error| OpenError::new(path, StoreError::Failed(error.to_string())))?;
        Ok(Self { jobs, ears, clock })
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

#[async_trait]
impl Store for Sqlite {
    async fn read_all(&self, kind: Kind, ids: &[Arc<str>]) -> Result<Vec<Option<Record>>, StoreError> {
        let (ids, now) = (ids.to_vec(), self.clock.now().wall);
        self.run(move |desk| records::read_all(&mut desk.connection, kind, &ids, now)).await
    }

    async fn list(&self, listing: Listing<'_>) -> Result<Page, StoreError> {
        let Listing { kind, tag, limit, cursor } = listing;
        let (tag, cursor, now) = (tag.map(str::to_owned), cursor.map(str::to_owned), self.clock.now().wall);
        self.run(move |desk| {
            let listing = Listing { kind, tag: tag.as_deref(), limit, cursor: cursor.as_deref() };
            records::list(&desk.connection, listing, now)
        })
        .await
    }

    async fn commit(&self, commit: Commit) -> Result<u64, StoreError> {
        commit.check()?;
        let (now, ears) = (self.clock.now().wall, Arc::clone(&self.ears));
        self.run(move |desk| {
            let version = records::commit(&mut desk.connection, &commit, now)?;
            for (kind, id) in commit.writes.iter().map(super::store::Write::place) {
                ears.tell(&Changed::One(kind, Arc::clone(id)));
            }
            Ok(version)
        })
        .await
    }

    async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let limit = limit.clamp(1, Listing::LONGEST);
        self.run(move |desk| audit::list(&desk.connection, after, limit)).await
    }

    async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.run(|desk| audit::head(&desk.connection)).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now().wall;
        self.run(move |desk| records::sweep(&mut desk.connection, now, SWEPT)).await
    }

    fn hear(&self, hear: Hear) {
        self.ears.add(hear);
    }

    async fn close(&self) {
        let (closing, closed) = oneshot::channel();
        let job: Job = Box::new(move |desk| desk.closing = Some(closing));
        // A line that is full or gone has nobody to wait for.
        if self.jobs.try_send(job).is_ok() {
            let _ = closed.await;
        }
    }
}
