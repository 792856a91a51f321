//! Who changed what? A log whose every row vouches for the one before it.
//!
//! Whoever can write the file can cut the last rows off, which no chain shows by itself: keep the head that
//! [`AuditVerdict::Whole`] tells somewhere else.

use aws_lc_rs::digest::{self, SHA256};
use portcullis_core::moment::Moment;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::StoreError;

/// One change, before it has its place in the log.
pub(super) struct Change<'a> {
    pub(super) at: Moment,
    pub(super) actor: &'a str,
    pub(super) action: &'static str,
    pub(super) subject: &'a str,
    /// SHA-256 of the subject's state; `None` when there was none.
    pub(super) before: Option<[u8; 32]>,
    pub(super) after: Option<[u8; 32]>,
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

/// Whether the log is as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuditVerdict {
    /// The first row that does not fit what stands before it.
    Broken { seq: i64 },
    /// Every row fits. `head`: the last row's hash, zeros for an empty log.
    Whole { rows: i64, head: [u8; 32] },
}

/// Appends within the transaction of the change itself: both are kept, or neither.
pub(super) fn append(within: &Transaction<'_>, change: &Change<'_>) -> Result<(), StoreError> {
    let last = within
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (seq, previous): (i64, [u8; 32]) = last.unwrap_or((0, [0; 32]));
    let seq = seq + 1;
    let hash = chain(&previous, seq, change);
    within.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(params![
        seq,
        change.at.micros(),
        change.actor,
        change.action,
        change.subject,
        change.before,
        change.after,
        previous,
        hash
    ])?;
    Ok(())
}

/// Rows after `seq`, oldest first, at most `limit`.
pub(super) fn list(connection: &Connection, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
    let mut rows = connection.prepare_cached("SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = rows.query_map(params![after, limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn verify(connection: &Connection) -> Result<AuditVerdict, StoreError> {
    let mut rows = connection.prepare("SELECT * FROM audit ORDER BY seq")?;
    let (mut count, mut head) = (0, [0; 32]);
    for row in rows.query_map([], read)? {
        let row = row?;
        let change = Change {
            at: row.at,
            actor: &row.actor,
            action: "",
            subject: &row.subject,
            before: row.before,
            after: row.after,
        };
        let fits =
            row.seq == count + 1 && row.previous == head && row.hash == chain_of(&head, row.seq, &change, &row.action);
        if !fits {
            return Ok(AuditVerdict::Broken { seq: row.seq });
        }
        (count, head) = (row.seq, row.hash);
    }
    Ok(AuditVerdict::Whole { rows: count, head })
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        seq: row.get(0)?,
        at: Moment::from_micros(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        before: row.get(5)?,
        after: row.get(6)?,
        previous: row.get(7)?,
        hash: row.get(8)?,
    })
}

fn chain(previous: &[u8; 32], seq: i64, change: &Change<'_>) -> [u8; 32] {
    chain_of(previous, seq, change, change.action)
}

/// Every part has its length before it: no two rows read the same.
fn chain_of(previous: &[u8; 32], seq: i64, change: &Change<'_>, action: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&SHA256);
    let mut add = |part: &[u8]| {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    };
    add(previous);
    add(&seq.to_be_bytes());
    add(&change.at.micros().to_be_bytes());
    add(change.actor.as_bytes());
    add(action.as_bytes());
    add(change.subject.as_bytes());
    add(change.before.as_ref().map_or(&[], |hash| &hash[..]));
    add(change.after.as_ref().map_or(&[], |hash| &hash[..]));
    bytes(&context.finish())
}

/// SHA-256.
pub(super) fn hash(state: &[u8]) -> [u8; 32] {
    bytes(&digest::digest(&SHA256, state))
}

fn bytes(digest: &digest::Digest) -> [u8; 32] {
    // SHA-256 is 32 bytes long; zeros would match nothing.
    digest.as_ref().try_into().unwrap_or([0; 32])
}
