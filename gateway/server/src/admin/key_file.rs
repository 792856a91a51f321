//! Where does the admin key lie? In one file beside the store, whoever dies while it is made.
//!
//! A key is written down under a name of its own before it counts, and gets its place once it does: so the key that
//! counts is always in the folder, and the next start gives it its place.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use portcullis_core::identify::{KeyText, Minted};
use portcullis_core::moment::Moment;

use crate::world::store::{AdminKey, Claim, StoreError};

const NAME: &str = "admin.key";

/// Where the admin key lies in the folder of this machine.
pub(crate) fn place(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// Makes the admin key when the store has none, and writes it to `admin.key` in `folder`, mode 0600.
pub(crate) async fn ensure(kept: &AdminKey, folder: &Path, now: Moment) -> Result<PathBuf, String> {
    if kept.hash().await.map_err(|error| error.to_string())?.is_none() {
        let key = super::mint("admin")?;
        let fresh = Fresh::write(folder, &key)?;
        match fresh.after(kept.claim(key.hash, "gateway", now).await)? {
            Claim::Made => return fresh.take_place(),
            Claim::Lost => fresh.forget(),
        }
    }
    if let Some(hash) = kept.hash().await.map_err(|error| error.to_string())? {
        left_behind(folder, hash)?;
    }
    Ok(place(folder))
}

/// Puts a new admin key in the place of whatever counted before.
pub(crate) async fn reset(kept: &AdminKey, folder: &Path, now: Moment) -> Result<PathBuf, String> {
    let key = super::mint("admin")?;
    let fresh = Fresh::write(folder, &key)?;
    fresh.after(kept.replace(key.hash, "command line", now).await)?;
    fresh.take_place()
}

/// A key that is written down, and does not count yet.
struct Fresh {
    file: PathBuf,
    place: PathBuf,
}

impl Fresh {
    fn write(folder: &Path, key: &Minted) -> Result<Self, String> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| format!("the folder `{}` cannot be made: {error}", folder.display()))?;
        let file = folder.join(format!("{NAME}.{}", key.id));
        let text = format!("{}\n", key.text.expose());
        portcullis_certs::write_private(&file, text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { file, place: place(folder) })
    }

    /// What the store says; where it is known that the key does not count, it is forgotten.
    fn after<T>(&self, said: Result<T, StoreError>) -> Result<T, String> {
        said.map_err(|error| {
            match error {
                StoreError::Doubtful(_) | StoreError::Stopped => {}
                _ => self.forget(),
            }
            error.to_string()
        })
    }

    fn take_place(self) -> Result<PathBuf, String> {
        match fs::rename(&self.file, &self.place) {
            Err(error) if self.file.exists() => {
                let (file, place) = (self.file.display(), self.place.display());
                Err(format!("`{file}` holds the admin key and cannot be renamed to `{place}`: {error}"))
            }
            // Another process has found that it counts, and was faster.
            Ok(()) | Err(_) => Ok(self.place),
        }
    }

    fn forget(&self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Gives the key that counts its place, where a process died before it could.
fn left_behind(folder: &Path, hash: [u8; 32]) -> Result<(), String> {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = file.file_name();
        let of_ours = name.to_str().and_then(|name| name.strip_prefix(NAME)?.strip_prefix('.'));
        if !of_ours.is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            continue;
        }
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        if KeyText::parse(text.trim()).is_ok_and(|key| key.hash() == hash) {
            Fresh { file: file.path(), place: place(folder) }.take_place()?;
        }
    }
    Ok(())
}
