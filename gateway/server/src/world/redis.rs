//! How many, across all replicas? Counters in Redis or Valkey.
//!
//! One script charges all limits of a request in one stroke, by the server's own time, so replicas need not
//! agree on theirs. A call has a budget; after five failures in a row the breaker opens and calls fail at once
//! while one probe a second looks for the server on a fresh connection, beside the requests. What a failure
//! means for a request is the limit's declared mode; nothing here decides it.
//!
//! Keys begin with `ptcl:{limit}:`. The braces are a hash tag: all counters share one slot of a cluster, which
//! a script over several of them needs. A key goes when its burst is whole.

mod breaker;
mod follow;
mod link;
mod places;
mod risks;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, ErrorKind, RedisError, Script, ServerErrorKind};
use arc_swap::ArcSwap;
use portcullis_core::limit::gcra::{self, Terms};
use portcullis_core::limit::{Charge, Verdict};
use portcullis_core::moment::Now;
use portcullis_core::ports::{Answer, Counters, StoreDown};
use tokio::runtime::Handle;
use tokio::time::timeout;

use breaker::{Breaker, Gate};

pub use breaker::BreakerState;
pub(crate) use places::Places;
pub use store::{Patience, RedisStore};

/// What a key begins with.
const PREFIX: &str = "ptcl:{limit}:";

const SCRIPT: &str = include_str!("redis/charge.lua");

/// How long a new connection, and a probe on it, may take: beside the requests, not within their budget.
const CONNECT: Duration = Duration::from_secs(1);

/// Exact in the script, whose numbers are doubles.
const MOST_TAKEN: u64 = 1 << 52;

/// How many calls may stand in line for the one connection.
const PIPELINE: usize = 1024;

/// Whose time the counters go by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeSource {
    /// `Now::steady` of the caller. For the contract suite alone, which moves time by hand: replicas whose clocks
    /// differ would not count together.
    Caller,
    /// The server's `TIME`.
    Server,
}

/// Counters shared by replicas. Cheap to clone.
#[derive(Clone)]
pub struct RedisCounters(Arc<Inner>);

struct Inner {
    client: Client,
    budget: Duration,
    time: TimeSource,
    /// SHA-1 of the script, as `EVALSHA` wants it.
    hash: String,
    link: ArcSwap<ConnectionManager>,
    breaker: Breaker,
    /// Where connections and probes live: they outlast the request that asked for them.
    runtime: Handle,
}

/// A URL that names no Redis. Says nothing of the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoSuchRedis;

impl std::fmt::Display for NoSuchRedis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "`counters.url` names no Redis: write `redis://HOST:PORT`, `rediss://…` with TLS, or `redis+unix:///PATH`",
        )
    }
}

impl std::error::Error for NoSuchRedis {}

/// Asks a server once whether it is there and lets us in. Says nothing of the URL, which may hold a password.
pub(crate) async fn ping(url: &str) -> Result<(), String> {
    let client = Client::open(url).map_err(|_| NoSuchRedis.to_string())?;
    let told = |error: RedisError| error.category().to_owned();
    let mut connection = client.get_multiplexed_async_connection().await.map_err(told)?;
    ::redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(told)
}

impl RedisCounters {
    /// Declared default of the time one call may take.
    pub const BUDGET: Duration = Duration::from_millis(50);

    /// Begins to connect on `runtime` and returns at once: a server that is down at start is the same as one that
    /// goes down later. `rediss://` wants the process's rustls provider to be installed.
    pub fn open(url: &str, budget: Duration, runtime: Handle) -> Result<Self, NoSuchRedis> {
        Self::open_with(url, budget, TimeSource::Server, runtime)
    }

    /// [`Self::open`], with a choice of time.
    pub fn open_with(url: &str, budget: Duration, time: TimeSource, runtime: Handle) -> Result<Self, NoSuchRedis> {
        let client = Client::open(url).map_err(|_| NoSuchRedis)?;
        let link = {
            let _inside = runtime.enter();
            ConnectionManager::new_lazy_with_config(client.clone(), settings()).map_err(|_| NoSuchRedis)?
        };
        let inner = Arc::new(Inner {
            client,
            budget,
            time,
            hash: Script::new(SCRIPT).get_hash().to_owned(),
            link: ArcSwap::from_pointee(link),
            breaker: Breaker::default(),
            runtime,
        });
        // Drives the first connection, which otherwise only moves while a request looks on.
        let first = Arc::clone(&inner);
        inner.runtime.spawn(async move { first.rehearse(first.connection()).await });
        Ok(Self(inner))
    }

    /// For status, readiness detail and a metric.
    pub fn state(&self) -> BreakerState {
        self.0.breaker.state()
    }

