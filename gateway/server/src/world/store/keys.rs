//! API keys: kept in the store, known in memory.

mod cache;
mod expiring;
mod uses;

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::identify::{KeyRecord, KeyTerms};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{Answer, Keys, StoreDown};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    AuditEntry, Changed, Commit, Draft, Expect, Freshness, Kind, Listing, Record, Store, StoreError, TRIES, Write,
    audit, json, parsed,
};
use cache::{Found, KeyCache};
pub use expiring::Expiring;
use uses::{Use, Uses};

/// How long a request waits for a key that is not in memory.
const PATIENCE: Duration = Duration::from_secs(1);

const GONE: StoreDown = StoreDown { what: "keys: the store has been away for longer than `store.stale_for`" };

/// Longer than any id we make: who asks for more asks for nothing.
const LONGEST_ID: usize = 64;

/// A key to be made. The secret itself never comes here.
#[derive(Clone, Debug, PartialEq)]
pub struct NewKey {
    /// Base62, the public part of the key.
    pub id: String,
    pub name: String,
    pub owner: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    pub metadata: Map<String, Value>,
    /// SHA-256 of the whole key text.
    pub hash: [u8; 32],
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub terms: KeyTerms,
}

/// A key and what is known of its use.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    pub record: Arc<KeyRecord>,
    /// Of the record; moves with each change of it, and not with its use.
    pub version: u64,
    /// Some seconds behind, and may be lost at a crash.
    pub last_used_at: Option<Moment>,
    /// How often, likewise.
    pub uses: u64,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyPage {
    /// Oldest first.
    pub keys: Vec<StoredKey>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// What the audit log is told of a change.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    pub at: Moment,
    pub actor: &'a str,
    pub action: &'static str,
}

/// All API keys. Those that requests show are in memory, and a change shows at once. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    cache: Arc<KeyCache>,
    uses: Uses,
}

