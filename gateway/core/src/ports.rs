//! What must the world provide? Every need of the stages, as a trait the server implements.
//!
//! INVARIANT: nothing in this crate opens a socket, a file or a clock; it asks a port.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::identify::KeyRecord;
use crate::identify::jwks::KeySet;
use crate::limit::{Charge, Verdict};
use crate::moment::Now;

/// An answer that is usually here already: the common case neither boxes nor yields.
pub enum Answer<'a, T> {
    Ready(T),
    Wait(BoxFuture<'a, T>),
}

impl<T> Answer<'_, T> {
    pub async fn get(self) -> T {
        match self {
            Self::Ready(value) => value,
            Self::Wait(future) => future.await,
        }
    }
}

/// A store could not be asked. What that means is the asking stage's declared failure mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoreDown {
    /// For the operator: which store, what failed.
    pub what: &'static str,
}

/// The only source of time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Now;
}

/// API keys, by their public id.
pub trait Keys: Send + Sync {
    /// `None`: no such key. Revoked and expired keys are found; judging them is the stage's work.
    fn key(&self, id: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>>;

    /// Notes that a key was used. Never waits; may be lost at a crash.
    fn used(&self, id: &str, now: Now);
}

/// Verification keys of token issuers, fetched in the background.
pub trait KeySets: Send + Sync {
    /// The keys of the token source `alias` as last fetched. Never waits.
    fn current(&self, alias: &str, now: Now) -> Result<Arc<KeySet>, KeysUnavailable>;

    /// Newer keys than the generation `seen`, because they do not hold the key of some token: single flight,
    /// with a cooldown, waiting at most one second.
    ///
    /// The answer may be the same set again: fetched now, or so recently that asking again would tell
    /// nothing, so an unknown key means a bad token.
    fn refetch(&self, alias: &str, seen: u64, now: Now) -> Answer<'_, Result<Arc<KeySet>, KeysUnavailable>>;
}

/// Why no verdict about a token is possible (503, never 401).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeysUnavailable {
    /// The last fetch failed and nothing fresh enough is at hand.
    FetchFailed,
    /// No key set was ever had.
    Never,
    /// The wait for a fetch took longer than a request may wait.
    Slow,
    /// The last good set is older than its declared greatest age.
    Stale,
}

/// Counters of requests, in process or shared by replicas.
pub trait Counters: Send + Sync {
    /// Charges all of `charges`, or none of them when one refuses. Verdicts come in the same order.
    fn charge<'a>(&'a self, charges: &'a [Charge], now: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>>;
}

/// All ports of the journey, made once at start.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub keys: Arc<dyn Keys>,
    pub key_sets: Arc<dyn KeySets>,
    /// The counters named `memory`.
    pub local: Arc<dyn Counters>,
    /// The counters shared by replicas; the local ones when no shared store is configured.
    pub shared: Arc<dyn Counters>,
}
