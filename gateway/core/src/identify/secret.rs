//! How is a secret carried without ever being shown?

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// Text that never appears in a log, an error or a debug print.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that must hand it over.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// SHA-256: what is kept of a credential instead of the credential.
pub(super) fn fingerprint(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}
