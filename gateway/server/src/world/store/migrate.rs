//! From one store to another: every record, and the audit log with its chain.
//!
//! The log is written again entry by entry, and its chain is a function of its entries: where both heads are the same,
//! both logs are. Until the end a mark stands in the new store, under which no gateway starts on it; a move that was
//! broken off is taken up where it was.

use std::sync::Arc;

use portcullis_core::moment::Moment;

use super::{
    AuditEntry, AuditHead, AuditRow, AuditVerdict, Commit, Draft, Expect, Kind, Listing, Record, Store, StoreError,
    Write, audit, hash,
};

/// The record that stands in a store while it is not whole.
const MARK: &str = "incomplete";

/// Bodies of one commit together, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// What was moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moved {
    pub records: u64,
    /// SHA-256 of all records.
    pub hash: [u8; 32],
    pub audit: AuditHead,
}

/// Why not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unmoved {
    /// It changed meanwhile: somebody still uses it.
    Changed,
    /// What is there is not what was there.
    Differs(&'static str),
    From(StoreError),
    /// The audit log of the old store does not hold together.
    Log(AuditVerdict),
    /// The new store holds something already.
    NotEmpty,
    To(StoreError),
}

impl std::fmt::Display for Unmoved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed => {
                f.write_str("the old store was changed meanwhile: stop every gateway on it, and run this again")
            }
            Self::Differs(what) => write!(f, "{what} are not the same in the new store: empty it, and run this again"),
            Self::From(error) => write!(f, "the old store: {error}"),
            Self::Log(AuditVerdict::Broken { seq } | AuditVerdict::Cut { seq }) => {
                write!(
                    f,
                    "the audit log of the old store does not hold together at row {seq}: see `portcullis audit verify`"
                )
            }
            Self::Log(AuditVerdict::Whole { .. }) => f.write_str("the audit log is whole"),
            Self::NotEmpty => f.write_str("the new store is not empty: give one that is"),
            Self::To(error) => write!(f, "the new store: {error}; nothing is lost, run this again"),
        }
    }
}

/// Whether a move into this store has not ended.
pub(super) async fn is_incomplete(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.read(Kind::Meta, MARK).await?.is_some())
}

/// Moves everything, and looks whether it is there.
pub async fn migrate(from: &dyn Store, to: &dyn Store) -> Result<Moved, Unmoved> {
    moved(from, to, Stillness::Whole).await
}

/// As [`migrate`], while `from` is used: what nobody logs, such as last uses, may have moved on meanwhile.
pub(crate) async fn copy_live(from: &dyn Store, to: &dyn Store) -> Result<Moved, Unmoved> {
    moved(from, to, Stillness::OfTheLog).await
}

/// What must not have changed meanwhile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stillness {
    OfTheLog,
    Whole,
}

async fn moved(from: &dyn Store, to: &dyn Store, stillness: Stillness) -> Result<Moved, Unmoved> {
    let log = audit::verify(from).await.map_err(Unmoved::From)?;
    let AuditVerdict::Whole { rows, head } = log else { return Err(Unmoved::Log(log)) };
    let before = AuditHead { seq: rows, hash: head };
    if !is_incomplete(to).await.map_err(Unmoved::To)? {
        let (records, _) = digest(to).await.map_err(Unmoved::To)?;
        if records > 0 || to.audit_head().await.map_err(Unmoved::To)?.seq > 0 {
            return Err(Unmoved::NotEmpty);
        }
        to.commit(Commit::put(mark(), Expect::Absent)).await.map_err(Unmoved::To)?;
    }
    for kind in moving() {
        each(from, kind, async |records| {
            let mut batch: Vec<Write> = Vec::new();
            let mut size = 0;
            for record in records {
                size += record.body.len();
                if batch.len() == Commit::MOST_WRITES || size > LARGEST {
                    let writes = std::mem::take(&mut batch);
                    to.commit(Commit { writes, audit: None }).await.map_err(Unmoved::To)?;
                    size = record.body.len();
                }
                batch.push(Write::Put { record: record.with(record.body.clone()), expect: Expect::Any });
            }
            to.commit(Commit { writes: batch, audit: None }).await.map_err(Unmoved::To).map(|_| ())
        })
        .await?;
    }
    log_again(from, to).await?;

    let there = digest(to).await.map_err(Unmoved::To)?;
    let here = match stillness {
        Stillness::OfTheLog => there,
        Stillness::Whole => digest(from).await.map_err(Unmoved::From)?,
    };
    if from.audit_head().await.map_err(Unmoved::From)? != before {
        return Err(Unmoved::Changed);
    }
    if there != here {
        return Err(Unmoved::Differs("the records"));
    }
    let audit = to.audit_head().await.map_err(Unmoved::To)?;
    if audit != before {
        return Err(Unmoved::Differs("the audit logs"));
    }
    to.commit(Commit::remove(Kind::Meta, MARK.into(), Expect::Any)).await.map_err(Unmoved::To)?;
    Ok(Moved { records: here.0, hash: here.1, audit })
}

/// What replicas say of themselves is of the store they run on.
fn moving() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| *kind != Kind::Replica)
}

/// Writes the entries that are not there yet.
async fn log_again(from: &dyn Store, to: &dyn Store) -> Result<(), Unmoved> {
    let mut last = to.audit_head().await.map_err(Unmoved::To)?.seq;
    loop {
        let rows = from.audit(last, Listing::LONGEST).await.map_err(Unmoved::From)?;
        if rows.is_empty() {
            return Ok(());
        }
        for AuditRow { seq, at, actor, action, subject, before, after, .. } in rows {
            let entry = AuditEntry { at, actor, action: action.into(), subject, before, after };
            let commit = Commit { writes: Vec::new(), audit: Some(entry) };
            to.commit(commit).await.map_err(Unmoved::To)?;
            last = seq;
        }
    }
}

/// Calls `with` for each page of a kind.
async fn each<E: From<Unmoved>>(
    store: &dyn Store,
    kind: Kind,
    mut with: impl AsyncFnMut(&[Record]) -> Result<(), E>,
) -> Result<(), E> {
    let mut cursor: Option<String> = None;
    loop {
        let page = store.list(Listing::of(kind).after(cursor.as_deref())).await;
        let page = page.map_err(|error| E::from(Unmoved::From(error)))?;
        if !page.records.is_empty() {
            with(&page.records).await?;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// How many records, and a hash over what they say. The mark is none of them.
async fn digest(store: &dyn Store) -> Result<(u64, [u8; 32]), StoreError> {
    let (mut count, mut whole) = (0, [0; 32]);
    for kind in moving() {
        let counted = each(store, kind, async |records| {
            for record in records.iter().filter(|record| !(record.kind == Kind::Meta && &*record.id == MARK)) {
                let Record { id, body, tags, created_at, expires_at, .. } = record;
                let told = (kind.name(), &**id, &body[..], tags, created_at, expires_at);
                let told = serde_json::to_vec(&told).unwrap_or_default();
                whole = hash(&[&whole[..], &told].concat());
                count += 1;
            }
            Ok::<(), Unmoved>(())
        });
        counted.await.map_err(|error| match error {
            Unmoved::From(error) | Unmoved::To(error) => error,
            other => StoreError::Failed(other.to_string()),
        })?;
    }
    Ok((count, whole))
}

fn mark() -> Draft {
    let created_at = Moment::default();
    let (kind, id, body) = (Kind::Meta, Arc::from(MARK), bytes::Bytes::from_static(b"{}"));
    Draft { kind, id, body, tags: Vec::new(), created_at, expires_at: None }
}
