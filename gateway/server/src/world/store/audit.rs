//! Who changed what? A log whose every row vouches for the one before it.
//!
//! The store keeps the head of the log beside it, so that rows cut off its end are missed. Whoever can write both can
//! forge both: keep the head that [`AuditVerdict::Whole`] tells somewhere else, too.

mod shown;

use std::borrow::Cow;

use aws_lc_rs::digest::{self, SHA256};
use portcullis_core::moment::Moment;

use super::{Store, StoreError};

pub(crate) use shown::ShownRow;

/// One change, before it has its place in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEntry {
    pub at: Moment,
    pub actor: String,
    /// Such as `key.create`.
    pub action: Cow<'static, str>,
    pub subject: String,
    /// SHA-256 of the subject's state; `None` when there was none.
    pub before: Option<[u8; 32]>,
    pub after: Option<[u8; 32]>,
}

/// One row of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditRow {
    /// 1, 2, 3 …, without a gap.
    pub seq: i64,
    pub at: Moment,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub before: Option<[u8; 32]>,
    pub after: Option<[u8; 32]>,
    pub previous: [u8; 32],
    pub hash: [u8; 32],
}

/// The last row, as the store has noted it beside the log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AuditHead {
    /// 0: the log is empty.
    pub seq: i64,
    pub hash: [u8; 32],
}

/// Whether the log is as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuditVerdict {
    /// The first row that does not fit what stands before it.
    Broken { seq: i64 },
    /// Every row fits, and those from `seq` on are missing.
    Cut { seq: i64 },
    /// Every row fits, to the last. `head`: its hash, zeros for an empty log.
    Whole { rows: i64, head: [u8; 32] },
}

/// Rows read at a time.
const ROWS: u32 = 1_000;

/// Reads the whole log and checks its chain.
pub async fn verify(store: &dyn Store) -> Result<AuditVerdict, StoreError> {
    // Read first: the log may grow meanwhile, and then has a row at this place all the same.
    let noted = store.audit_head().await?;
    let mut head = AuditHead::default();
    loop {
        let rows = store.audit(head.seq, ROWS).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let fits = row.seq == head.seq + 1
                && row.previous == head.hash
                && row.hash == row.computed_hash()
                && (row.seq != noted.seq || row.hash == noted.hash);
            if !fits {
                return Ok(AuditVerdict::Broken { seq: row.seq });
            }
            head = AuditHead { seq: row.seq, hash: row.hash };
        }
    }
    if head.seq < noted.seq {
        return Ok(AuditVerdict::Cut { seq: head.seq + 1 });
    }
    Ok(AuditVerdict::Whole { rows: head.seq, head: head.hash })
}

impl AuditRow {
    /// What its hash must be.
    fn computed_hash(&self) -> [u8; 32] {
        let parts = parts(self.at, [&self.actor, &self.action, &self.subject], [self.before, self.after]);
        chain(&self.previous, self.seq, &parts)
    }
}

impl AuditEntry {
    /// The row it becomes after `last`.
    pub(crate) fn follow(&self, last: AuditHead) -> AuditHead {
        let seq = last.seq + 1;
        AuditHead { seq, hash: chain(&last.hash, seq, &self.parts()) }
    }

    /// Of what is hashed, that which is known before the entry has its place.
    pub(crate) fn parts(&self) -> Vec<u8> {
        parts(self.at, [&self.actor, &self.action, &self.subject], [self.before, self.after])
    }
}

fn parts(at: Moment, texts: [&str; 3], states: [Option<[u8; 32]>; 2]) -> Vec<u8> {
    let mut parts = Vec::with_capacity(256);
    add(&mut parts, &at.micros().to_be_bytes());
    for text in texts {
        add(&mut parts, text.as_bytes());
    }
    for state in &states {
        add(&mut parts, state.as_ref().map_or(&[], |hash| &hash[..]));
    }
    parts
}

/// Every part has its length before it: no two rows read the same.
fn add(parts: &mut Vec<u8>, part: &[u8]) {
    parts.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    parts.extend(part);
}

fn chain(previous: &[u8; 32], seq: i64, parts: &[u8]) -> [u8; 32] {
    let mut text = Vec::with_capacity(64 + parts.len());
    add(&mut text, previous);
    add(&mut text, &seq.to_be_bytes());
    text.extend(parts);
    hash(&text)
}

/// SHA-256.
pub fn hash(state: &[u8]) -> [u8; 32] {
    // SHA-256 is 32 bytes long; zeros would match nothing.
    digest::digest(&SHA256, state).as_ref().try_into().unwrap_or([0; 32])
}
