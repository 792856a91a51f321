//! Is there a way to the server? One connection for all, made anew when it breaks, behind a breaker.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use portcullis_core::ports::Clock;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::breaker::{Breaker, BreakerState, Gate};
use super::places::{Node, Places};
use super::way::{Way, told};
use crate::world::store::StoreError;

/// From one attempt to the next, of a call that may be made again.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What a call may do when the connection breaks under it, and nobody knows whether it was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Again {
    /// It does no harm twice.
    Always,
    /// Only where it was surely not done.
    Undone,
}

/// What has become of a call that was sent.
#[derive(Default)]
struct Sent {
    /// One is under way.
    open: AtomicBool,
    /// One was, and nobody knows what became of it.
    lost: AtomicBool,
    /// The last answer was that it was not done, and may be soon.
    refused: AtomicBool,
}

impl Sent {
    fn begin(&self) {
        if self.open.swap(true, Ordering::Relaxed) {
            self.lost.store(true, Ordering::Relaxed);
        }
        self.refused.store(false, Ordering::Relaxed);
    }

    fn take_back(&self) {
        self.open.store(false, Ordering::Relaxed);
        self.refused.store(true, Ordering::Relaxed);
    }

    /// A server is there, and cannot do it now.
    fn turned_away(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn fate(&self, why: String) -> StoreError {
        let done = self.open.load(Ordering::Relaxed) || self.lost.load(Ordering::Relaxed);
        if done { StoreError::Doubtful(why) } else { StoreError::Away(why) }
    }
}

/// The way to the server.
pub(super) struct Link {
    way: Arc<Way>,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
}

impl Link {
    pub(super) fn new(places: Places, clock: Arc<dyn Clock>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { way: Way::new(places, runtime), breaker: Breaker::default(), clock })
    }

    pub(super) fn names(&self) -> String {
        self.way.names()
    }

    pub(super) fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Reads within `budget`.
    pub(super) async fn read<T, F>(
        self: &Arc<Self>,
        budget: Duration,
        call: impl Fn(Node) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
        T: Send,
    {
        self.ask(budget, Again::Always, call).await.map_err(|error| match error {
            // Nothing is in doubt where nothing is changed.
            StoreError::Doubtful(why) => StoreError::Away(why),
            other => other,
        })
    }

    /// Calls within `budget`; where it is not known whether a change was made, [`StoreError::Doubtful`].
    pub(super) async fn ask<T, F>(
        self: &Arc<Self>,
        budget: Duration,
        again: Again,
        call: impl Fn(Node) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
        T: Send,
    {
        let now = self.clock.now().steady;
        match self.breaker.gate(now) {
            Gate::Ask => {}
            Gate::Down => return Err(self.away()),
            Gate::Probe => {
                let link = Arc::clone(self);
                self.way.spawn(async move { link.probe().await });
                return Err(self.away());
            }
        }
        let sent = Sent::default();
        match timeout(budget, self.attempt(again, &sent, call)).await {
            Ok(Ok(answer)) => {
                self.breaker.succeeded();
                Ok(answer)
            }
            Ok(Err(error)) if is_of_the_way(&error) => {
                self.breaker.failed(now);
                Err(sent.fate(told(&error)))
            }
            Ok(Err(error)) => {
                self.breaker.succeeded();
                Err(meant(&error))
            }
            Err(_) if sent.turned_away() => Err(sent.fate("the servers are changing places".to_owned())),
            Err(_) => {
                self.breaker.failed(now);
                let fault = self.way.fault();
                Err(sent.fate(fault.unwrap_or_else(|| "no answer in time".to_owned())))
            }
        }
    }

    async fn attempt<T, F>(self: &Arc<Self>, again: Again, sent: &Sent, call: impl Fn(Node) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        loop {
            let node = match self.way.node().await {
                Ok(node) => node,
                Err(_) if again == Again::Always => {
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let id = node.id;
            sent.begin();
            let error = match call(node).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let undone = is_undone(&error);
            if undone {
                sent.take_back();
            }
            if is_elsewhere(&error) || !undone && is_of_the_way(&error) {
                self.way.discard(id);
            }
            if !(undone || again == Again::Always && is_of_the_way(&error)) {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }

    /// A fresh connection: an old one may hang on a peer that is gone.
    async fn probe(self: Arc<Self>) {
        let found = self.way.find().await;
        let there = found.is_ok();
        self.way.keep(found);
        if there { self.breaker.recovered() } else { self.breaker.still_down() }
    }

    fn away(&self) -> StoreError {
        let fault = self.way.fault();
        StoreError::Away(fault.unwrap_or_else(|| "asked once a second whether it is back".to_owned()))
    }

    /// The connection as it is, for listening beside it.
    pub(super) fn current(&self) -> Option<Node> {
        self.way.current()
    }
}

/// The connection, or a server that cannot answer for itself now.
pub(super) fn is_of_the_way(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, TryAgain};
    match error.kind() {
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | TryAgain) => true,
        ErrorKind::Server(_) => is_on_the_move(error),
        _ => {
            error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.is_unrecoverable_error()
        }
    }
}

/// Another server may be written.
pub(super) fn is_elsewhere(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    )
}

/// The slot is between two servers: a script finds some of its keys on one, some on the other.
fn is_on_the_move(error: &RedisError) -> bool {
    let told = error.detail().unwrap_or_default();
    error.kind() == ErrorKind::Server(ServerErrorKind::Ask) || told.contains("non local key")
}

/// It was surely not done, and may be soon.
pub(super) fn is_undone(error: &RedisError) -> bool {
    let waits = matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown | ServerErrorKind::BusyLoading)
    );
    waits || is_elsewhere(error) || is_on_the_move(error)
}

/// An answer that is an error, in the words of the port.
fn meant(error: &RedisError) -> StoreError {
    match error.code() {
        Some("OOM") => StoreError::Full,
        Some("NOPERM" | "NOAUTH" | "WRONGPASS") => {
            StoreError::Failed(format!("{}: see the user and its rights in `store.url`", told(error)))
        }
        Some("READONLY") => StoreError::ReadOnly,
        Some("MISCONF") => StoreError::Failed("the server cannot write its own disk: MISCONF".to_owned()),
        Some("NOREPLICAS") => StoreError::Failed("the server has too few replicas: NOREPLICAS".to_owned()),
        _ => StoreError::Failed(error.to_string()),
    }
}
