//! By which connection is the server spoken to? One for all, made anew when it breaks.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redis::{ErrorKind, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::places::{Node, Places};

/// The way to the server that may be written.
pub(super) struct Way {
    places: Arc<Places>,
    state: watch::Sender<State>,
    dialing: AtomicBool,
    /// Where connecting lives: it outlasts the request that asked for it.
    runtime: Handle,
}

#[derive(Clone, Default)]
struct State {
    node: Option<Node>,
    /// Attempts that are over.
    attempts: u64,
    /// Why the last one failed.
    fault: Option<String>,
}

impl Way {
    pub(super) fn new(places: Places, runtime: Handle) -> Arc<Self> {
        let (state, _) = watch::channel(State::default());
        Arc::new(Self { places: Arc::new(places), state, dialing: AtomicBool::new(false), runtime })
    }

    pub(super) fn names(&self) -> String {
        self.places.names()
    }

    /// Why there is no connection, where one was tried for.
    pub(super) fn fault(&self) -> Option<String> {
        self.state.borrow().fault.clone()
    }

    /// The connection as it is.
    pub(super) fn current(&self) -> Option<Node> {
        self.state.borrow().node.clone()
    }

    /// Another connection, beside the one there is.
    pub(super) async fn find(&self) -> RedisResult<Node> {
        self.places.find().await
    }

    /// Runs `work` where it outlasts the request that asks for it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// The connection, made if there is none.
    pub(super) async fn node(self: &Arc<Self>) -> RedisResult<Node> {
        if let Some(node) = self.current() {
            return Ok(node);
        }
        let mut state = self.state.subscribe();
        let seen = {
            let now = state.borrow_and_update();
            if let Some(node) = &now.node {
                return Ok(node.clone());
            }
            now.attempts
        };
        self.dial();
        let state = state.wait_for(|state| state.node.is_some() || state.attempts > seen).await;
        let state = state.map_err(|_| RedisError::from((ErrorKind::Io, "the store has been shut down")))?;
        state.node.clone().ok_or_else(|| (ErrorKind::Io, "no server", state.fault.clone().unwrap_or_default()).into())
    }

    /// Connects, beside whoever asks and once for all of them.
    fn dial(self: &Arc<Self>) {
        if self.dialing.swap(true, Ordering::AcqRel) {
            return;
        }
        let way = Arc::clone(self);
        self.runtime.spawn(async move {
            let found = way.find().await;
            way.dialing.store(false, Ordering::Release);
            way.keep(found);
        });
    }

    pub(super) fn keep(&self, found: RedisResult<Node>) {
        self.state.send_modify(|state| {
            state.attempts += 1;
            match found {
                Ok(node) => (state.node, state.fault) = (Some(node), None),
                Err(error) => state.fault = Some(told(&error)),
            }
        });
    }

    pub(super) fn discard(&self, id: u64) {
        self.state.send_if_modified(|state| {
            let same = state.node.as_ref().is_some_and(|node| node.id == id);
            if same {
                state.node = None;
            }
            same
        });
    }
}

/// Without anything that a server may repeat of what was said.
pub(super) fn told(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), _) => format!("{}: {code}", error.category()),
        (None, Some(detail)) if error.is_io_error() => detail.to_owned(),
        (None, _) => error.to_string(),
    }
}
