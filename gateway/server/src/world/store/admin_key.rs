//! Who may do everything? The hash of the one admin key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Commit, Draft, Expect, Kind, Record, Store, StoreError, TRIES, audit, json, parsed};

const ID: &str = AdminKey::ID;

/// The admin key as it is kept.
#[derive(Clone)]
pub struct AdminKey(Arc<dyn Store>);

/// Whether the first admin key is ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// There is one already, and it stays.
    Lost,
    Made,
}

#[derive(Deserialize, Serialize)]
struct Body {
    /// In base64.
    sha256: String,
}

fn hash_in(record: &Record) -> Result<[u8; 32], StoreError> {
    let body: Body = parsed(record)?;
    let hash = STANDARD.decode(body.sha256).ok().and_then(|hash| hash.try_into().ok());
    hash.ok_or_else(|| StoreError::Damaged("the hash of the admin key is none".to_owned()))
}

impl AdminKey {
    /// Of its record, and the subject in the audit log.
    pub(crate) const ID: &str = "admin_key";

    /// As it is kept.
    pub(crate) fn body(hash: [u8; 32]) -> Result<bytes::Bytes, StoreError> {
        json(&Body { sha256: STANDARD.encode(hash) })
    }

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// SHA-256 of the admin key; `None` before the first.
    pub async fn hash(&self) -> Result<Option<[u8; 32]>, StoreError> {
        self.0.read(Kind::Meta, ID).await?.as_ref().map(hash_in).transpose()
    }

    /// Sets the admin key if there is none, in one stroke: of all who try at once, one makes it.
    pub async fn claim(&self, hash: [u8; 32], actor: &str, now: Moment) -> Result<Claim, StoreError> {
        if self.0.read(Kind::Meta, ID).await?.is_some() {
            return Ok(Claim::Lost);
        }
        match self.write(hash, None, actor, now, "admin_key.create").await {
            Ok(()) => Ok(Claim::Made),
            Err(StoreError::Conflict) => Ok(Claim::Lost),
            Err(error) => Err(error),
        }
    }

    /// Puts a new admin key in the place of whatever was there.
    pub async fn replace(&self, hash: [u8; 32], actor: &str, now: Moment) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let before = self.0.read(Kind::Meta, ID).await?;
            match self.write(hash, before, actor, now, "admin_key.reset").await {
                Err(StoreError::Conflict) => {}
                other => return other,
            }
        }
        Err(StoreError::Busy)
    }

    async fn write(
        &self,
        hash: [u8; 32],
        before: Option<Record>,
        actor: &str,
        at: Moment,
        action: &'static str,
    ) -> Result<(), StoreError> {
        let expect = before.as_ref().map_or(Expect::Absent, |before| Expect::Version(before.version));
        let before = before.as_ref().map(hash_in).transpose()?;
        // The log is read by more people than the key: it gets the hash of the hash.
        let [before, after] = [before, Some(hash)].map(|key| key.map(|key| audit::hash(&key)));
        let (actor, subject) = (actor.to_owned(), ID.to_owned());
        let entry = AuditEntry { at, actor, action: action.into(), subject, before, after };
        let record = Draft {
            kind: Kind::Meta,
            id: Arc::from(ID),
            body: Self::body(hash)?,
            tags: Vec::new(),
            created_at: at,
            expires_at: None,
        };
        self.0.commit(Commit::put(record, expect).audited(entry)).await.map(|_| ())
    }
}
