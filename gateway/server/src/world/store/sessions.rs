//! Who has logged in: kept in the store, known in memory.

mod known;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::identify::{Session, SessionHash};
use portcullis_core::moment::Moment;

use super::{
    AuditEntry, Changed, Commit, Draft, Expect, Kind, Listing, Record, Store, StoreError, TRIES, Write, json, parsed,
};
use known::Known;

/// A use is written when the last that was written is older than this.
const NOTED_EVERY: Duration = Duration::from_mins(1);

/// Uses that wait to be written; further ones are noted at their next.
const MOST_NOTED: usize = 100_000;

/// A session as it stands in the store, and when it was last used as far as is known here.
#[derive(Debug)]
pub struct StoredSession {
    pub hash: SessionHash,
    pub session: Arc<Session>,
    pub version: u64,
    used: AtomicI64,
    noted: AtomicI64,
}

/// One page of a list.
#[derive(Debug)]
pub struct SessionPage {
    /// Oldest first.
    pub sessions: Vec<StoredSession>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// All sessions. Those that requests show are in memory, and a change shows at once. Cheap to clone.
#[derive(Clone)]
pub struct SessionList(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    known: Arc<Known>,
    noted: Mutex<HashMap<SessionHash, (Moment, Moment)>>,
}

impl StoredSession {
    pub fn used_at(&self) -> Moment {
        Moment::from_micros(self.used.load(Ordering::Relaxed))
    }
}

impl SessionList {
    /// The longest page of a list.
    pub const LONGEST_PAGE: u32 = 200;

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let known = Arc::new(Known::new());
        let follow = Arc::clone(&known);
        store.hear(Box::new(move |changed| match changed {
            Changed::One(Kind::Session, id) => follow.forget(id),
            Changed::One(..) => {}
            Changed::Unknown => follow.forget_all(),
        }));
        Self(Arc::new(Inner { store, known, noted: Mutex::default() }))
    }

    /// What is known without asking the store. `Some(None)`: there is none.
    pub fn known(&self, hash: &SessionHash) -> Option<Option<Arc<StoredSession>>> {
        self.0.known.find(hash)
    }

    /// The session as it stands in the store, with its last use as others may have noted it.
    pub async fn read(&self, hash: SessionHash) -> Result<Option<Arc<StoredSession>>, StoreError> {
        let stamp = self.0.known.stamp();
        let id = hash.text();
        let found = match self.0.store.read(Kind::Session, &id).await? {
            None => None,
            Some(record) => {
                let used = self.0.store.read(Kind::SessionUse, &id).await?;
                Some(Arc::new(stored(hash, &record, used.as_ref())?))
            }
        };
        self.0.known.keep(hash, found.as_ref(), stamp);
        Ok(found)
    }

