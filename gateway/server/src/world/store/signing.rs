//! With which keys is signed what applications are told? Kept in the store, so that all replicas sign alike.
//!
//! A key signs for one period, which its id counts from the epoch: replicas need not agree on anything but the time. It
//! is published a day before, so that whoever keeps a key set has it when it is first used, and a day beyond.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_certs::PrivateKey;
use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::{Commit, Draft, Expect, Kind, Store, StoreError, TRIES, json, parsed};

const DAY: i64 = 86_400;
/// For how long one key signs, in seconds.
const PERIOD: i64 = 30 * DAY;
/// For how long it is published before and after, in seconds.
const BEYOND: i64 = DAY;

/// A key, and when it signs.
#[derive(Clone)]
pub struct SigningKey {
    pub signs_from: Moment,
    /// PKCS #8 in DER (RFC 5958), P-256.
    pub pkcs8: Arc<[u8]>,
}

/// The keys that are published.
#[derive(Clone)]
pub struct Published {
    /// Oldest first; never empty.
    pub keys: Vec<SigningKey>,
    /// From then on it is another list.
    pub until: Moment,
}

/// All keys of this kind. Cheap to clone.
#[derive(Clone)]
pub struct SigningKeys(Arc<dyn Store>);

/// As it is kept.
#[derive(Deserialize, Serialize)]
struct Kept {
    pkcs8: String,
}

impl SigningKeys {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// What is published now; what is missing of it is made.
    pub async fn published(&self, now: Moment) -> Result<Published, StoreError> {
        let seconds = now.seconds();
        let period = seconds.div_euclid(PERIOD);
        let (begun, ends) = (period * PERIOD, (period + 1) * PERIOD);
        let mut keys = Vec::new();
        if seconds < begun + BEYOND {
            keys.extend(self.kept(period - 1).await?);
        }
        keys.push(self.kept_or_made(period, now).await?);
        if seconds >= ends - BEYOND {
            keys.push(self.kept_or_made(period + 1, now).await?);
        }
        let changes = [begun + BEYOND, ends - BEYOND, ends];
        let until = changes.into_iter().find(|change| *change > seconds).unwrap_or(ends);
        Ok(Published { keys, until: Moment::from_seconds(until) })
    }

    async fn kept(&self, period: i64) -> Result<Option<SigningKey>, StoreError> {
        let Some(record) = self.0.read(Kind::SigningKey, &id(period)).await? else { return Ok(None) };
        let kept: Kept = parsed(&record)?;
        let damaged = || StoreError::Damaged(format!("signing_key `{}` holds no key", record.id));
        let pkcs8 = STANDARD.decode(kept.pkcs8).map_err(|_| damaged())?.into();
        Ok(Some(SigningKey { signs_from: Moment::from_seconds(period * PERIOD), pkcs8 }))
    }

    async fn kept_or_made(&self, period: i64, now: Moment) -> Result<SigningKey, StoreError> {
        for _ in 0..TRIES {
            if let Some(key) = self.kept(period).await? {
                return Ok(key);
            }
            let fresh = PrivateKey::generate().map_err(|error| StoreError::Failed(error.to_string()))?;
            let kept = Kept { pkcs8: STANDARD.encode(fresh.pkcs8()) };
            let draft = Draft {
                kind: Kind::SigningKey,
                id: id(period).into(),
                body: json(&kept)?,
                tags: Vec::new(),
                created_at: now,
                expires_at: Some(Moment::from_seconds((period + 1) * PERIOD + BEYOND)),
            };
            match self.0.commit(Commit::put(draft, Expect::Absent)).await {
                // Another replica's, where it was faster.
                Ok(_) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.signs_from)
    }
}

fn id(period: i64) -> String {
    format!("assertion-{period}")
}
