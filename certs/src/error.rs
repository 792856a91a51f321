//! What can go wrong with a certificate, which file it concerns, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a certificate or key could not be made or used.
#[derive(Debug)]
pub enum Error {
    /// The library that encodes and signs refused.
    Encoding(rcgen::Error),
    /// A file or folder could not be read or written.
    File { path: PathBuf, doing: &'static str, source: io::Error },
    /// A file stands where ours would, and was not made by us: it is never overwritten.
    Foreign { path: PathBuf },
    /// A name that no certificate can carry.
    Name { name: String },
    /// A file of ours that cannot serve, and why.
    Unusable { path: PathBuf, why: &'static str },
}

impl Error {
    /// For `map_err`: what was being done to `path`.
    pub(crate) fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding(error) => write!(f, "a certificate could not be made: {error}"),
            Self::File { path, doing, source } => {
                write!(
                    f,
                    "cannot {doing} `{}`: {source}; check its owner and mode, and that its folder can be written",
                    path.display()
                )
            }
            Self::Foreign { path } => write!(
                f,
                "`{}` was not made by portcullis and is left as it is: move it and its key elsewhere, or name another folder",
                path.display()
            ),
            Self::Name { name } => write!(
                f,
                "`{name}` cannot stand in a certificate: use a host name such as `app.example.com`, an address such as `10.0.0.1`, a URI or an email address"
            ),
            Self::Unusable { path, why } => {
                write!(f, "`{}` {why}: remove it, and portcullis makes a new one", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Encoding(error) => Some(error),
            Self::File { source, .. } => Some(source),
            Self::Foreign { .. } | Self::Name { .. } | Self::Unusable { .. } => None,
        }
    }
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Encoding(error)
    }
}
