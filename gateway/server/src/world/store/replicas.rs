//! Which gateways run on this store, and what does each do? Each says so itself, now and then.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::{Commit, Draft, Expect, Kind, Listing, Store, StoreError, json, parsed};

/// What the replicas say of themselves. Cheap to clone.
#[derive(Clone)]
pub struct Replicas(Arc<dyn Store>);

/// What one replica said last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Replica {
    /// Another one for each start.
    pub id: String,
    /// The name of its machine.
    pub host: String,
    /// Of the program.
    pub version: String,
    pub started: Moment,
    pub seen: Moment,
    /// Until then it meant to be heard of again.
    pub due: Moment,
    /// The revision in force there; `None` while it has no number yet.
    pub revision: Option<u64>,
    /// Of all texts in force there, in hexadecimal digits.
    pub hash: String,
    /// Faults of what should be in force there, and is not.
    pub pending_errors: u64,
}

impl Replica {
    /// Whether it has said nothing for longer than it meant to.
    pub fn is_silent(&self, now: Moment) -> bool {
        now > self.due
    }

    /// Whether it would say the same of itself at another time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let when = |replica: &Self| Self { seen: Moment::default(), due: Moment::default(), ..replica.clone() };
        when(self) == when(other)
    }
}

impl Replicas {
    /// After so long without a word it is forgotten. Until then somebody may ask what became of it.
    pub const FORGOTTEN: Duration = Duration::from_mins(15);

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    pub async fn say(&self, replica: &Replica) -> Result<(), StoreError> {
        let record = Draft {
            kind: Kind::Replica,
            id: replica.id.as_str().into(),
            body: json(replica)?,
            tags: Vec::new(),
            created_at: replica.started,
            expires_at: Some(replica.seen.plus(Self::FORGOTTEN)),
        };
        self.0.commit(Commit::put(record, Expect::Any)).await.map(|_| ())
    }

    /// It has ended as it should.
    pub async fn leave(&self, id: &str) -> Result<(), StoreError> {
        self.0.commit(Commit::remove(Kind::Replica, id.into(), Expect::Any)).await.map(|_| ())
    }

    /// All that are not forgotten, the longest running first; [`Listing::LONGEST`] at most.
    pub async fn list(&self) -> Result<Vec<Replica>, StoreError> {
        self.0.list(Listing::of(Kind::Replica)).await?.records.iter().map(parsed).collect()
    }
}
