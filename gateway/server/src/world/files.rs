//! Files, folders and variables for the configuration.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use portcullis_core::config::{FileFault, Source};

#[cfg(test)]
mod tests;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The disk and the environment, with variables that take precedence over it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    overrides: HashMap<String, String>,
}

impl Disk {
    /// `overrides` are seen instead of environment variables of the same name.
    pub fn with(overrides: HashMap<String, String>) -> Self {
        Self { overrides }
    }
}

impl Source for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        // Before it is opened: that alone would wait for whoever writes into a pipe.
        let about = std::fs::metadata(path).map_err(fault)?;
        if !about.is_file() {
            return Err(FileFault::Other("it is no regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(fault)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() as u64 > LARGEST {
            return Err(FileFault::Other("it is larger than 64 MiB".to_owned()));
        }
        Ok(bytes)
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            // Reading what is no file tells of it; an editor's lock, a hidden link to nowhere, is nobody's file.
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden || entry.path().is_file() {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.overrides.get(name).cloned().or_else(|| std::env::var(name).ok())
    }
}

fn fault(error: std::io::Error) -> FileFault {
    match error.kind() {
        ErrorKind::NotFound => FileFault::Missing,
        ErrorKind::PermissionDenied => FileFault::Denied,
        _ => FileFault::Other(error.to_string()),
    }
}
