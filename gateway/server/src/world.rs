//! What does the world provide? The ports of the core, for real.

pub mod clock;
pub mod files;
pub(crate) mod introspect;
pub mod jwks;
pub mod log;
pub mod random;
mod reach;
pub mod redis;
pub mod sqlite;
pub mod store;

use std::sync::Arc;

use portcullis_core::config::CountersConfig;
use portcullis_core::ports::{Clock, Counters};
use portcullis_core::snapshot::Snapshot;
use rustls::server::ProducesTickets;

pub(crate) use reach::{needs_network, unreachable, unusable};

/// Chooses aws-lc-rs for all of TLS. Pingora would install ring, whose signatures cost more.
pub fn install_crypto() {
    // Somebody else was first: in one process every test calls this.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Keys for session tickets, rotated by themselves; kept across reloads so that resumption survives them.
pub(crate) fn tickets() -> Result<Arc<dyn ProducesTickets>, String> {
    rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| format!("no keys for session tickets: {error}"))
}

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What outlasts the process.
pub(crate) async fn store(snapshot: &Snapshot, clock: &Arc<dyn Clock>) -> Result<store::Stored, String> {
    let file = snapshot.sqlite_path().unwrap_or_else(|| snapshot.data_dir().join("portcullis.db"));
    let opened = sqlite::Sqlite::open(&file, Arc::clone(clock)).map_err(|error| error.to_string())?;
    store::Stored::open(Arc::new(opened)).await.map_err(|error| format!("the store: {error}"))
}

/// The counters that replicas share, or this process' own.
pub(crate) fn counters(config: &CountersConfig, local: &Arc<dyn Counters>) -> Result<Arc<dyn Counters>, String> {
    if config.url.expose() == "memory:" {
        return Ok(Arc::clone(local));
    }
    let runtime = tokio::runtime::Handle::current();
    let counters = redis::RedisCounters::open(config.url.expose(), config.timeout.0, runtime);
    Ok(Arc::new(counters.map_err(|fault| fault.to_string())?))
}
