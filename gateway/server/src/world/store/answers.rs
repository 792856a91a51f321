//! What was answered to a request that may come again (`Idempotency-Key`)? What it was is sealed by whoever keeps it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::{Commit, Draft, Expect, Kind, Store, StoreError, TRIES, json, parsed};

/// Answers, each kept for [`Answers::KEPT`]. Cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<dyn Store>);

/// A request that came, and what was answered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Kept {
    /// Of the request: another request with the same key has another.
    pub fingerprint: String,
    pub at: Moment,
    /// `None`: it is not answered yet, or the process ended before it was.
    pub sealed: Option<String>,
}

/// The right to answer.
#[derive(Debug)]
pub struct Turn {
    draft: Draft,
    version: u64,
    kept: Kept,
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Claimed {
    Ours(Turn),
    Theirs(Kept),
}

impl Answers {
    pub const KEPT: Duration = Duration::from_hours(24);

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Claims the answer to the request `id`: of all who try at once, on all replicas, one gets its turn.
    pub async fn claim(&self, id: &str, fingerprint: String, now: Moment) -> Result<Claimed, StoreError> {
        let kept = Kept { fingerprint, at: now, sealed: None };
        let draft = Draft {
            kind: Kind::Idempotency,
            id: Arc::from(id),
            body: json(&kept)?,
            tags: Vec::new(),
            created_at: now,
            expires_at: Some(now.plus(Self::KEPT)),
        };
        for _ in 0..TRIES {
            match self.0.commit(Commit::put(draft.clone(), Expect::Absent)).await {
                Ok(version) => return Ok(Claimed::Ours(Turn { draft, version, kept })),
                // It may be released again before it is read.
                Err(StoreError::Conflict) => {
                    if let Some(record) = self.0.read(Kind::Idempotency, id).await? {
                        return Ok(Claimed::Theirs(parsed(&record)?));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    /// Keeps the answer.
    pub async fn keep(&self, turn: Turn, sealed: String) -> Result<(), StoreError> {
        let body = json(&Kept { sealed: Some(sealed), ..turn.kept })?;
        let commit = Commit::put(Draft { body, ..turn.draft }, Expect::Version(turn.version));
        self.0.commit(commit).await.map(|_| ())
    }

    /// Gives the turn back: nothing was done, and the request may come again.
    pub async fn release(&self, turn: Turn) -> Result<(), StoreError> {
        let commit = Commit::remove(Kind::Idempotency, turn.draft.id, Expect::Version(turn.version));
        self.0.commit(commit).await.map(|_| ())
    }
}
