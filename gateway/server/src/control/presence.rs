//! Do the others know what this replica does? It says so in the store: which revision is in force here, and since when it
//! runs.
//!
//! Nothing waits for it, and a store that is away is told when it is back.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::moment::Moment;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use super::Publisher;
use crate::shared::Shared;
use crate::world::random::{self, NoRandomness};
use crate::world::store::{Replica, Replicas, StoreError};

/// How often it says so again though nothing has changed.
const SAYS: Duration = Duration::from_secs(10);
/// How often it looks whether something has.
const LOOKS: Duration = Duration::from_millis(500);
/// From a failed try to the next.
const AGAIN: Duration = Duration::from_secs(2);
/// How long it means to be silent at most.
const DUE: Duration = Duration::from_secs(30);
/// How long its end waits for a store.
const LEAVING: Duration = Duration::from_secs(2);

/// This replica, as the others see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Presence(Arc<Inner>);

struct Inner {
    id: String,
    host: String,
    started: Moment,
    replicas: Replicas,
    publisher: Arc<Publisher>,
    shared: Arc<Shared>,
    /// What was said last.
    said: Mutex<Said>,
}

enum Said {
    Nothing,
    This(Replica),
    /// Nothing is said any more.
    Farewell,
}

impl Presence {
    pub(crate) fn new(
        replicas: Replicas,
        publisher: Arc<Publisher>,
        shared: Arc<Shared>,
    ) -> Result<Self, NoRandomness> {
        let mut drawn = [0; 8];
        random::fill(&mut drawn)?;
        let (id, host) = (format!("{:016x}", u64::from_be_bytes(drawn)), host());
        let (started, said) = (shared.world.clock.now().wall, Mutex::new(Said::Nothing));
        Ok(Self(Arc::new(Inner { id, host, started, replicas, publisher, shared, said })))
    }

    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// What is to be said now.
    pub(crate) fn now(&self) -> Replica {
        let inner = &self.0;
        let seen = inner.shared.world.clock.now().wall;
        Replica {
            id: inner.id.clone(),
            host: inner.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: inner.started,
            seen,
            due: seen.plus(DUE),
            revision: inner.publisher.chronicle().in_force().map(|revision| revision.number),
            hash: inner.shared.current().hash.clone(),
            pending_errors: u64::try_from(inner.publisher.pending_errors().len()).unwrap_or(u64::MAX),
        }
    }

    /// Says it whenever it is another, and now and then; without end.
    pub(crate) async fn run(&self) {
        let mut looks = tokio::time::interval(LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // What cannot be said now is said when the store is back.
            if self.say().await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    async fn say(&self) -> Result<(), StoreError> {
        let (now, mut said) = (self.now(), self.0.said.lock().await);
        let due = match &*said {
            Said::Nothing => true,
            Said::This(last) => !last.says_the_same(&now) || now.seen >= last.seen.plus(SAYS),
            Said::Farewell => false,
        };
        if due {
            self.0.replicas.say(&now).await?;
            *said = Said::This(now);
        }
        Ok(())
    }

    /// Nobody need wonder what became of it. Waits for a word that is being said.
    pub(crate) async fn leave(&self) {
        let left = async {
            *self.0.said.lock().await = Said::Farewell;
            self.0.replicas.leave(&self.0.id).await
        };
        let _ = tokio::time::timeout(LEAVING, left).await;
    }
}

/// The name of this machine; in a cluster of containers, that of the container.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(100).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}
