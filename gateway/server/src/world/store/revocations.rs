//! Taken-back tokens. All of them are in memory, where requests look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::identify::{Revocations, Revoked};
use portcullis_core::moment::Moment;
use portcullis_core::ports::RevokedTokens;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{
    AuditEntry, Changed, Commit, Draft, Expect, Kind, Listing, Record, Store, StoreError, TRIES, audit, json, parsed,
};

/// The most entries at a time. Those that have ended make room.
const MOST: usize = 100_000;

/// From a failed reading of the list to the next.
const AGAIN: Duration = Duration::from_millis(250);

/// One entry of the list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Revocation {
    pub id: String,
    /// The alias of the issuer.
    pub issuer: String,
    /// One of the two is there.
    pub jti: Option<String>,
    pub sub: Option<String>,
    /// Of `sub`: tokens that were issued earlier.
    pub before: Option<Moment>,
    pub reason: String,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
}

/// One page of the list, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct RevocationPage {
    pub entries: Vec<Revocation>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// The list of taken-back tokens. Cheap to clone.
#[derive(Clone)]
pub struct RevocationList(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    current: ArcSwap<Revocations>,
    /// Readings of the list that were begun.
    begun: AtomicU64,
    /// The latest-begun reading in force.
    in_force: Mutex<u64>,
    changed: Arc<Notify>,
}

impl RevocationList {
    /// The longest page of a list.
    pub const LONGEST_PAGE: u32 = 200;

    /// Reads the list.
    pub(super) async fn open(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let changed = Arc::new(Notify::new());
        let follow = Arc::clone(&changed);
        store.hear(Box::new(move |changed| match changed {
            Changed::One(Kind::Revocation, _) | Changed::Unknown => follow.notify_one(),
            Changed::One(..) => {}
        }));
        let (begun, in_force) = (AtomicU64::new(0), Mutex::new(0));
        let list = Self(Arc::new(Inner { store, current: ArcSwap::default(), begun, in_force, changed }));
        list.0.read().await?;
        Ok(list)
    }

    /// Takes tokens back, with effect at once in this process.
    pub async fn add(&self, entry: Revocation, actor: &str) -> Result<(), StoreError> {
        if self.0.current.load().len() >= MOST {
            return Err(StoreError::Failed(format!("the list of revocations has {MOST} entries, and no more fit")));
        }
        let draft = draft(&entry)?;
        let added = entry.clone();
        let word = AuditEntry {
            at: entry.created_at,
            actor: actor.to_owned(),
            action: "revocation.create".into(),
            subject: entry.id,
            before: None,
            after: Some(audit::hash(&draft.body)),
        };
        self.0.store.commit(Commit::put(draft, Expect::Absent).audited(word)).await?;
        if self.0.read().await.is_err() {
            self.0.note_here(added);
        }
        Ok(())
    }

    /// Takes an entry off the list; `None`: no such entry.
    pub async fn remove(&self, id: &str, actor: &str, now: Moment) -> Result<Option<()>, StoreError> {
        for _ in 0..TRIES {
            let Some(kept) = self.0.store.read(Kind::Revocation, id).await? else { return Ok(None) };
            let entry = AuditEntry {
                at: now,
                actor: actor.to_owned(),
                action: "revocation.delete".into(),
                subject: id.to_owned(),
                before: Some(audit::hash(&kept.body)),
                after: None,
            };
            let remove = Commit::remove(Kind::Revocation, Arc::clone(&kept.id), Expect::Version(kept.version));
            match self.0.store.commit(remove.audited(entry)).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    // It is done: whoever cannot see it yet goes on refusing until the list can be read.
                    if self.0.read().await.is_err() {
                        self.0.changed.notify_one();
                    }
                    return Ok(Some(()));
                }
            }
        }
        Err(StoreError::Busy)
    }

    /// Entries, oldest first; `limit` is 1 to [`Self::LONGEST_PAGE`], others are brought within.
    pub async fn list(&self, limit: u32, cursor: Option<&str>) -> Result<RevocationPage, StoreError> {
        let limit = limit.clamp(1, Self::LONGEST_PAGE);
        let page = self.0.store.list(Listing { kind: Kind::Revocation, tag: None, limit, cursor }).await?;
        let entries = page.records.iter().map(parsed).collect::<Result<_, _>>()?;
        Ok(RevocationPage { entries, next: page.next })
    }

    /// Reads the list anew whenever it has changed, without end.
    pub(super) async fn follow(&self) {
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.0.changed.notified().await;
            // What cannot be read now is read when it can: until then the last list holds.
            while self.0.read().await.is_err() {
                again.tick().await;
            }
        }
    }
}

impl Inner {
    /// Puts an entry in force that is in the store, though the list cannot be read there now.
    fn note_here(&self, entry: Revocation) {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = Revocations::clone(&self.current.load());
        if note_entry(&mut list, entry).is_ok() {
            // No reading that was begun before knows of it.
            *in_force = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            self.current.store(Arc::new(list));
        }
        drop(in_force);
        self.changed.notify_one();
    }

    /// Puts the list as it stands in the store in force, unless a reading that was begun later is already.
    async fn read(&self) -> Result<(), StoreError> {
        let turn = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let mut list = Revocations::default();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.store.list(Listing::of(Kind::Revocation).after(cursor.as_deref())).await?;
            for record in &page.records {
                note(&mut list, record)?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if turn > *in_force {
            *in_force = turn;
            self.current.store(Arc::new(list));
        }
        Ok(())
    }
}

impl RevokedTokens for RevocationList {
    fn current(&self) -> Arc<Revocations> {
        self.0.current.load_full()
    }
}

fn note(list: &mut Revocations, record: &Record) -> Result<(), StoreError> {
    note_entry(list, parsed(record)?)
}

fn note_entry(list: &mut Revocations, entry: Revocation) -> Result<(), StoreError> {
    let what = match (entry.jti, entry.sub, entry.before) {
        (Some(id), ..) => Revoked::Id(id.into()),
        (None, Some(subject), Some(before)) => Revoked::Subject { subject: subject.into(), before },
        (None, ..) => return Err(StoreError::Damaged("a revocation is about nothing".to_owned())),
    };
    list.add(&entry.issuer, what, entry.expires_at);
    Ok(())
}

/// An entry as it is kept; the audit log vouches for the body.
pub(crate) fn draft(entry: &Revocation) -> Result<Draft, StoreError> {
    Ok(Draft {
        kind: Kind::Revocation,
        id: Arc::from(entry.id.as_str()),
        body: json(entry)?,
        tags: Vec::new(),
        created_at: entry.created_at,
        expires_at: entry.expires_at,
    })
}