    /// Looks for the server now, on a connection of its own, with a second's time; for `check` and status.
    pub async fn reach(&self) -> Result<(), StoreDown> {
        match self.0.connect().await {
            Some(_) => Ok(()),
            None => Err(StoreDown { what: "counters: redis cannot be reached" }),
        }
    }
}

impl Counters for RedisCounters {
    fn charge<'a>(&'a self, charges: &'a [Charge], now: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
        if charges.is_empty() {
            return Answer::Ready(Ok(Vec::new()));
        }
        match self.0.breaker.gate(now.steady) {
            Gate::Ask => Answer::Wait(Box::pin(self.0.ask(charges, now))),
            Gate::Down => Answer::Ready(Err(AWAY)),
            Gate::Probe => {
                let inner = Arc::clone(&self.0);
                self.0.runtime.spawn(async move { inner.probe().await });
                Answer::Ready(Err(AWAY))
            }
        }
    }
}

const AWAY: StoreDown = StoreDown { what: "counters: redis is down, and asked once a second whether it is back" };

impl Inner {
    fn connection(&self) -> ConnectionManager {
        ConnectionManager::clone(&self.link.load())
    }

    async fn ask(&self, charges: &[Charge], now: Now) -> Result<Vec<Verdict>, StoreDown> {
        match timeout(self.budget, self.charge(self.connection(), charges, now)).await {
            Ok(Ok(verdicts)) => {
                self.breaker.succeeded();
                Ok(verdicts)
            }
            Ok(Err(_)) => {
                self.breaker.failed(now.steady);
                Err(StoreDown { what: "counters: redis failed" })
            }
            Err(_) => {
                self.breaker.failed(now.steady);
                Err(StoreDown { what: "counters: redis did not answer within its budget" })
            }
        }
    }

    async fn charge(
        &self,
        mut link: ConnectionManager,
        charges: &[Charge],
        now: Now,
    ) -> Result<Vec<Verdict>, RedisError> {
        let hashed = self.command("EVALSHA", &self.hash, charges, now).query_async::<Vec<i64>>(&mut link).await;
        let numbers = match hashed {
            // The server has restarted or dropped its scripts: the text itself, which makes it known again.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.command("EVAL", SCRIPT, charges, now).query_async(&mut link).await?
            }
            other => other?,
        };
        verdicts(&numbers, charges.len())
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "the script's answer has another shape")))
    }

    fn command(&self, verb: &str, script: &str, charges: &[Charge], now: Now) -> ::redis::Cmd {
        let mut command = ::redis::cmd(verb);
        command.arg(script).arg(charges.len());
        for charge in charges {
            command.arg(format!("{PREFIX}{}", charge.key));
        }
        match self.time {
            TimeSource::Caller => command.arg(gcra::micros(now.steady)),
            TimeSource::Server => command.arg(""),
        };
        for charge in charges {
            let terms = Terms::from(charge.quota);
            command.arg(terms.interval).arg(terms.tolerance).arg(charge.take.clamp(1, MOST_TAKEN));
        }
        command
    }

    async fn probe(&self) {
        match self.connect().await {
            Some(link) => {
                self.link.store(Arc::new(link));
                self.breaker.recovered();
            }
            None => self.breaker.still_down(),
        }
    }

    /// A fresh connection that has been seen to work: an old one may hang on a peer that is gone, or speak to a
    /// server that has become a replica.
    async fn connect(&self) -> Option<ConnectionManager> {
        let connecting = ConnectionManager::new_with_config(self.client.clone(), settings());
        let link = timeout(CONNECT, connecting).await.ok()?.ok()?;
        self.rehearse(link.clone()).await.then_some(link)
    }

    /// Reads, writes and runs the script, on a key of its own.
    async fn rehearse(&self, link: ConnectionManager) -> bool {
        let quota =
            portcullis_core::limit::Quota { requests: 1_000_000, window: Duration::from_secs(1), burst: 1_000_000 };
        let charge = [Charge::one(Arc::from("probe"), quota)];
        matches!(timeout(CONNECT, self.charge(link, &charge, Now::default())).await, Ok(Ok(_)))
    }
}

fn settings() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(CONNECT))
        // The breaker's probes are the retries.
        .set_number_of_retries(0)
        .set_pipeline_buffer_size(PIPELINE)
}

fn verdicts(numbers: &[i64], count: usize) -> Option<Vec<Verdict>> {
    let (rows, rest) = numbers.as_chunks::<5>();
    if rows.len() != count || !rest.is_empty() {
        return None;
    }
    rows.iter()
        .map(|[allowed, taken, remaining, retry_after, reset]| {
            Some(Verdict {
                allowed: *allowed == 1,
                taken: u64::try_from(*taken).ok()?,
                remaining: u64::try_from(*remaining).ok()?,
                retry_after: Duration::from_micros(u64::try_from(*retry_after).ok()?),
                reset: Duration::from_micros(u64::try_from(*reset).ok()?),
            })
        })
        .collect()
}
