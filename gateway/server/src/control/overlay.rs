//! A revision on this machine: its texts in the place of the machine's own, and all else as it is here.

use std::path::{Path, PathBuf};

use portcullis_core::config::{FileFault, Machine, Source};
use portcullis_core::snapshot::Texts;

/// The texts of a revision, above what the machine has.
pub(super) struct Overlay<'a> {
    pub(super) texts: &'a Texts,
    pub(super) machine: &'a Machine,
    /// Certificates, keys, files of values, variables.
    pub(super) below: &'a (dyn Source + Send + Sync),
}

impl Source for Overlay<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        match self.texts.files.get(&Texts::name(self.machine.root(), path)) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.below.read(path),
        }
    }

    /// What lies there in the revision, and nothing that lies there on the machine.
    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        let paths = self.texts.files.keys().map(|name| self.machine.root().join(name));
        let files: Vec<PathBuf> = paths.filter(|path| path.parent() == Some(folder)).collect();
        if files.is_empty() { Err(FileFault::Missing) } else { Ok(files) }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.below.variable(name)
    }

    fn own(&self, key: &str) -> Option<String> {
        self.machine.secret(key).map(|secret| secret.expose().to_owned())
    }
}
