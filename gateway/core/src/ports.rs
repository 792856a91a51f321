//! What must the world provide? Every need of the stages, as a trait the server implements.
//!
//! Each stage declares its own; here they stand together. INVARIANT: nothing in this crate opens a socket, a file or a
//! clock; it asks a port.

use std::sync::Arc;
use std::time::Duration;

pub use crate::answer::{Answer, StoreDown};
pub use crate::gather::Things;
use crate::identify::Sources;
pub use crate::identify::{Introspection, KeySets, Keys, KeysUnavailable, Replays, RevokedTokens, Sessions};
pub use crate::limit::Counters;
use crate::limit::{Desks, Leases, MemoryCounters};
use crate::moment::Now;

/// The only source of time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Now;

    /// [`Now::steady`] alone, where nobody asks for the time of day.
    fn steady(&self) -> Duration {
        self.now().steady
    }
}

/// All ports of the journey, made once at start.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub keys: Arc<dyn Keys>,
    pub key_sets: Arc<dyn KeySets>,
    pub introspection: Arc<dyn Introspection>,
    pub revoked: Arc<dyn RevokedTokens>,
    pub replays: Arc<dyn Replays>,
    pub sessions: Arc<dyn Sessions>,
    /// What the applications know of their things.
    pub things: Arc<dyn Things>,
    /// The counters named `memory`.
    pub local: Arc<dyn Counters>,
    /// Credentials and logins that failed, of this process alone.
    pub failures: Arc<MemoryCounters>,
    /// The counters shared by replicas; the local ones when no shared store is configured.
    pub shared: Arc<dyn Counters>,
    /// What was taken of the shared ones in advance.
    pub leases: Arc<Leases>,
}

impl World {
    /// Those that limits ask, where `replicas` processes share the shared counters.
    pub fn desks(&self, replicas: u32) -> Desks<'_> {
        Desks { local: &*self.local, shared: &*self.shared, leases: &self.leases, replicas }
    }

    /// Those that identify asks.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            keys: &*self.keys,
            key_sets: &*self.key_sets,
            introspection: &*self.introspection,
            revoked: &*self.revoked,
            replays: &*self.replays,
            sessions: &*self.sessions,
        }
    }
}