    /// Keeps a new session. Where somebody has `most` already, the oldest end.
    pub async fn begin(&self, hash: SessionHash, session: &Session, most: u32) -> Result<(), StoreError> {
        let tag = of_person(&session.provider, &session.subject);
        let mut writes = vec![Write::Put { record: draft(hash, session)?, expect: Expect::Absent }];
        let page = self.0.store.list(Listing { tag: Some(&tag), ..Listing::of(Kind::Session) }).await?;
        let kept = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1);
        let surplus = page.records.len().saturating_sub(kept).min(Commit::MOST_WRITES - 1);
        writes.extend(page.records.into_iter().take(surplus).map(|record| remove(record.id)));
        self.0.store.commit(Commit { writes, audit: None }).await.map(|_| ())
    }

    /// Puts `session` in the place of what stood there as `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has ended, or was changed, meanwhile.
    pub async fn change(&self, hash: SessionHash, version: u64, session: &Session) -> Result<(), StoreError> {
        let put = Commit::put(draft(hash, session)?, Expect::Version(version));
        self.0.store.commit(put).await.map(|_| ())
    }

    /// Ends one, by itself or by whom it belongs to.
    pub async fn end(&self, hash: SessionHash) -> Result<(), StoreError> {
        let commit = Commit { writes: vec![remove(hash.text().into())], audit: None };
        self.0.store.commit(commit).await.map(|_| ())
    }

    /// Ends one by the word of an operator; `None`: there is none.
    pub async fn revoke(&self, hash: SessionHash, actor: &str, now: Moment) -> Result<Option<()>, StoreError> {
        let id = hash.text();
        if self.0.store.read(Kind::Session, &id).await?.is_none() {
            return Ok(None);
        }
        let commit = Commit { writes: vec![remove(id.as_str().into())], audit: None };
        let entry = word(actor, "session.revoke", id, now);
        self.0.store.commit(commit.audited(entry)).await.map(|_| Some(()))
    }

    /// Ends all of one person, or of everybody, that were begun before; how many.
    pub async fn revoke_all(
        &self,
        person: Option<(&str, &str)>,
        before: Moment,
        actor: &str,
        now: Moment,
    ) -> Result<usize, StoreError> {
        let tag = person.map(|(alias, subject)| of_person(alias, subject));
        let subject = tag.clone().unwrap_or_else(|| "all".to_owned());
        let ended =
            self.end_listed(tag.as_deref(), before, Some(word(actor, "session.revoke_all", subject, now))).await?;
        Ok(ended)
    }

    /// Ends what the provider `alias` says has ended there; how many.
    pub async fn end_at_provider(
        &self,
        alias: &str,
        sid: Option<&str>,
        subject: Option<&str>,
    ) -> Result<usize, StoreError> {
        let tag = match (sid, subject) {
            (Some(sid), _) => of_sid(alias, sid),
            (None, Some(subject)) => of_person(alias, subject),
            (None, None) => return Ok(0),
        };
        self.end_listed(Some(&tag), Moment::from_micros(i64::MAX), None).await
    }

    async fn end_listed(
        &self,
        tag: Option<&str>,
        before: Moment,
        entry: Option<AuditEntry>,
    ) -> Result<usize, StoreError> {
        let (mut ended, mut written) = (0, false);
        let (mut cursor, mut entry) = (None::<String>, entry);
        loop {
            let limit = u32::try_from(Commit::MOST_WRITES).unwrap_or(1);
            let listing = Listing { kind: Kind::Session, tag, limit, cursor: cursor.as_deref() };
            let page = self.0.store.list(listing).await.map_err(|error| partly(written, error))?;
            let gone: Vec<_> = page.records.into_iter().filter(|record| record.created_at < before).collect();
            let writes: Vec<Write> = gone.into_iter().map(|record| remove(record.id)).collect();
            let many = writes.len();
            if many > 0 || entry.is_some() {
                let commit = Commit { writes, audit: entry.take() };
                self.0.store.commit(commit).await.map_err(|error| partly(written, error))?;
                written = true;
            }
            ended += many;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(ended);
            }
        }
    }

    /// Sessions, oldest first, of one person or of all; `limit` is 1 to [`Self::LONGEST_PAGE`].
    pub async fn list(
        &self,
        person: Option<(&str, &str)>,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SessionPage, StoreError> {
        let tag = person.map(|(alias, subject)| of_person(alias, subject));
        let limit = limit.clamp(1, Self::LONGEST_PAGE);
        let page = self.0.store.list(Listing { kind: Kind::Session, tag: tag.as_deref(), limit, cursor }).await?;
        let ids: Vec<Arc<str>> = page.records.iter().map(|record| Arc::clone(&record.id)).collect();
        let used = self.0.store.read_all(Kind::SessionUse, &ids).await?;
        let sessions = page.records.iter().zip(used).filter_map(|(record, used)| {
            let hash = SessionHash::parse(&record.id)?;
            Some(stored(hash, record, used.as_ref()))
        });
        Ok(SessionPage { sessions: sessions.collect::<Result<_, _>>()?, next: page.next })
    }

    /// Notes that a session is used. Never waits; may be lost at a crash.
    pub fn used(&self, stored: &StoredSession, now: Moment) {
        stored.used.fetch_max(now.micros(), Ordering::Relaxed);
        let noted = Moment::from_micros(stored.noted.load(Ordering::Relaxed));
        if now.since(noted) < NOTED_EVERY {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() < MOST_NOTED || waiting.contains_key(&stored.hash) {
            stored.noted.store(now.micros(), Ordering::Relaxed);
            waiting.insert(stored.hash, (now, stored.session.ends_at));
        }
    }

    /// Writes the uses that wait.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let waiting: Vec<_> = std::mem::take(&mut *self.waiting()).into_iter().collect();
        for some in waiting.chunks(Commit::MOST_WRITES) {
            let writes = some.iter().map(|(hash, (at, ends_at))| {
                let (kind, id) = (Kind::SessionUse, hash.text().into());
                let record =
                    Draft { kind, id, body: json(at)?, tags: Vec::new(), created_at: *at, expires_at: Some(*ends_at) };
                Ok(Write::Put { record, expect: Expect::Any })
            });
            let writes = writes.collect::<Result<_, StoreError>>()?;
            self.0.store.commit(Commit { writes, audit: None }).await?;
        }
        Ok(())
    }

    /// A key that all replicas share, made by whoever needs it first.
    pub async fn shared_key(&self, name: &str, fresh: [u8; 32], now: Moment) -> Result<[u8; 32], StoreError> {
        for _ in 0..TRIES {
            if let Some(record) = self.0.store.read(Kind::Meta, name).await? {
                return parsed(&record);
            }
            let (kind, id) = (Kind::Meta, name.into());
            let draft = Draft { kind, id, body: json(&fresh)?, tags: Vec::new(), created_at: now, expires_at: None };
            match self.0.store.commit(Commit::put(draft, Expect::Absent)).await {
                Ok(_) => return Ok(fresh),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    /// The right to renew a session alone until then; `None`: somebody else has it. `version` is what is held already.
    pub async fn lease(
        &self,
        hash: SessionHash,
        held: Option<u64>,
        until: Moment,
        now: Moment,
    ) -> Result<Option<u64>, StoreError> {
        let (kind, id) = (Kind::Lease, format!("session:{}", hash.text()).into());
        let draft = Draft { kind, id, body: json(&())?, tags: Vec::new(), created_at: now, expires_at: Some(until) };
        let expect = held.map_or(Expect::Absent, Expect::Version);
        match self.0.store.commit(Commit::put(draft, expect)).await {
            Ok(version) => Ok(Some(version)),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives it back.
    pub async fn give_back(&self, hash: SessionHash, held: u64) {
        let id = format!("session:{}", hash.text()).into();
        // What is not given back ends by itself.
        let _ = self.0.store.commit(Commit::remove(Kind::Lease, id, Expect::Version(held))).await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<SessionHash, (Moment, Moment)>> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_person(alias: &str, subject: &str) -> String {
    format!("user:{alias}|{subject}")
}

fn of_sid(alias: &str, sid: &str) -> String {
    format!("sid:{alias}|{sid}")
}

fn remove(id: Arc<str>) -> Write {
    Write::Remove { kind: Kind::Session, id, expect: Expect::Any }
}

/// Where some have ended already, nobody may say that nothing was written.
fn partly(written: bool, error: StoreError) -> StoreError {
    if written { StoreError::Doubtful(format!("some sessions were ended before: {error}")) } else { error }
}

fn word(actor: &str, action: &'static str, subject: String, at: Moment) -> AuditEntry {
    AuditEntry { at, actor: actor.to_owned(), action: action.into(), subject, before: None, after: None }
}

fn draft(hash: SessionHash, session: &Session) -> Result<Draft, StoreError> {
    let mut tags: Vec<Arc<str>> = vec![of_person(&session.provider, &session.subject).into()];
    tags.extend(session.sid.as_ref().map(|sid| of_sid(&session.provider, sid).into()));
    Ok(Draft {
        kind: Kind::Session,
        id: hash.text().into(),
        body: json(session)?,
        tags,
        created_at: session.created_at,
        expires_at: Some(session.ends_at),
    })
}

fn stored(hash: SessionHash, record: &Record, used: Option<&Record>) -> Result<StoredSession, StoreError> {
    let session: Session = parsed(record)?;
    let noted: Moment = used.map(parsed).transpose()?.unwrap_or_default();
    let used = noted.max(session.created_at);
    Ok(StoredSession {
        hash,
        session: Arc::new(session),
        version: record.version,
        used: AtomicI64::new(used.micros()),
        noted: AtomicI64::new(used.micros()),
    })
}
