//! Where does a fresh secret go that nobody shall read over a shoulder? Into a new file of its owner's alone.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file that is there and empty, until the secret is in it. Removed when none comes.
pub(super) struct SecretFile {
    path: PathBuf,
    kept: bool,
}

impl SecretFile {
    /// # Errors
    /// When something is there already, or nothing can be made there.
    pub(super) fn claim(path: &Path) -> Result<Self, String> {
        if path.symlink_metadata().is_ok() {
            return Err(format!("`{}` is there already: name a new file", path.display()));
        }
        portcullis_certs::write_private(path, b"").map_err(|error| error.to_string())?;
        Ok(Self { path: path.to_owned(), kept: false })
    }

    /// Moves the secret out of the answer into the file.
    pub(super) fn keep(mut self, answer: &mut Value) -> Result<(), String> {
        let secret = answer.as_object_mut().and_then(|members| members.remove("secret"));
        let secret = secret.as_ref().and_then(Value::as_str).ok_or("the answer holds no secret")?;
        portcullis_certs::write_private(&self.path, format!("{secret}\n").as_bytes())
            .map_err(|error| format!("{error}; the secret is lost: rotate the key"))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