impl Keyring {
    /// The longest page of a list.
    pub const LONGEST_PAGE: u32 = 200;

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let cache = Arc::new(KeyCache::new());
        let known = Arc::clone(&cache);
        store.hear(Box::new(move |changed| match changed {
            Changed::One(Kind::ApiKey, id) => known.forget(id),
            Changed::One(..) => {}
            Changed::Unknown => known.forget_all(),
        }));
        Self(Arc::new(Inner { store, cache, uses: Uses::default() }))
    }

    /// Keeps a new key; [`StoreError::Conflict`] when its id is taken.
    pub async fn create(&self, key: NewKey, actor: &str) -> Result<Arc<KeyRecord>, StoreError> {
        let record = KeyRecord {
            id: key.id,
            name: key.name,
            owner: key.owner,
            roles: key.roles,
            scopes: key.scopes,
            metadata: key.metadata,
            hash: key.hash,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: None,
            terms: key.terms,
        };
        let draft = draft(&record)?;
        let entry = AuditEntry {
            at: record.created_at,
            actor: actor.to_owned(),
            action: "key.create".into(),
            subject: record.id.clone(),
            before: None,
            after: Some(audit::hash(&draft.body)),
        };
        self.0.store.commit(Commit::put(draft, Expect::Absent).audited(entry)).await?;
        Ok(Arc::new(record))
    }

    /// The key as it stands in the store; `None`: no such key.
    pub async fn find(&self, id: &str) -> Result<Option<StoredKey>, StoreError> {
        let Some((record, version)) = self.0.read(id).await? else { return Ok(None) };
        let used = self.0.store.read(Kind::KeyUsage, id).await?;
        Ok(Some(stored(record, version, used.as_ref())?))
    }

    /// Keys, oldest first, of one owner or of all; `limit` is 1 to [`Self::LONGEST_PAGE`], others are brought within.
    pub async fn list(&self, owner: Option<&str>, limit: u32, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let tag = owner.map(of_owner);
        let limit = limit.clamp(1, Self::LONGEST_PAGE);
        let listing = Listing { kind: Kind::ApiKey, tag: tag.as_deref(), limit, cursor };
        let page = self.0.store.list(listing).await?;
        let ids: Vec<Arc<str>> = page.records.iter().map(|record| Arc::clone(&record.id)).collect();
        let used = self.0.store.read_all(Kind::KeyUsage, &ids).await?;
        let keys = page.records.iter().zip(used);
        let keys = keys.map(|(record, used)| stored(Arc::new(parsed(record)?), record.version, used.as_ref()));
        Ok(KeyPage { keys: keys.collect::<Result<_, _>>()?, next: page.next })
    }

    /// Changes a key as `change` says of its record and version, with effect at once in this process. `Ok(None)` of
    /// `change` leaves it as it is, without a word in the log. `None`: no such key.
    ///
    /// # Errors
    /// The inner one is that of `change`, which is asked again when somebody else's change came before.
    pub async fn change<R: Send>(
        &self,
        id: &str,
        word: Word<'_>,
        change: impl Fn(&KeyRecord, u64) -> Result<Option<KeyRecord>, R> + Send + Sync,
    ) -> Result<Result<Option<(Arc<KeyRecord>, u64)>, R>, StoreError> {
        for _ in 0..TRIES {
            let Some(kept) = self.0.store.read(Kind::ApiKey, id).await? else { return Ok(Ok(None)) };
            let before: KeyRecord = parsed(&kept)?;
            let after = match change(&before, kept.version) {
                Ok(Some(after)) => after,
                Ok(None) => return Ok(Ok(Some((Arc::new(before), kept.version)))),
                Err(refused) => return Ok(Err(refused)),
            };
            let draft = draft(&after)?;
            let entry = AuditEntry {
                at: word.at,
                actor: word.actor.to_owned(),
                action: word.action.into(),
                subject: id.to_owned(),
                before: Some(audit::hash(&kept.body)),
                after: Some(audit::hash(&draft.body)),
            };
            match self.0.store.commit(Commit::put(draft, Expect::Version(kept.version)).audited(entry)).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
                Ok(version) => return Ok(Ok(Some((Arc::new(after), version)))),
            }
        }
        Err(StoreError::Busy)
    }

    /// Revokes a key, with effect at once in this process. `None`: no such key. One that is revoked already stays
    /// as it is, without a word in the log.
    pub async fn revoke(&self, id: &str, actor: &str, now: Moment) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let revoked = |before: &KeyRecord, _| match before.revoked_at {
            Some(_) => Ok::<_, std::convert::Infallible>(None),
            None => Ok(Some(KeyRecord { revoked_at: Some(now), ..before.clone() })),
        };
        let word = Word { at: now, actor, action: "key.revoke" };
        match self.change(id, word, revoked).await? {
            Ok(changed) => Ok(changed.map(|(record, _)| record)),
            Err(never) => match never {},
        }
    }

    /// The keys that end soon.
    pub async fn expiring(&self, now: Moment) -> Result<Expiring, StoreError> {
        expiring::count(&*self.0.store, now).await
    }

    /// Writes the uses that wait. What cannot be written is noted again.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let mut noted = self.0.uses.take();
        let ids: Vec<Arc<str>> = noted.keys().map(|id| Arc::from(&**id)).collect();
        let mut outcome = Ok(());
        for ids in ids.chunks(Commit::MOST_WRITES) {
            match self.0.add_uses(ids, &noted).await {
                Ok(()) => ids.iter().for_each(|id| {
                    noted.remove(&**id);
                }),
                Err(error) => outcome = Err(error),
            }
        }
        for (id, used) in noted {
            self.0.uses.note(&id, used);
        }
        outcome
    }
}

impl Inner {
    /// From the store, and kept in memory.
    async fn read(&self, id: &str) -> Result<Option<(Arc<KeyRecord>, u64)>, StoreError> {
        let stamp = self.cache.stamp();
        let kept = self.store.read(Kind::ApiKey, id).await?;
        let found = match &kept {
            Some(kept) => Some((Arc::new(parsed(kept)?), kept.version)),
            None => None,
        };
        self.cache.keep(id, found.as_ref().map(|(record, _)| record), stamp);
        Ok(found)
    }

