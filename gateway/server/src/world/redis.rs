//! How many, across all replicas? Counters in Redis or Valkey.
//!
//! One script charges all limits of a request in one stroke, by the server's own time, so replicas need not
//! agree on theirs. A call has a budget; after five failures in a row the breaker opens and calls fail at once
//! while one probe a second looks for the server on a fresh connection, beside the requests. What a failure
//! means for a request is the limit's declared mode; nothing here decides it.
//!
//! Keys begin with `ptcl:{limit}:`. The braces are a hash tag: all counters share one slot of a cluster, which
//! a script over several of them needs. While that slot moves, a key is charged where it is or where it is to be; several
//! of which some have moved are charged when all have. A key goes when its burst is whole.

mod breaker;
mod follow;
mod layout;
mod link;
mod patience;
mod places;
mod risks;
mod store;
#[cfg(test)]
mod tests;
mod way;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{ErrorKind, RedisError, Script, ServerErrorKind};
use portcullis_core::config::CountersConfig;
use portcullis_core::limit::gcra::{self, Terms};
use portcullis_core::limit::{Charge, Verdict};
use portcullis_core::moment::Now;
use portcullis_core::ports::{Answer, Counters, StoreDown};
use tokio::runtime::Handle;
use tokio::time::timeout;

use breaker::{Breaker, Gate};
use way::Way;

pub use breaker::BreakerState;
pub(crate) use layout::COUNTER;
pub use patience::Patience;
use places::Node;
pub(crate) use places::Places;
pub use store::RedisStore;

/// What a key begins with.
const PREFIX: &str = "ptcl:{limit}:";

/// A key by which a cluster says who has the slot.
const SLOT: &str = "ptcl:{limit}:probe";

const SCRIPT: &str = include_str!("redis/charge.lua");

/// How long a new connection, and a probe on it, may take: beside the requests, not within their budget.
const CONNECT: Duration = Duration::from_secs(1);

/// Exact in the script, whose numbers are doubles.
const MOST_TAKEN: u64 = 1 << 52;

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
    way: Arc<Way>,
    budget: Duration,
    time: TimeSource,
    /// SHA-1 of the script, as `EVALSHA` wants it.
    hash: String,
    breaker: Breaker,
}

impl RedisCounters {
    /// Begins to connect on `runtime` and returns at once: a server that is down at start is the same as one that
    /// goes down later. `rediss://` wants the process's rustls provider to be installed. Paths are relative to `root`.
    ///
    /// # Errors
    /// In an operator's words, without anything secret.
    pub fn open(config: &CountersConfig, root: &Path, time: TimeSource, runtime: Handle) -> Result<Self, String> {
        let way = Way::new(Places::of(config.servers(), SLOT, root)?, runtime);
        let (budget, hash) = (config.timeout.0, Script::new(SCRIPT).get_hash().to_owned());
        let inner = Arc::new(Inner { way, budget, time, hash, breaker: Breaker::default() });
        // Drives the first connection, which otherwise only moves while a request looks on.
        let first = Arc::clone(&inner);
        inner.way.spawn(async move {
            if let Ok(node) = first.way.node().await {
                first.rehearse(node).await;
            }
        });
        Ok(Self(inner))
    }

    /// What `check` finds, without writing anything: whether a server can be used.
    pub(crate) async fn inspect(config: &CountersConfig, root: &Path) -> Result<(), String> {
        let mut node = Arc::new(Places::of(config.servers(), SLOT, root)?).find().await.map_err(|e| way::told(&e))?;
        node.query::<()>(&::redis::cmd("PING")).await.map_err(|error| way::told(&error))
    }

    /// For status, readiness detail and a metric.
    pub fn state(&self) -> BreakerState {
        self.0.breaker.state()
    }

    /// Whether the server that is asked answers; for status.
    ///
    /// # Errors
    /// Why not, in an operator's words.
    pub(crate) async fn answers(&self) -> Result<(), String> {
        let asked = async {
            let mut node = self.0.way.node().await?;
            let id = node.id;
            let answer = node.query::<()>(&::redis::cmd("PING")).await;
            if answer.is_err() {
                self.0.way.discard(id);
            }
            answer
        };
        match timeout(CONNECT, asked).await {
            Ok(answer) => answer.map_err(|error| way::told(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        }
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
                self.0.way.spawn(async move { inner.probe().await });
                Answer::Ready(Err(AWAY))
            }
        }
    }
}

const AWAY: StoreDown = StoreDown { what: "counters: redis is down, and asked once a second whether it is back" };

impl Inner {
    async fn ask(&self, charges: &[Charge], now: Now) -> Result<Vec<Verdict>, StoreDown> {
        match timeout(self.budget, self.charge_somewhere(charges, now)).await {
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

    /// At the server that may be written, once: again only where it was surely not done.
    async fn charge_somewhere(&self, charges: &[Charge], now: Now) -> Result<Vec<Verdict>, RedisError> {
        loop {
            let node = self.way.node().await?;
            let id = node.id;
            let error = match self.charge(node, charges, now).await {
                Ok(verdicts) => return Ok(verdicts),
                Err(error) => error,
            };
            let undone = link::is_undone(&error);
            if link::is_elsewhere(&error) || !undone && link::is_of_the_way(&error) {
                self.way.discard(id);
            }
            if !undone {
                return Err(error);
            }
            tokio::time::sleep(link::PAUSE).await;
        }
    }

    async fn charge(&self, mut node: Node, charges: &[Charge], now: Now) -> Result<Vec<Verdict>, RedisError> {
        let hashed = node.query::<Vec<i64>>(&self.command("EVALSHA", &self.hash, charges, now)).await;
        let numbers = match hashed {
            // The server has restarted or dropped its scripts: the text itself, which makes it known again.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                node.query(&self.command("EVAL", SCRIPT, charges, now)).await?
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
            Some(node) => {
                self.way.keep(Ok(node));
                self.breaker.recovered();
            }
            None => self.breaker.still_down(),
        }
    }

    /// A fresh connection that has been seen to work: an old one may hang on a peer that is gone, or speak to a
    /// server that has become a replica.
    async fn connect(&self) -> Option<Node> {
        let node = timeout(CONNECT, self.way.find()).await.ok()?.ok()?;
        self.rehearse(node.clone()).await.then_some(node)
    }

    /// Reads, writes and runs the script, on a key of its own.
    async fn rehearse(&self, node: Node) -> bool {
        let quota =
            portcullis_core::limit::Quota { requests: 1_000_000, window: Duration::from_secs(1), burst: 1_000_000 };
        let charge = [Charge::one(Arc::from("probe"), quota)];
        matches!(timeout(CONNECT, self.charge(node, &charge, Now::default())).await, Ok(Ok(_)))
    }
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
