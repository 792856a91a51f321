//! Which configurations were applied? Each is one more revision: who, when, from where, and every text of it.
//!
//! Revisions are counted from 1 and never change. Their texts lie beside them, so that a list of them is read without.

#[cfg(test)]
mod tests;
mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::config::ContentHash;
use portcullis_core::moment::Moment;
use portcullis_core::snapshot::Texts;
use serde::{Deserialize, Serialize};

use texts::Packed;

use crate::turns::Turns;

use super::{AuditEntry, Changed, Commit, Draft, Expect, Kind, Record, Store, StoreError, TRIES, Write, json, parsed};

/// All revisions. Cheap to clone.
#[derive(Clone)]
pub struct Revisions {
    store: Arc<dyn Store>,
    /// Of packing texts, and of whatever else is long.
    turns: Turns,
}

/// One configuration that was applied.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revision {
    pub number: u64,
    pub at: Moment,
    /// As in the audit log.
    pub author: String,
    pub origin: Origin,
    /// What its author says of it.
    #[serde(default)]
    pub note: String,
    /// Of all texts, in hexadecimal digits: the same texts have the same.
    pub hash: String,
    /// The main file, among the files.
    pub main: String,
    /// By path, the SHA-256 of its text in hexadecimal digits.
    pub files: BTreeMap<String, String>,
    pub kept: TextsKept,
}

/// Where it came from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, schemars::JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody sent it.
    Api,
    /// The files of a machine.
    Files,
    /// An older revision, put in force again.
    Rollback,
}

/// Whether the texts are there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextsKept {
    /// Together they are larger than what is kept: there are their hashes alone.
    TooLarge,
    Whole,
}

/// What is to become a revision.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    pub texts: &'a Texts,
    pub author: &'a str,
    pub origin: Origin,
    pub note: &'a str,
    pub at: Moment,
}

/// What decides about the configuration, as far as the store has a say.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Standing {
    /// Of the newest revision; 0: there is none.
    pub latest: u64,
    oldest: u64,
    /// What every replica does that follows the store; `None`: nothing was applied since files decided.
    #[serde(default)]
    pub current: Option<u64>,
    #[serde(default)]
    pub pin: Option<Pin>,
}

/// A revision that is in force in the place of files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pin {
    pub revision: u64,
    /// The hash of the files that are passed over.
    pub files: String,
}

/// How a revision is to come into force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Force {
    /// On every replica that follows the store.
    Everywhere,
    /// Where the files have this hash, for as long as they have.
    Over(String),
}

/// Somebody else has applied another meanwhile; the number of the newest revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overtaken(pub u64);

/// One page of the list, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RevisionPage {
    pub revisions: Vec<Revision>,
    /// The number before which the next page begins; `None` on the last.
    pub next: Option<u64>,
    /// Of the newest revision; 0: there is none.
    pub latest: u64,
}

/// The record of what revisions there are.
const HEAD: &str = "config";
/// Revisions that one change removes at most; the next removes more.
const REMOVED: u64 = 16;

