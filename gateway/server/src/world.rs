//! What does the world provide? The ports of the core, for real.

pub(crate) mod backups;
pub mod clock;
pub mod files;
pub(crate) mod introspect;
pub mod jwks;
pub mod log;
pub(crate) mod outside;
pub mod random;
mod reach;
pub mod redis;
pub mod sqlite;
pub mod store;
pub(crate) mod things;
mod tickets;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_core::config::{CountersConfig, Secret, StoreConfig};
use portcullis_core::ports::Clock;
use rustls::server::ProducesTickets;

pub(crate) use reach::{needs_network, unreachable, unusable};

/// How long one reading may take that no request waits for.
const LOOK: Duration = Duration::from_secs(2);

/// Chooses aws-lc-rs for all of TLS. Pingora would install ring, whose signatures cost more.
pub fn install_crypto() {
    // Somebody else was first: in one process every test calls this.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Keys for session tickets, rotated by themselves; kept across reloads so that resumption survives them.
///
/// They are made when they are first asked for: the first random bytes take a tenth of a second, which is none where a
/// configuration is read meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Tickets(OnceLock<Arc<dyn ProducesTickets>>);

impl Tickets {
    pub(crate) fn get(&self) -> Result<&Arc<dyn ProducesTickets>, String> {
        if let Some(tickets) = self.0.get() {
            return Ok(tickets);
        }
        let made = rustls::crypto::aws_lc_rs::Ticketer::new();
        let made = made.map_err(|error| format!("no keys for session tickets: {error}"))?;
        Ok(self.0.get_or_init(|| made))
    }
}

/// Draws the first random bytes, which takes longer than any others, beside whatever is done meanwhile.
pub(crate) fn draw_ahead() {
    // Whoever needs them is told when there are none.
    std::thread::spawn(|| random::fill(&mut [0]));
}

/// The same for all who share `secret`.
pub(crate) fn shared_tickets(secret: &Secret) -> Result<Arc<dyn ProducesTickets>, String> {
    match tickets::SharedTickets::new(secret) {
        Ok(tickets) => Ok(Arc::new(tickets)),
        Err(_) => Err("no keys for session tickets follow from `tls.ticket_secret`".to_owned()),
    }
}

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What outlasts the process.
pub(crate) async fn store(config: &StoreConfig, root: &Path, clock: &Arc<dyn Clock>) -> Result<store::Stored, String> {
    if let Some(file) = config.file() {
        sqlite::must_be_writable(&root.join(file)).map_err(|error| error.to_string())?;
    }
    let opened = open(config, root, clock).await?;
    store::Stored::open(opened).await.map_err(|error| format!("the store: {error}"))
}

/// The store that `[store]` names; paths are relative to `root`.
pub async fn open(config: &StoreConfig, root: &Path, clock: &Arc<dyn Clock>) -> Result<Arc<dyn store::Store>, String> {
    if let Some(file) = config.file() {
        let opened = sqlite::Sqlite::open(&root.join(file), Arc::clone(clock));
        return Ok(Arc::new(opened.map_err(|error| error.to_string())?));
    }
    install_crypto();
    let places = redis::Places::of(config.servers(), redis::COUNTER, root)?;
    let names = places.names();
    let patience = redis::Patience { budget: config.timeout.0, stale_for: config.stale_for.0 };
    let opened = redis::RedisStore::open(places, patience, Arc::clone(clock)).await.map_err(|error| {
        format!("cannot use the store at `{names}`: {error}; see that it runs, and what `[store]` says of it")
    })?;
    for risk in opened.risks().await.unwrap_or_default() {
        tracing::warn!(store = names, "{risk}");
    }
    Ok(Arc::new(opened))
}

/// The store that `[store]` names, as it is, for reading alone; `None` where there is none yet.
pub(crate) async fn open_to_read(
    config: &StoreConfig,
    root: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn store::Store>>, String> {
    if let Some(file) = config.file() {
        let opened = sqlite::Sqlite::open_to_read(&root.join(file), Arc::clone(clock));
        let opened = opened.map_err(|error| error.to_string())?;
        return Ok(opened.map(|opened| Arc::new(opened) as _));
    }
    install_crypto();
    let places = redis::Places::of(config.servers(), redis::COUNTER, root)?;
    let names = places.names();
    let patience = redis::Patience { budget: LOOK, stale_for: config.stale_for.0 };
    let opened = redis::RedisStore::open_to_read(places, patience, Arc::clone(clock)).await;
    let opened = opened.map_err(|error| format!("the store at `{names}`: {error}"))?;
    Ok(opened.map(|opened| Arc::new(opened) as _))
}

/// The counters that replicas share; `None`: each process counts for itself.
pub(crate) fn counters(config: &CountersConfig, root: &Path) -> Result<Option<redis::RedisCounters>, String> {
    if config.is_own() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Handle::current();
    redis::RedisCounters::open(config, root, redis::TimeSource::Server, runtime).map(Some)
}
