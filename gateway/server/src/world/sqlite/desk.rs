//! The store's own thread: the one place where the file is read and written.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::identify::Revocations;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::cache::KeyCache;
use super::{StoreError, keys, revocations};

/// How often an idle thread looks whether another process has written the file.
const POLL: Duration = Duration::from_millis(250);

/// How long last uses wait to be written together.
const TOUCH: Duration = Duration::from_secs(5);

/// Idle looks after which last uses are written although no later use has told that it is time.
const IDLE: u32 = 20;

pub(super) type Job = Box<dyn FnOnce(&mut Desk) + Send>;

pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) cache: Arc<KeyCache>,
    revoked: Arc<ArcSwap<Revocations>>,
    /// `PRAGMA data_version`: moves when another connection has committed.
    version: Option<i64>,
    /// Somebody waits for the file to be closed.
    pub(super) closing: Option<oneshot::Sender<()>>,
}

impl Desk {
    pub(super) fn new(connection: Connection, cache: Arc<KeyCache>, revoked: Arc<ArcSwap<Revocations>>) -> Self {
        let mut desk = Self { connection, cache, revoked, version: None, closing: None };
        desk.watch();
        desk
    }

    /// Works until nobody is left who could send a job, or somebody wants the file closed.
    pub(super) fn work(mut self, jobs: &Receiver<Job>) {
        let mut idle = 0;
        loop {
            match jobs.recv_timeout(POLL) {
                Ok(job) => {
                    job(&mut self);
                    if self.closing.is_some() {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => idle += 1,
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.watch();
            let wait = if idle >= IDLE { Duration::ZERO } else { TOUCH };
            if idle >= IDLE {
                idle = 0;
            }
            // What could not be written is lost, as promised; the next uses note themselves again.
            let _ = self.write_touched(wait);
        }
        let _ = self.write_touched(Duration::ZERO);
        let Self { connection, closing, .. } = self;
        drop(connection);
        if let Some(closed) = closing {
            let _ = closed.send(());
        }
    }

    pub(super) fn write_touched(&mut self, wait: Duration) -> Result<(), StoreError> {
        match self.cache.take_touched(wait) {
            Some(touched) => keys::touch(&mut self.connection, touched.used.into_iter()),
            None => Ok(()),
        }
    }

    /// Puts the list as it stands in the file in force.
    pub(super) fn read_revocations(&mut self) -> Result<(), StoreError> {
        self.revoked.store(Arc::new(revocations::all(&self.connection)?));
        Ok(())
    }

    fn watch(&mut self) {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut query| query.query_row([], |row| row.get::<_, i64>(0)));
        // A file that cannot be read now: whatever was known may be out of date.
        let version = version.ok();
        if version.is_none() || version != self.version {
            self.cache.begin_generation();
            // What cannot be read now is read when it can: until then the last list holds.
            if self.read_revocations().is_err() {
                self.version = None;
                return;
            }
        }
        self.version = version;
    }
}