    /// Adds to what other processes have noted meanwhile.
    async fn add_uses(
        &self,
        ids: &[Arc<str>],
        noted: &std::collections::HashMap<Box<str>, Use>,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let kept = self.store.read_all(Kind::KeyUsage, ids).await?;
            let mut writes = Vec::with_capacity(ids.len());
            for (id, kept) in ids.iter().zip(kept) {
                let known = kept.as_ref().map(parsed).transpose()?.unwrap_or_default();
                let used = noted.get(&**id).copied().unwrap_or_default();
                let body = json(&Use::and(known, used))?;
                writes.push(if let Some(kept) = kept {
                    Write::Put { record: kept.with(body), expect: Expect::Version(kept.version) }
                } else {
                    let created_at = used.last.unwrap_or_default();
                    let (kind, id, tags) = (Kind::KeyUsage, Arc::clone(id), Vec::new());
                    let record = Draft { kind, id, body, tags, created_at, expires_at: None };
                    Write::Put { record, expect: Expect::Absent }
                });
            }
            match self.store.commit(Commit { writes, audit: None }).await {
                Err(StoreError::Conflict) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(StoreError::Busy)
    }
}

impl Keys for Keyring {
    fn key(&self, id: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>> {
        if id.len() > LONGEST_ID {
            return Answer::Ready(Ok(None));
        }
        let freshness = self.0.store.freshness();
        let old = match (self.0.cache.find(id), freshness) {
            (_, Freshness::Gone) => return Answer::Ready(Err(GONE)),
            (Found::Key(record), Freshness::Fresh | Freshness::Stale) => return Answer::Ready(Ok(Some(record))),
            (Found::NoKey, Freshness::Fresh | Freshness::Stale) => return Answer::Ready(Ok(None)),
            (Found::Old(record), Freshness::Stale) => Some(record),
            (Found::Nothing, Freshness::Fresh | Freshness::Stale) | (Found::Old(_), Freshness::Fresh) => None,
        };
        let id = id.to_owned();
        Answer::Wait(Box::pin(async move {
            match (timeout(PATIENCE, self.0.read(&id)).await, old) {
                (Ok(Ok(key)), _) => Ok(key.map(|(record, _)| record)),
                (Ok(Err(_)) | Err(_), Some(old)) => Ok(Some(old)),
                (Ok(Err(_)), None) => Err(StoreDown { what: "keys: the store cannot be read" }),
                (Err(_), None) => Err(StoreDown { what: "keys: the store did not answer in time" }),
            }
        }))
    }

    fn used(&self, id: &str, now: Now) {
        self.0.uses.note(id, Use { last: Some(now.wall), count: 1 });
    }
}

/// A key as it is kept; the audit log vouches for the body.
pub(crate) fn draft(record: &KeyRecord) -> Result<Draft, StoreError> {
    let ends = record.expires_at.filter(|_| record.revoked_at.is_none()).map(|end| expiring::tag(end).into());
    let tags = [Arc::from(of_owner(&record.owner))].into_iter().chain(ends).collect();
    Ok(Draft {
        kind: Kind::ApiKey,
        id: Arc::from(record.id.as_str()),
        body: json(record)?,
        tags,
        created_at: record.created_at,
        // The record of a key outlives the key.
        expires_at: None,
    })
}

/// What is known of the use of a key, as it is kept.
pub(crate) fn usage(id: &str, last: Moment) -> Result<Draft, StoreError> {
    let body = json(&Use { last: Some(last), count: 0 })?;
    let (kind, id) = (Kind::KeyUsage, Arc::from(id));
    Ok(Draft { kind, id, body, tags: Vec::new(), created_at: last, expires_at: None })
}

fn stored(record: Arc<KeyRecord>, version: u64, used: Option<&Record>) -> Result<StoredKey, StoreError> {
    let used: Use = used.map(parsed).transpose()?.unwrap_or_default();
    Ok(StoredKey { record, version, last_used_at: used.last, uses: used.count })
}

fn of_owner(owner: &str) -> String {
    format!("owner:{owner}")
}
