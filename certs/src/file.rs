//! Files that appear whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::Error;

/// No certificate or key of ours comes near this; a larger file is somebody's mistake.
const LARGEST: u64 = 64 * 1024;

/// Makes `dir` with mode 0700 if it is not there. One that is there keeps its mode.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::file(dir, "create the folder"))
}

/// Keeps other processes of ours out of `dir` until the returned file is dropped.
///
/// Waits for them; they hold it for the milliseconds it takes to make a few keys.
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(Error::file(&path, "open"))?;
    file.lock().map_err(Error::file(&path, "lock"))?;
    Ok(file)
}

/// The text of a file, `None` if there is none. At most 64 KiB.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, "read")(error)),
    };
    let mut text = String::new();
    match file.take(LARGEST).read_to_string(&mut text) {
        Ok(_) => Ok(Some(text)),
        // Not UTF-8, so not PEM: the caller says so in its own words.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
        Err(error) => Err(Error::file(path, "read")(error)),
    }
}

/// As [`read`], for a key: whoever else could read the file no longer can.
pub(crate) fn read_private(path: &Path) -> Result<Option<String>, Error> {
    let text = read(path)?;
    if text.is_some() {
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Error::file(path, "close to others"))?;
    }
    Ok(text)
}

/// Writes a secret with mode 0600: a temporary file beside `path`, flushed to the disk, then renamed over it.
///
/// After a crash `path` holds the old bytes or the new ones, never a part.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, 0o600)
}

/// As [`write_private`], for what everyone may read.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    // Left over from a process of the same id that died here; `create_new` would refuse it, or follow a link.
    let _ = std::fs::remove_file(&temporary);
    let written = fill(&temporary, bytes, mode)
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| File::open(path.parent().filter(|dir| *dir != "").unwrap_or(Path::new(".")))?.sync_all());
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        Error::file(path, "write")(error)
    })
}

fn fill(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