impl Revisions {
    pub const LONGEST_PAGE: u64 = 200;

    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, turns: Turns::default() }
    }

    /// Whose turn it is to do what takes long.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Tells `hear` whenever another revision may have to be in force.
    pub fn hear(&self, hear: impl Fn() + Send + Sync + 'static) {
        self.store.hear(Box::new(move |changed| match changed {
            Changed::One(Kind::Meta, id) if **id == *HEAD => hear(),
            Changed::Unknown => hear(),
            Changed::One(..) => {}
        }));
    }

    /// Notes the files that are in force, unless the newest revision is the same; then `keep` revisions are kept. From now
    /// on files decide, and the pin of the revision `lapsed` is gone.
    pub async fn note(&self, applied: Applied<'_>, lapsed: Option<u64>, keep: u64) -> Result<Revision, StoreError> {
        let next = |head: &Standing, _| {
            let pin = head.pin.clone().filter(|pin| Some(pin.revision) != lapsed);
            Standing { current: None, pin, ..head.clone() }
        };
        self.note_as(applied, keep, next).await
    }

    /// Notes the files that the first of the replicas begins with which follow the store; whoever comes later gets what is
    /// in force already.
    pub async fn seed(&self, applied: Applied<'_>, keep: u64) -> Result<Revision, StoreError> {
        let next =
            |head: &Standing, number| Standing { current: head.current.or(Some(number)), pin: None, ..head.clone() };
        let seeded = self.note_as(applied, keep, next).await?;
        match self.head().await?.0.current {
            Some(current) if current != seeded.number => self.show(current).await?.ok_or_else(|| {
                StoreError::Damaged(format!("revision {current} should be in force, and there is none of this number"))
            }),
            Some(_) | None => Ok(seeded),
        }
    }

    async fn note_as(
        &self,
        applied: Applied<'_>,
        keep: u64,
        next: impl Fn(&Standing, u64) -> Standing,
    ) -> Result<Revision, StoreError> {
        let hash = applied.texts.hash();
        let mut packed = None;
        for _ in 0..TRIES {
            let (head, record) = self.head().await?;
            let before = self.show(head.latest).await?;
            let done = match before {
                Some(before) if before.hash == hash.to_string() => {
                    let after = next(&head, before.number);
                    let unchanged = after == head;
                    let expect = record.map_or(Expect::Absent, |record| Expect::Version(record.version));
                    let head = draft(Kind::Meta, HEAD, &after, applied.at)?;
                    let written = if unchanged { Ok(0) } else { self.store.commit(Commit::put(head, expect)).await };
                    written.map(|_| before)
                }
                before => {
                    let packed = match &mut packed {
                        Some(packed) => packed,
                        none @ None => none.insert(self.packed(applied.texts).await?),
                    };
                    let packed = packed.as_ref();
                    let revision = revision(head.latest + 1, hash, (applied, packed));
                    let next = next(&head, revision.number);
                    self.add(&revision, before.as_ref(), (next, record), (packed, keep)).await.map(|()| revision)
                }
            };
            match done {
                // Another replica was first.
                Err(StoreError::Conflict) => {}
                done => return done,
            }
        }
        Err(StoreError::Busy)
    }

    /// Puts texts in force; where `expected` is there, only if that is the newest revision still.
    pub async fn apply(
        &self,
        applied: Applied<'_>,
        force: Force,
        expected: Option<u64>,
        keep: u64,
    ) -> Result<Result<Revision, Overtaken>, StoreError> {
        let Some(packed) = self.packed(applied.texts).await? else {
            return Err(StoreError::Unfit("the texts are too large to be kept"));
        };
        let packed = Some(packed);
        let hash = applied.texts.hash();
        for _ in 0..TRIES {
            let (head, record) = self.head().await?;
            if expected.is_some_and(|expected| expected != head.latest) {
                return Ok(Err(Overtaken(head.latest)));
            }
            let before = self.show(head.latest).await?;
            let revision = revision(head.latest + 1, hash, (applied, packed.as_ref()));
            let next = match &force {
                Force::Everywhere => Standing { current: Some(revision.number), pin: None, ..head },
                Force::Over(files) => {
                    let pin = Some(Pin { revision: revision.number, files: files.clone() });
                    Standing { current: None, pin, ..head }
                }
            };
            match self.add(&revision, before.as_ref(), (next, record), (packed.as_ref(), keep)).await {
                Ok(()) => return Ok(Ok(revision)),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    /// What decides now.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        Ok(self.head().await?.0)
    }

    /// One of them; `None`: there is none of this number, or none any more.
    pub async fn show(&self, number: u64) -> Result<Option<Revision>, StoreError> {
        self.store.read(Kind::Revision, &number.to_string()).await?.as_ref().map(parsed).transpose()
    }

    /// Its texts; `None`: they are not kept.
    pub async fn texts(&self, revision: &Revision) -> Result<Option<Texts>, StoreError> {
        let Some(record) = self.store.read(Kind::RevisionText, &revision.number.to_string()).await? else {
            return Ok(None);
        };
        let texts = texts::read(&record, &revision.main)?;
        if texts.hash().to_string() != revision.hash {
            return Err(StoreError::Damaged(format!("the texts of revision {} are others", revision.number)));
        }
        Ok(Some(texts))
    }

    /// Those before the number `before`, or from the newest on; `limit` is 1 to [`Self::LONGEST_PAGE`].
    pub async fn list(&self, limit: u64, before: Option<u64>) -> Result<RevisionPage, StoreError> {
        let (head, _) = self.head().await?;
        let end = before.unwrap_or(u64::MAX).min(head.latest + 1);
        let begin = end.saturating_sub(limit.clamp(1, Self::LONGEST_PAGE)).max(head.oldest).max(1);
        let ids: Vec<Arc<str>> = (begin..end).rev().map(|number| number.to_string().into()).collect();
        let records = self.store.read_all(Kind::Revision, &ids).await?;
        let revisions = records.iter().flatten().map(parsed).collect::<Result<_, _>>()?;
        let next = (begin > head.oldest.max(1) && begin < end).then_some(begin);
        Ok(RevisionPage { revisions, next, latest: head.latest })
    }

    /// `None`: they are not within the bounds.
    async fn packed(&self, texts: &Texts) -> Result<Option<Packed>, StoreError> {
        let texts = texts.clone();
        let packed = self.turns.run(move || Packed::of(&texts)).await;
        packed.map_err(|error| StoreError::Failed(error.to_string()))
    }

    async fn head(&self) -> Result<(Standing, Option<Record>), StoreError> {
        let record = self.store.read(Kind::Meta, HEAD).await?;
        let head = record.as_ref().map(parsed).transpose()?.unwrap_or_default();
        Ok((head, record))
    }

    async fn add(
        &self,
        revision: &Revision,
        before: Option<&Revision>,
        (head, record): (Standing, Option<Record>),
        (packed, keep): (Option<&Packed>, u64),
    ) -> Result<(), StoreError> {
        let latest = revision.number;
        let first = head.oldest.max(1);
        let oldest = (latest + 1).saturating_sub(keep.max(1)).clamp(first, first + REMOVED);
        // What is pinned and forgotten holds nowhere any more.
        let pin = head.pin.filter(|pin| pin.revision >= oldest);
        let head = Standing { latest, oldest, pin, current: head.current };
        let expect = record.map_or(Expect::Absent, |record| Expect::Version(record.version));
        let put = |record, expect| Write::Put { record, expect };
        let mut writes = vec![
            put(draft(Kind::Meta, HEAD, &head, revision.at)?, expect),
            put(draft(Kind::Revision, &latest.to_string(), revision, revision.at)?, Expect::Absent),
        ];
        if let Some(packed) = packed {
            writes.push(put(texts::draft(latest, packed, revision.at)?, Expect::Absent));
        }
        for gone in first..oldest {
            for kind in [Kind::Revision, Kind::RevisionText] {
                writes.push(Write::Remove { kind, id: gone.to_string().into(), expect: Expect::Any });
            }
        }
        let action = match revision.origin {
            Origin::Api => "config.apply",
            Origin::Files => "config.load",
            Origin::Rollback => "config.rollback",
        };
        let entry = AuditEntry {
            at: revision.at,
            actor: revision.author.clone(),
            action: action.into(),
            subject: latest.to_string(),
            before: before.and_then(Revision::state),
            after: revision.state(),
        };
        self.store.commit(Commit { writes, audit: Some(entry) }).await.map(|_| ())
    }
}

impl Revision {
    /// What the audit log vouches for: the hash of all texts.
    fn state(&self) -> Option<[u8; 32]> {
        let mut state = [0; 32];
        for (at, byte) in state.iter_mut().enumerate() {
            *byte = u8::from_str_radix(self.hash.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(state)
    }
}

fn revision(number: u64, hash: ContentHash, (applied, packed): (Applied<'_>, Option<&Packed>)) -> Revision {
    let texts = applied.texts;
    let hash_of = |text: &Arc<str>| ContentHash::of(text.as_bytes()).to_string();
    Revision {
        number,
        at: applied.at,
        author: applied.author.to_owned(),
        origin: applied.origin,
        note: applied.note.to_owned(),
        hash: hash.to_string(),
        main: texts.main.clone(),
        files: texts.files.iter().map(|(path, text)| (path.clone(), hash_of(text))).collect(),
        kept: if packed.is_some() { TextsKept::Whole } else { TextsKept::TooLarge },
    }
}

fn draft(kind: Kind, id: &str, value: &impl Serialize, at: Moment) -> Result<Draft, StoreError> {
    Ok(Draft { kind, id: id.into(), body: json(value)?, tags: Vec::new(), created_at: at, expires_at: None })
}
