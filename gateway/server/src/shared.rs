//! What do all requests share? Made once by `app`, handed to whoever serves.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::ports::World;
use tokio::sync::Semaphore;

use crate::control::Published;
use crate::forward::Assertions;
use crate::login::Login;
use crate::observe::Streams;

/// The process' state that outlives configurations, and the configuration in force.
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) streams: Arc<Streams>,
    pub(crate) assertions: Arc<Assertions>,
    pub(crate) login: Login,
    /// `[server]` cannot change without a restart, so these are plain values.
    pub(crate) keepalive: Duration,
    pub(crate) body_timeout: Duration,
    /// One permit is one KiB of bodies held for validation.
    pub(crate) body_memory: Arc<Semaphore>,
    body_permits: usize,
    published: Arc<ArcSwap<Published>>,
}

impl Shared {
    pub(crate) fn new(
        world: World,
        streams: Arc<Streams>,
        assertions: Arc<Assertions>,
        login: Login,
        published: Arc<ArcSwap<Published>>,
    ) -> Self {
        let server = published.load().snapshot.server().clone();
        let kib = usize::try_from(server.max_body_memory.0 / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            world,
            streams,
            assertions,
            login,
            keepalive: server.keepalive_timeout.0,
            body_timeout: server.body_timeout.0,
            body_memory: Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS))),
            body_permits: kib.min(Semaphore::MAX_PERMITS),
            published,
        }
    }

    /// For whoever watches what comes into force; a request asks [`Self::current`].
    pub(crate) fn watched(&self) -> Arc<ArcSwap<Published>> {
        Arc::clone(&self.published)
    }

    /// Memory that bodies hold, in bytes.
    pub(crate) fn bodies_held(&self) -> usize {
        (self.body_permits - self.body_memory.available_permits()) * 1024
    }

    /// The configuration in force. INVARIANT: a request asks once and keeps what it got.
    pub(crate) fn current(&self) -> Arc<Published> {
        self.published.load_full()
    }
}
