//! How much and how long may one connection ask of us?

use std::time::Duration;

/// The bounds of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_timeout: Duration,
    /// Without progress of a body, in either direction.
    pub(crate) body_timeout: Duration,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) max_header_bytes: usize,
}
