//! Is the file fit for use? Opened, checked and brought to this version's format, or refused untouched.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::migrate::{KNOWN, OURS, format, migrate};
use crate::world::store::StoreError;

/// How long a write waits for another process's.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    make_private(path).map_err(|error| StoreError::Failed(error.to_string()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // Before anything is written: is it ours, and whole?
    match (format(&connection)?, mark(&connection)?, is_empty(&connection)?) {
        (0, 0, true) => {}
        (found, OURS, _) if found > KNOWN => return Err(StoreError::Newer { found, known: KNOWN }),
        (1.., OURS, _) => {}
        _ => return Err(StoreError::Foreign),
    }
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(StoreError::Damaged(check));
    }
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Err(StoreError::Failed(format!("its file system keeps no write-ahead log, only `{journal}`")));
    }
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Whether a file that is there could be opened, without writing to it. One that is not there will be made.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    look(path).map(|_| ())
}

/// A file that is there and has this version's format, for reading alone.
pub(super) fn to_read(path: &Path) -> Result<Option<Connection>, StoreError> {
    Ok(look(path)?.filter(|(found, _)| *found == KNOWN).map(|(_, connection)| connection))
}

/// A file that is there and not empty, with its format.
fn look(path: &Path) -> Result<Option<(i64, Connection)>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    // Without a log beside it nobody writes the file, and nothing is made beside it for a look.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let quiet = !Path::new(&log).exists();
    let url = format!("file:{}?mode=ro{}", escaped(path), if quiet { "&immutable=1" } else { "" });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(url, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let format = match (format(&connection)?, mark(&connection)?, is_empty(&connection)?) {
        (0, 0, true) => return Ok(None),
        (found, OURS, _) if found > KNOWN => return Err(StoreError::Newer { found, known: KNOWN }),
        (found @ 1.., OURS, _) => found,
        _ => return Err(StoreError::Foreign),
    };
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check == "ok" { Ok(Some((format, connection))) } else { Err(StoreError::Damaged(check)) }
}

/// Whether a file that is there can be written: where it cannot, `SQLite` opens it all the same, and fails at the first
/// write.
pub(super) fn must_be_writable(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    if connection.is_readonly(rusqlite::MAIN_DB)? { Err(StoreError::ReadOnly) } else { Ok(()) }
}

/// A copy that is of one instant, in one file.
pub(super) fn backup(path: &Path, copy: &Path) -> Result<(), StoreError> {
    let connection = open(path)?;
    make_private(copy).map_err(|error| StoreError::Failed(error.to_string()))?;
    // Into a file that is there and empty, so that it keeps its mode.
    connection.execute("VACUUM INTO ?1", [copy.display().to_string()])?;
    fs::File::open(copy).and_then(|file| file.sync_all()).map_err(|error| StoreError::Failed(error.to_string()))
}

/// A path as the store's URLs want it.
fn escaped(path: &Path) -> String {
    let text = path.display().to_string();
    text.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// The file 0600, its folder 0700 where we make it. The write-ahead log takes the file's mode.
///
/// An existing file is never opened here: closing it would drop the locks of another connection of this process.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn mark(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA application_id", [], |row| row.get(0))?)
}

fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?)
}
