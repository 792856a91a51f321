//! What `SQLite` says, in an operator's words.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::world::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Why the store at `path` was not opened, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenError {
    pub path: PathBuf,
    pub error: StoreError,
}

impl OpenError {
    pub(super) fn new(path: &Path, error: StoreError) -> Self {
        Self { path: path.to_owned(), error }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot use the store `{path}`: {}; ", self.error)?;
        match &self.error {
            StoreError::Damaged(_) => write!(
                f,
                "to restore it, stop every gateway that uses it, move `{path}`, `{path}-wal` and `{path}-shm` aside, \
                 and put the newest backup in their place, or what `sqlite3 {path} .recover` can still read"
            ),
            StoreError::Foreign => f.write_str("give `store.url` a file of its own"),
            StoreError::Full => f.write_str("make room and start again"),
            StoreError::Locked => f.write_str("stop it, or give `store.url` another file"),
            StoreError::Newer { .. } => f.write_str("run the newer version, or restore the backup made before it ran"),
            StoreError::ReadOnly => f.write_str("let the gateway's user write the file and its folder"),
            StoreError::Away(_)
            | StoreError::Busy
            | StoreError::Conflict
            | StoreError::Cursor
            | StoreError::Doubtful(_)
            | StoreError::Failed(_)
            | StoreError::Stopped
            | StoreError::Unfit(_) => f.write_str("see that its folder exists and may be read and written"),
        }
    }
}

impl std::error::Error for OpenError {}
