//! Which configurations were applied? Each is one more revision: who, when, from where, and every text of it.
//!
//! Revisions are counted from 1 and never change. Their texts lie beside them, so that a list of them is read without.

mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::config::ContentHash;
use portcullis_core::moment::Moment;
use portcullis_core::snapshot::Texts;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Commit, Draft, Expect, Kind, Record, Store, StoreError, TRIES, Write, json, parsed};

/// All revisions. Cheap to clone.
#[derive(Clone)]
pub struct Revisions(Arc<dyn Store>);

/// One configuration that was applied.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revision {
    pub number: u64,
    pub at: Moment,
    /// As in the audit log.
    pub author: String,
    pub origin: Origin,
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
    /// The files of a machine.
    Files,
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
    pub at: Moment,
}

/// The revisions there are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Head {
    /// 0: there is none.
    latest: u64,
    oldest: u64,
}

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

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Notes what is in force, unless the newest revision is the same; then `keep` revisions are kept.
    pub async fn note(&self, applied: Applied<'_>, keep: u64) -> Result<Revision, StoreError> {
        let hash = applied.texts.hash();
        for _ in 0..TRIES {
            let (head, record) = self.head().await?;
            let before = self.show(head.latest).await?;
            if let Some(before) = &before
                && before.hash == hash.to_string()
            {
                return Ok(before.clone());
            }
            let revision = revision(head.latest + 1, hash, applied);
            match self.add(&revision, before.as_ref(), (head, record), (applied, keep)).await {
                Ok(()) => return Ok(revision),
                // Another replica was first.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    /// One of them; `None`: there is none of this number, or none any more.
    pub async fn show(&self, number: u64) -> Result<Option<Revision>, StoreError> {
        self.0.read(Kind::Revision, &number.to_string()).await?.as_ref().map(parsed).transpose()
    }

    /// Its texts; `None`: they are not kept.
    pub async fn texts(&self, revision: &Revision) -> Result<Option<Texts>, StoreError> {
        let Some(record) = self.0.read(Kind::RevisionText, &revision.number.to_string()).await? else {
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
        let records = self.0.read_all(Kind::Revision, &ids).await?;
        let revisions = records.iter().flatten().map(parsed).collect::<Result<_, _>>()?;
        let next = (begin > head.oldest.max(1) && begin < end).then_some(begin);
        Ok(RevisionPage { revisions, next, latest: head.latest })
    }

    async fn head(&self) -> Result<(Head, Option<Record>), StoreError> {
        let record = self.0.read(Kind::Meta, HEAD).await?;
        let head = record.as_ref().map(parsed).transpose()?.unwrap_or_default();
        Ok((head, record))
    }

    async fn add(
        &self,
        revision: &Revision,
        before: Option<&Revision>,
        (head, record): (Head, Option<Record>),
        (applied, keep): (Applied<'_>, u64),
    ) -> Result<(), StoreError> {
        let latest = revision.number;
        let first = head.oldest.max(1);
        let oldest = (latest + 1).saturating_sub(keep.max(1)).clamp(first, first + REMOVED);
        let expect = record.map_or(Expect::Absent, |record| Expect::Version(record.version));
        let put = |record, expect| Write::Put { record, expect };
        let mut writes = vec![
            put(draft(Kind::Meta, HEAD, &Head { latest, oldest }, revision.at)?, expect),
            put(draft(Kind::Revision, &latest.to_string(), revision, revision.at)?, Expect::Absent),
        ];
        if revision.kept == TextsKept::Whole {
            writes.push(put(texts::draft(latest, applied.texts, revision.at)?, Expect::Absent));
        }
        for gone in first..oldest {
            for kind in [Kind::Revision, Kind::RevisionText] {
                writes.push(Write::Remove { kind, id: gone.to_string().into(), expect: Expect::Any });
            }
        }
        let action = match revision.origin {
            Origin::Files => "config.load",
        };
        let entry = AuditEntry {
            at: revision.at,
            actor: revision.author.clone(),
            action: action.into(),
            subject: latest.to_string(),
            before: before.and_then(Revision::state),
            after: revision.state(),
        };
        self.0.commit(Commit { writes, audit: Some(entry) }).await.map(|_| ())
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

fn revision(number: u64, hash: ContentHash, applied: Applied<'_>) -> Revision {
    let texts = applied.texts;
    let hash_of = |text: &Arc<str>| ContentHash::of(text.as_bytes()).to_string();
    Revision {
        number,
        at: applied.at,
        author: applied.author.to_owned(),
        origin: applied.origin,
        hash: hash.to_string(),
        main: texts.main.clone(),
        files: texts.files.iter().map(|(path, text)| (path.clone(), hash_of(text))).collect(),
        kept: if texts::fits(texts) { TextsKept::Whole } else { TextsKept::TooLarge },
    }
}

fn draft(kind: Kind, id: &str, value: &impl Serialize, at: Moment) -> Result<Draft, StoreError> {
    Ok(Draft { kind, id: id.into(), body: json(value)?, tags: Vec::new(), created_at: at, expires_at: None })
}
