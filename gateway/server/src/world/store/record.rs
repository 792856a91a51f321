//! What is kept: records, and the changes to them that are made all at once or not at all.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::moment::Moment;

use super::StoreError;
use super::audit::AuditEntry;

/// What a record is. Ids are unique within a kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    ApiKey,
    /// The answer to a request that may come again.
    Idempotency,
    /// Last use and number of uses of an API key, by the key's id.
    KeyUsage,
    /// The right of one process to do something alone for a while.
    Lease,
    /// What there is one of.
    Meta,
    /// What a replica says of itself; means nothing in another store.
    Replica,
    /// A configuration that was applied.
    Revision,
    /// Its texts, by its id.
    RevisionText,
    /// A token taken back.
    Revocation,
    Session,
    /// Last use of a session, by its id.
    SessionUse,
    SigningKey,
}

impl Kind {
    pub const ALL: [Self; 12] = [
        Self::ApiKey,
        Self::Idempotency,
        Self::KeyUsage,
        Self::Lease,
        Self::Meta,
        Self::Replica,
        Self::Revision,
        Self::RevisionText,
        Self::Revocation,
        Self::Session,
        Self::SessionUse,
        Self::SigningKey,
    ];

    /// As it stands in the store. INVARIANT: never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Idempotency => "idempotency",
            Self::KeyUsage => "key_usage",
            Self::Lease => "lease",
            Self::Meta => "meta",
            Self::Replica => "replica",
            Self::Revision => "revision",
            Self::RevisionText => "revision_text",
            Self::Revocation => "revocation",
            Self::Session => "session",
            Self::SessionUse => "session_use",
            Self::SigningKey => "signing_key",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A record to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    pub kind: Kind,
    /// 1 to [`Draft::LONGEST_ID`] bytes.
    pub id: Arc<str>,
    /// JSON, at most [`Draft::LARGEST_BODY`].
    pub body: Bytes,
    /// By what it can be listed, such as `owner:ops`; at most [`Draft::MOST_TAGS`], each once.
    pub tags: Vec<Arc<str>>,
    /// Orders lists. Keep it when a record changes.
    pub created_at: Moment,
    /// From then on it is not there any more, whether or not it was swept away already.
    pub expires_at: Option<Moment>,
}

impl Draft {
    /// In bytes.
    pub const LARGEST_BODY: usize = 1024 * 1024;
    pub const LONGEST_ID: usize = 255;
    pub const MOST_TAGS: usize = 8;
    /// In bytes.
    pub const LONGEST_TAG: usize = 600;

    fn check(&self) -> Result<(), StoreError> {
        let tags: HashSet<&str> = self.tags.iter().map(|tag| &**tag).collect();
        if !fits(&self.id, Self::LONGEST_ID) {
            return Err(StoreError::Unfit("the id of a record is 1 to 255 bytes, none of them zero"));
        }
        if self.body.len() > Self::LARGEST_BODY {
            return Err(StoreError::Unfit("the body of a record is 1 MiB at most"));
        }
        if tags.len() != self.tags.len() || tags.len() > Self::MOST_TAGS {
            return Err(StoreError::Unfit("a record has 8 tags at most, each once"));
        }
        if !tags.iter().all(|tag| fits(tag, Self::LONGEST_TAG)) {
            return Err(StoreError::Unfit("a tag is 1 to 600 bytes, none of them zero"));
        }
        Ok(())
    }
}

fn fits(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.bytes().any(|byte| byte == 0)
}

/// A record as it stands in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    pub kind: Kind,
    pub id: Arc<str>,
    /// The number of the commit that wrote it: greater than that of whatever stood there before.
    pub version: u64,
    pub body: Bytes,
    pub tags: Vec<Arc<str>>,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
}

impl Record {
    /// The same with another body.
    #[must_use]
    pub fn with(&self, body: Bytes) -> Draft {
        Draft {
            kind: self.kind,
            id: Arc::clone(&self.id),
            body,
            tags: self.tags.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

/// What must stand there for a write to be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// Nothing, or what has expired.
    Absent,
    Any,
    /// This very version.
    Version(u64),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Write {
    Put { record: Draft, expect: Expect },
    Remove { kind: Kind, id: Arc<str>, expect: Expect },
}

impl Write {
    pub fn place(&self) -> (Kind, &Arc<str>) {
        match self {
            Self::Put { record, .. } => (record.kind, &record.id),
            Self::Remove { kind, id, .. } => (*kind, id),
        }
    }

    pub fn expect(&self) -> Expect {
        match self {
            Self::Put { expect, .. } | Self::Remove { expect, .. } => *expect,
        }
    }
}

/// Changes that are made together, with their word in the audit log, or not at all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Commit {
    /// At most [`Commit::MOST_WRITES`], each of another record.
    pub writes: Vec<Write>,
    pub audit: Option<AuditEntry>,
}

impl Commit {
    pub const MOST_WRITES: usize = 64;

    pub fn put(record: Draft, expect: Expect) -> Self {
        Self { writes: vec![Write::Put { record, expect }], audit: None }
    }

    pub fn remove(kind: Kind, id: Arc<str>, expect: Expect) -> Self {
        Self { writes: vec![Write::Remove { kind, id, expect }], audit: None }
    }

    #[must_use]
    pub fn audited(self, entry: AuditEntry) -> Self {
        Self { audit: Some(entry), ..self }
    }

    /// Whether it is within the bounds that every store keeps.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.writes.len() > Self::MOST_WRITES {
            return Err(StoreError::Unfit("one change writes 64 records at most"));
        }
        let places: HashSet<_> = self.writes.iter().map(Write::place).collect();
        if places.len() != self.writes.len() {
            return Err(StoreError::Unfit("one change writes each record once"));
        }
        for write in &self.writes {
            match write {
                Write::Put { record, .. } => record.check()?,
                Write::Remove { .. } => {}
            }
        }
        Ok(())
    }
}

/// What to list, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    pub kind: Kind,
    /// Only records with this tag.
    pub tag: Option<&'a str>,
    /// At most so many; brought within 1 to [`Listing::LONGEST`].
    pub limit: u32,
    /// Where a page before this one said that this one begins.
    pub cursor: Option<&'a str>,
}

impl<'a> Listing<'a> {
    pub const LONGEST: u32 = 1_000;
    /// A page ends early when its bodies are larger than this together, in bytes.
    pub const LARGEST: usize = 4 * 1024 * 1024;

    /// The first page of a whole kind.
    pub fn of(kind: Kind) -> Self {
        Self { kind, tag: None, limit: Self::LONGEST, cursor: None }
    }

    #[must_use]
    pub fn after(self, cursor: Option<&'a str>) -> Self {
        Self { cursor, ..self }
    }

    /// Time and id of the last record before the page.
    pub(crate) fn place(&self) -> Result<(i64, &'a str), StoreError> {
        let Some(cursor) = self.cursor else { return Ok((i64::MIN, "")) };
        let (created_at, id) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
        Ok((created_at.parse().map_err(|_| StoreError::Cursor)?, id))
    }

    pub(crate) fn most(&self) -> usize {
        usize::try_from(self.limit.clamp(1, Self::LONGEST)).unwrap_or(usize::MAX)
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Oldest first; those of one instant by id.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

impl Page {
    /// The cursor of the page after `last`.
    pub(crate) fn cursor(last: &Record) -> String {
        format!("{}.{}", last.created_at.micros(), last.id)
    }
}

/// Whose record may be another now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changed {
    One(Kind, Arc<str>),
    /// Any of them.
    Unknown,
}
