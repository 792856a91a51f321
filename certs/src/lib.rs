//! Whose name is on the door? Certificates for development and tests, made where they are used.
//!
//! [`DevCa`] keeps an authority and its leaves in a folder; [`Authority`] does the same in memory, for
//! tests that want odd names, dates and purposes. No clock is read here: every call is told the time.

mod authority;

mod dev;

mod stored;

mod key;

mod file;

mod error;

#[cfg(test)]
mod tests;

pub use authority::{Authority, Issued, Leaf, Purpose, Validity};
pub use dev::{DevCa, Pair};
pub use error::Error;
pub use file::write_private;
pub use key::PrivateKey;
