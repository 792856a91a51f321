//! The store's own thread: the one place where the file is read and written.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::world::store::{Changed, Ears};

/// How often an idle thread looks whether another process has written the file.
const POLL: Duration = Duration::from_millis(250);

pub(super) type Job = Box<dyn FnOnce(&mut Desk) + Send>;

pub(super) struct Desk {
    pub(super) connection: Connection,
    ears: Arc<Ears>,
    /// `PRAGMA data_version`: moves when another connection has committed.
    version: Option<i64>,
    /// Somebody waits for the file to be closed.
    pub(super) closing: Option<oneshot::Sender<()>>,
}

impl Desk {
    pub(super) fn new(connection: Connection, ears: Arc<Ears>) -> Self {
        let mut desk = Self { connection, ears, version: None, closing: None };
        desk.watch();
        desk
    }

    /// Works until nobody is left who could send a job, or somebody wants the file closed.
    pub(super) fn work(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(POLL) {
                Ok(job) => {
                    job(&mut self);
                    if self.closing.is_some() {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.watch();
        }
        let Self { connection, closing, .. } = self;
        drop(connection);
        if let Some(closed) = closing {
            let _ = closed.send(());
        }
    }

    fn watch(&mut self) {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut query| query.query_row([], |row| row.get::<_, i64>(0)));
        // A file that cannot be read now: whatever was known may be out of date.
        let version = version.ok();
        if version.is_none() || version != self.version {
            self.ears.tell(&Changed::Unknown);
        }
        self.version = version;
    }
}
