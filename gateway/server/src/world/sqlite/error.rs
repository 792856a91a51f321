//! What can go wrong with the store, in an operator's words.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The store could not do it. Nothing was half written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreError {
    /// Too much work is waiting already.
    Busy,
    /// Something by that id is there already.
    Conflict,
    /// The cursor is not one we gave out.
    Cursor,
    /// What is in the file does not hold together; sqlite's own words.
    Damaged(String),
    /// Anything else that sqlite or the system says.
    Failed(String),
    /// The file is a database of something else.
    Foreign,
    /// The disk is full.
    Full,
    /// Another process holds the file.
    Locked,
    /// A newer version of this program has written the file.
    Newer { found: i64, known: i64 },
    /// The store has been shut down.
    Stopped,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the store has too much to do: try again"),
            Self::Conflict => f.write_str("it is there already"),
            Self::Cursor => f.write_str("the cursor is not one that was given out"),
            Self::Damaged(what) => write!(f, "the store is damaged ({what})"),
            Self::Failed(what) => write!(f, "the store failed ({what})"),
            Self::Foreign => f.write_str("it is a database of another program"),
            Self::Full => f.write_str("the disk is full"),
            Self::Locked => f.write_str("another process holds the store"),
            Self::Newer { found, known } => {
                write!(f, "it has format {found}, and this version knows no format above {known}")
            }
            Self::Stopped => f.write_str("the store has been shut down"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
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
            StoreError::Busy
            | StoreError::Conflict
            | StoreError::Cursor
            | StoreError::Failed(_)
            | StoreError::Stopped => f.write_str("see that its folder exists and may be read and written"),
        }
    }
}

impl std::error::Error for OpenError {}
