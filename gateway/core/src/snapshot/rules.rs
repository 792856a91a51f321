//! What one route demands, stage by stage.

use std::sync::Arc;
use std::time::Duration;

use crate::authorize::{Authorize, Caller, Door, Public};
use crate::config::{ExchangeConfig, TokenToApp};
use crate::cors::Cors;
use crate::gather::Gather;
use crate::guard::Guard;
use crate::identify::Identify;
use crate::limit::Limit;
use crate::mode::Mode;
use crate::validate::Validate;

/// The compiled rules of one route.
#[derive(Debug)]
pub struct Rules {
    pub name: Arc<str>,
    /// As the operator wrote it.
    pub pattern: Arc<str>,
    pub modes: Modes,
    pub guard: Guard,
    pub cors: Cors,
    pub identify: Identify,
    pub limit: Limit,
    /// How many processes share the counters.
    pub replicas: u32,
    pub validate: Validate,
    pub gather: Gather,
    pub authorize: Authorize,
    /// The same question to the policies in shadow.
    pub next: Option<Authorize>,
    /// The policies speak about the body.
    pub authorize_body: bool,
    /// Index into the snapshot's upstreams.
    pub upstream: usize,
    /// The whole request, from the head to the last byte; for streams, until their answer begins.
    pub timeout: Option<Duration>,
    /// The longest life of a stream.
    pub max_stream: Option<Duration>,
    pub websocket: bool,
    /// Whether the application gets the caller's own token.
    pub token: TokenToApp,
    /// What is asked for, where it is exchanged.
    pub exchange: Option<Arc<ExchangeConfig>>,
    /// What its `authenticate` says, for people.
    pub authenticate: Arc<str>,
    /// Whom its `authenticate` lets come as far as the policies.
    pub callers: Vec<Caller>,
    /// `public` routes tell the application nothing about the caller.
    pub public: bool,
}

/// Which stages refuse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Modes {
    pub guard: Mode,
    pub limit: Mode,
    pub validate: Mode,
    pub authorize: Mode,
}

impl Rules {
    /// Whether answers of this route may outlive its `timeout`.
    pub fn streams(&self) -> bool {
        self.websocket || self.max_stream.is_some()
    }

    /// What the matrix of roles and routes must know of it.
    pub fn door(&self) -> Door<'_> {
        Door {
            name: &self.name,
            pattern: &self.pattern,
            callers: &self.callers,
            public: if self.public { Public::Yes } else { Public::No },
            resource: &self.gather,
            mode: self.modes.authorize,
        }
    }

    /// The largest body, in bytes, judged or streamed.
    pub fn max_body(&self) -> u64 {
        self.validate.max_body()
    }
}
