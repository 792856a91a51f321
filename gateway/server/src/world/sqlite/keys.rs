//! API keys as rows.

use std::sync::Arc;

use portcullis_core::identify::KeyRecord;
use portcullis_core::moment::Moment;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use serde_json::{Map, Value};

use super::StoreError;
use super::audit::{self, Change};

const COLUMNS: &str =
    "id, name, owner, roles, scopes, metadata, hash, created_at, expires_at, revoked_at, last_used_at";

/// A key to be made. The secret itself never comes here.
#[derive(Clone, Debug, PartialEq)]
pub struct NewKey {
    /// Base62, the public part of the key.
    pub id: String,
    pub name: String,
    pub owner: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    pub metadata: Map<String, Value>,
    /// SHA-256 of the whole key text.
    pub hash: [u8; 32],
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
}

/// A key and what is known of its use.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    pub record: Arc<KeyRecord>,
    /// Some seconds behind, and may be lost at a crash.
    pub last_used_at: Option<Moment>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub keys: Vec<StoredKey>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

pub(super) fn create(connection: &mut Connection, key: NewKey, actor: &str) -> Result<Arc<KeyRecord>, StoreError> {
    let record = KeyRecord {
        id: key.id,
        name: key.name,
        owner: key.owner,
        roles: key.roles,
        scopes: key.scopes,
        metadata: key.metadata,
        hash: key.hash,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: None,
    };
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let inserted = change
        .prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, NULL)")?
        .execute(params![
            record.id,
            record.name,
            record.owner,
            json(&record.roles)?,
            json(&record.scopes)?,
            json(&record.metadata)?,
            record.hash,
            record.created_at.micros(),
            record.expires_at.map(Moment::micros),
        ]);
    match inserted {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Err(StoreError::Conflict);
        }
        other => other?,
    };
    let after = Some(state(&record)?);
    let at = record.created_at;
    audit::append(&change, &Change { at, actor, action: "key.create", subject: &record.id, before: None, after })?;
    change.commit()?;
    Ok(Arc::new(record))
}

pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<StoredKey>, StoreError> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE id = ?1"))?;
    Ok(query.query_row([id], read).optional()?)
}

pub(super) fn list(
    connection: &Connection,
    owner: Option<&str>,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page, StoreError> {
    let (created_at, id) = cursor.map_or(Ok((i64::MIN, "")), place)?;
    // One more than asked for tells whether there is a next page.
    let most = limit.saturating_add(1);
    let rows: Result<Vec<StoredKey>, _> = match owner {
        Some(owner) => connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM keys WHERE owner = ?1 AND (created_at, id) > (?2, ?3) \
                 ORDER BY created_at, id LIMIT ?4"
            ))?
            .query_map(params![owner, created_at, id, most], read)?
            .collect(),
        None => connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM keys WHERE (created_at, id) > (?1, ?2) ORDER BY created_at, id LIMIT ?3"
            ))?
            .query_map(params![created_at, id, most], read)?
            .collect(),
    };
    let mut keys = rows?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|last| {
        let KeyRecord { id, created_at, .. } = &*last.record;
        format!("{}.{id}", created_at.micros())
    });
    Ok(Page { keys, next })
}

/// Revokes; one that is revoked already stays as it is, without a word in the log. `None`: no such key.
pub(super) fn revoke(
    connection: &mut Connection,
    id: &str,
    actor: &str,
    now: Moment,
) -> Result<Option<Arc<KeyRecord>>, StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(StoredKey { record: before, .. }) = find(&change, id)? else { return Ok(None) };
    if before.revoked_at.is_some() {
        return Ok(Some(before));
    }
    let after = KeyRecord { revoked_at: Some(now), ..KeyRecord::clone(&before) };
    change.prepare_cached("UPDATE keys SET revoked_at = ?2 WHERE id = ?1")?.execute(params![id, now.micros()])?;
    let (before, hash) = (Some(state(&before)?), Some(state(&after)?));
    audit::append(&change, &Change { at: now, actor, action: "key.revoke", subject: id, before, after: hash })?;
    change.commit()?;
    Ok(Some(Arc::new(after)))
}

/// Notes when keys were last used; an earlier time than the known one changes nothing. No word in the log.
pub(super) fn touch(
    connection: &mut Connection,
    used: impl Iterator<Item = (Box<str>, Moment)>,
) -> Result<(), StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut update = change.prepare_cached(
            "UPDATE keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        )?;
        for (id, at) in used {
            update.execute(params![id, at.micros()])?;
        }
    }
    Ok(change.commit()?)
}

/// What the audit log vouches for: the record as JSON.
fn state(record: &KeyRecord) -> Result<[u8; 32], StoreError> {
    Ok(audit::hash(json(record)?.as_bytes()))
}

fn place(cursor: &str) -> Result<(i64, &str), StoreError> {
    let (created_at, id) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
    Ok((created_at.parse().map_err(|_| StoreError::Cursor)?, id))
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let time = |at| row.get::<_, Option<i64>>(at).map(|micros| micros.map(Moment::from_micros));
    let record = KeyRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        owner: row.get(2)?,
        roles: parsed(row, 3)?,
        scopes: parsed(row, 4)?,
        metadata: parsed(row, 5)?,
        hash: row.get(6)?,
        created_at: Moment::from_micros(row.get(7)?),
        expires_at: time(8)?,
        revoked_at: time(9)?,
    };
    Ok(StoredKey { record: Arc::new(record), last_used_at: time(10)? })
}

fn parsed<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    serde_json::from_str(text).map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, error.into()))
}
