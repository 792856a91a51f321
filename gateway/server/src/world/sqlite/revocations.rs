//! Taken-back tokens as rows. All of them are in memory too, where requests look.

use portcullis_core::identify::{Revocations, Revoked};
use portcullis_core::moment::Moment;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::StoreError;
use super::audit::{self, Change};

/// The most entries at a time. Those that have ended make room.
const MOST: i64 = 100_000;

const COLUMNS: &str = "id, issuer, jti, sub, before, reason, created_at, expires_at";

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
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

pub(super) fn add(connection: &mut Connection, entry: &Revocation, actor: &str) -> Result<(), StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let at = entry.created_at;
    change.prepare_cached("DELETE FROM revocations WHERE expires_at <= ?1")?.execute([at.micros()])?;
    let count: i64 = change.query_row("SELECT count(*) FROM revocations", [], |row| row.get(0))?;
    if count >= MOST {
        return Err(StoreError::Failed(format!("the list of revocations has {MOST} entries, and no more fit")));
    }
    change.prepare_cached("INSERT INTO revocations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        entry.id,
        entry.issuer,
        entry.jti,
        entry.sub,
        entry.before.map(Moment::micros),
        entry.reason,
        at.micros(),
        entry.expires_at.map(Moment::micros),
    ])?;
    let after = Some(state(entry)?);
    audit::append(
        &change,
        &Change { at, actor, action: "revocation.create", subject: &entry.id, before: None, after },
    )?;
    Ok(change.commit()?)
}

/// Takes an entry off the list; `None`: no such entry.
pub(super) fn remove(connection: &mut Connection, id: &str, actor: &str, at: Moment) -> Result<Option<()>, StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = format!("SELECT {COLUMNS} FROM revocations WHERE id = ?1");
    let Some(entry) = change.query_row(&sql, [id], read).optional()? else { return Ok(None) };
    change.execute("DELETE FROM revocations WHERE id = ?1", [id])?;
    let before = Some(state(&entry)?);
    audit::append(&change, &Change { at, actor, action: "revocation.delete", subject: id, before, after: None })?;
    change.commit()?;
    Ok(Some(()))
}

pub(super) fn list(connection: &Connection, limit: u32, cursor: Option<&str>) -> Result<RevocationPage, StoreError> {
    let (created_at, id) = match cursor {
        None => (i64::MIN, ""),
        Some(cursor) => {
            let (created_at, id) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
            (created_at.parse().map_err(|_| StoreError::Cursor)?, id)
        }
    };
    // One more than asked for tells whether there is a next page.
    let most = limit.saturating_add(1);
    let mut rows = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM revocations WHERE (created_at, id) > (?1, ?2) ORDER BY created_at, id LIMIT ?3"
    ))?;
    let mut entries: Vec<Revocation> =
        rows.query_map(params![created_at, id, most], read)?.collect::<Result<_, _>>()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| format!("{}.{}", last.created_at.micros(), last.id));
    Ok(RevocationPage { entries, next })
}

/// All of them, as requests look at them.
pub(super) fn all(connection: &Connection) -> Result<Revocations, StoreError> {
    let mut rows = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM revocations"))?;
    let mut list = Revocations::default();
    for entry in rows.query_map([], read)? {
        let entry = entry?;
        let what = match (entry.jti, entry.sub, entry.before) {
            (Some(id), ..) => Revoked::Id(id.into()),
            (None, Some(subject), Some(before)) => Revoked::Subject { subject: subject.into(), before },
            (None, ..) => return Err(StoreError::Damaged("a revocation is about nothing".to_owned())),
        };
        list.add(&entry.issuer, what, entry.expires_at);
    }
    Ok(list)
}

fn state(entry: &Revocation) -> Result<[u8; 32], StoreError> {
    let text = serde_json::to_vec(entry).map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(audit::hash(&text))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    let time = |at| row.get::<_, Option<i64>>(at).map(|micros| micros.map(Moment::from_micros));
    Ok(Revocation {
        id: row.get(0)?,
        issuer: row.get(1)?,
        jti: row.get(2)?,
        sub: row.get(3)?,
        before: time(4)?,
        reason: row.get(5)?,
        created_at: Moment::from_micros(row.get(6)?),
        expires_at: time(7)?,
    })
}
