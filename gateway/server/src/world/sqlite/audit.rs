//! The audit log as rows.

use portcullis_core::moment::Moment;
use rusqlite::{Connection, Row, Transaction, params};

use crate::world::store::{AuditEntry, AuditHead, AuditRow, StoreError};

/// Appends within the transaction of the change itself: both are kept, or neither.
pub(super) fn append(within: &Transaction<'_>, entry: &AuditEntry) -> Result<(), StoreError> {
    let last = head(within)?;
    let AuditHead { seq, hash } = entry.follow(last);
    within.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(params![
        seq,
        entry.at.micros(),
        entry.actor,
        entry.action,
        entry.subject,
        entry.before,
        entry.after,
        last.hash,
        hash
    ])?;
    within.prepare_cached("UPDATE state SET audit_seq = ?1, audit_hash = ?2")?.execute(params![seq, hash])?;
    Ok(())
}

pub(super) fn head(connection: &Connection) -> Result<AuditHead, StoreError> {
    let mut query = connection.prepare_cached("SELECT audit_seq, audit_hash FROM state")?;
    Ok(query.query_row([], |row| Ok(AuditHead { seq: row.get(0)?, hash: row.get(1)? }))?)
}

/// Rows after `seq`, oldest first, at most `limit`.
pub(super) fn list(connection: &Connection, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
    let mut rows = connection.prepare_cached("SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = rows.query_map(params![after, limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
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
