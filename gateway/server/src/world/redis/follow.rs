//! What have others changed? The log of changes, read four times a second and whenever somebody speaks of a change.
//!
//! What is spoken (publish and subscribe) only makes us look at once: words get lost, and the log tells what was
//! missed. When it cannot tell (another server, a log that has been shortened, a number that ran back), anything may
//! have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ::redis::RedisResult;
use ::redis::aio::PubSub;
use futures::StreamExt as _;
use portcullis_core::ports::Clock;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};

use super::layout::{COUNTER, PREFIX};
use super::link::{Again, Link};
use super::patience::Patience;
use super::places::Node;
use crate::world::store::{Changed, Ears, Freshness, Kind, StoreError};

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(250);

/// How long one look may take.
const BUDGET: Duration = Duration::from_millis(500);

/// After so long without an answer, what is known is not fresh any more.
const FRESH: Duration = Duration::from_secs(1);

/// Changes read at one look.
const MOST: usize = 1_000;

/// Follows until it is dropped.
pub(super) struct Follower {
    freshness: Arc<AtomicU8>,
    end: watch::Sender<bool>,
}

/// How far we have followed.
#[derive(Clone, Copy)]
struct Place {
    /// The connection over which.
    node: u64,
    number: u64,
}

struct Follow {
    link: Arc<Link>,
    ears: Arc<Ears>,
    clock: Arc<dyn Clock>,
    stale_for: Duration,
    freshness: Arc<AtomicU8>,
    place: Place,
    /// By the steady clock.
    heard: Duration,
}

/// What one look has seen.
struct Look {
    node: u64,
    number: u64,
    changes: Vec<(String, u64)>,
    forgotten: u64,
}

impl Follower {
    /// Begins at what is there now.
    pub(super) async fn start(
        link: Arc<Link>,
        ears: Arc<Ears>,
        clock: Arc<dyn Clock>,
        patience: Patience,
    ) -> Result<Self, StoreError> {
        let first = link.read(BUDGET, |node| look(node, u64::MAX)).await?;
        let freshness = Arc::new(AtomicU8::new(Freshness::Fresh as u8));
        let (end, ended) = watch::channel(false);
        let heard = clock.now().steady;
        let follow = Follow {
            link,
            ears,
            clock,
            stale_for: patience.stale_for,
            freshness: Arc::clone(&freshness),
            place: Place { node: first.node, number: first.number },
            heard,
        };
        tokio::spawn(follow.run(ended));
        Ok(Self { freshness, end })
    }

    pub(super) fn freshness(&self) -> Freshness {
        match self.freshness.load(Ordering::Acquire) {
            0 => Freshness::Fresh,
            1 => Freshness::Stale,
            _ => Freshness::Gone,
        }
    }

    pub(super) fn end(&self) {
        let _ = self.end.send(true);
    }
}

impl Follow {
    async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard: Option<(u64, PubSub)> = None;
        loop {
            let word = async {
                match &mut heard {
                    Some((_, words)) => words.on_message().next().await.is_some(),
                    None => std::future::pending().await,
                }
            };
            let spoken = tokio::select! {
                // The sender is gone with the store.
                _ = ended.changed() => return,
                _ = ticks.tick() => true,
                spoken = word => spoken,
            };
            if !spoken {
                heard = None;
            }
            self.look().await;
            let node = self.link.current();
            match (&heard, node) {
                (Some((id, _)), Some(node)) if *id == node.id => {}
                (_, Some(node)) => {
                    heard =
                        timeout(BUDGET, listen(&node)).await.ok().and_then(Result::ok).map(|words| (node.id, words));
                }
                (_, None) => heard = None,
            }
        }
    }

    async fn look(&mut self) {
        loop {
            let number = self.place.number;
            let looked = self.link.ask(BUDGET, Again::Undone, |node| look(node, number)).await;
            let now = self.clock.now().steady;
            let Ok(look) = looked else {
                let silent = now.saturating_sub(self.heard);
                let freshness = match () {
                    () if silent < FRESH => Freshness::Fresh,
                    () if silent < self.stale_for.max(FRESH) => Freshness::Stale,
                    () => Freshness::Gone,
                };
                self.freshness.store(freshness as u8, Ordering::Release);
                return;
            };
            let more = look.changes.len() >= MOST;
            self.take(look);
            self.heard = now;
            self.freshness.store(Freshness::Fresh as u8, Ordering::Release);
            if !more {
                return;
            }
        }
    }

    fn take(&mut self, look: Look) {
        let Place { node, number } = self.place;
        let sure = look.node == node && look.number >= number && look.forgotten <= number;
        let last = look.changes.iter().map(|(_, number)| *number).max();
        if sure {
            for (name, _) in &look.changes {
                let place = name.split_once('\0').and_then(|(kind, id)| Some((Kind::named(kind)?, id)));
                if let Some((kind, id)) = place {
                    self.ears.tell(&Changed::One(kind, Arc::from(id)));
                }
            }
        } else {
            self.ears.tell(&Changed::Unknown);
        }
        // With a full look the counter is ahead of what was read.
        let number = match last {
            Some(last) if look.changes.len() >= MOST && sure => last,
            Some(last) => look.number.max(last),
            None => look.number,
        };
        self.place = Place { node: look.node, number };
    }
}

/// The counter first: whatever has a number up to it is in the log by then, unless it was forgotten since.
async fn look(mut node: Node, after: u64) -> RedisResult<Look> {
    let number: Option<u64> = node.query(::redis::cmd("GET").arg(COUNTER)).await?;
    let number = number.unwrap_or_default();
    let mut changes = Vec::new();
    if number > after {
        let mut asking = ::redis::cmd("ZRANGEBYSCORE");
        asking.arg(format!("{PREFIX}changes")).arg(format!("({after}")).arg("+inf").arg("WITHSCORES");
        asking.arg("LIMIT").arg(0).arg(MOST);
        changes = node.query(&asking).await?;
    }
    let forgotten: Option<u64> = node.query(::redis::cmd("GET").arg(format!("{PREFIX}forgotten"))).await?;
    Ok(Look { node: node.id, number, changes, forgotten: forgotten.unwrap_or_default() })
}

async fn listen(node: &Node) -> RedisResult<PubSub> {
    let mut words = node.client.get_async_pubsub().await?;
    words.subscribe(format!("{PREFIX}changed")).await?;
    Ok(words)
}
