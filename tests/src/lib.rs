//! What do the tests stand on? The real program, with fakes only at its edges, on ports that were free.
//!
//! Nothing here sleeps: whoever waits, waits for a thing to happen and gives up after [`PATIENCE`].

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness fails by panicking"
)]

pub mod binary;
pub mod browser;
pub mod client;
pub mod clock;
pub mod contracts;
pub mod disk;
pub mod holders;
pub mod idp;
pub mod jar;
pub mod keys;
pub mod program;
pub mod proxy;
pub mod random;
pub mod redis;
pub mod schemathesis;
pub mod site;
pub mod upstream;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

/// How long anything that ought to happen is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The outcome of `future`, or a panic that says `what` did not happen in time.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
