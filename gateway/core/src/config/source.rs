//! Where does the text come from? The port through which the loader reads, so that it touches no disk itself.

use std::fmt;
use std::path::{Path, PathBuf};

/// What the loader needs of the world: files, folders and environment variables.
pub trait Source {
    /// The whole file. Paths are as the entry path was given: absolute, or relative to the working directory.
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault>;

    /// What lies directly in `folder`, each as `folder` joined with its name, in any order. What turns out to be no file
    /// when it is read is a fault, and never passed over.
    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault>;

    /// An environment variable; `None` when it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The secret that the machine's own files hold at this key, for a text that was kept without it.
    fn own(&self, _key: &str) -> Option<String> {
        None
    }
}

/// Why a file or a folder cannot be had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileFault {
    /// The process may not read it.
    Denied,
    Missing,
    /// Anything else, in the system's words.
    Other(String),
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("may not be read"),
            Self::Missing => f.write_str("does not exist"),
            Self::Other(what) => write!(f, "cannot be read ({what})"),
        }
    }
}

/// SHA-256 of a file's bytes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A file the configuration was made from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReadFile {
    pub path: PathBuf,
    pub hash: ContentHash,
    pub part: FilePart,
}

/// What a file is to the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FilePart {
    /// What an operator wrote: the configuration itself, and schemas.
    Text,
    /// What some text stands for (`${file:PATH}`): most often a secret.
    Value,
}
