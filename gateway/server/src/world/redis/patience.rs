//! How long does whoever asks wait?

use std::time::Duration;

/// How requests get on without the server.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long one reading may take.
    pub budget: Duration,
    /// How long what is known goes on holding.
    pub stale_for: Duration,
}
