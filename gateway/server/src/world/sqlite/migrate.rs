//! From the formats of older versions to this one's, step by step, all in one transaction.

use portcullis_core::identify::{KeyRecord, KeyTerms};
use portcullis_core::moment::Moment;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::de::DeserializeOwned;

use super::records;
use crate::world::store::revocations::{self, Revocation};
use crate::world::store::{Draft, Kind, StoreError, keys};

/// The greatest format this version knows (`PRAGMA user_version`).
pub(super) const KNOWN: i64 = 3;

/// Marks the file as ours: `ptcl` in ASCII (`PRAGMA application_id`).
pub(super) const OURS: i64 = 0x7074_636c;

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if format(connection)? == KNOWN {
        return Ok(());
    }
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it while we waited for the lock.
    let done = format(&change)?;
    if done < 1 {
        change.execute_batch(include_str!("0001.sql"))?;
    }
    if done < 2 {
        change.execute_batch(include_str!("0002.sql"))?;
    }
    if done < 3 {
        change.execute_batch(include_str!("0003.sql"))?;
        to_records(&change)?;
    }
    change.pragma_update(None, "application_id", OURS)?;
    change.pragma_update(None, "user_version", KNOWN)?;
    Ok(change.commit()?)
}

pub(super) fn format(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Format 3: every kind of row becomes a record, as written by the first commit.
fn to_records(change: &Transaction<'_>) -> Result<(), StoreError> {
    let version = 1;
    let head = change.query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
    });
    let (seq, hash) = head.optional()?.unwrap_or_default();
    change.execute("INSERT INTO state VALUES (1, ?1, ?2, ?3)", params![version, seq, hash])?;

    let mut rows = change.prepare("SELECT * FROM keys")?;
    for key in rows.query_map([], |row| Ok((key(row)?, row.get::<_, Option<i64>>("last_used_at")?)))? {
        let (key, used) = key?;
        records::put(change, &keys::draft(&key)?, None, version)?;
        if let Some(used) = used {
            records::put(change, &keys::usage(&key.id, Moment::from_micros(used))?, None, version)?;
        }
    }
    let mut rows = change.prepare("SELECT * FROM revocations")?;
    for entry in rows.query_map([], revocation)? {
        records::put(change, &revocations::draft(&entry?)?, None, version)?;
    }
    let admin = change.query_row("SELECT value FROM meta WHERE name = 'admin_key_hash'", [], |row| row.get(0));
    if let Some(hash) = admin.optional()? {
        let created_at = change.query_row("SELECT coalesce(max(at), 0) FROM audit", [], |row| row.get(0))?;
        let record = Draft {
            kind: Kind::Meta,
            id: crate::world::store::AdminKey::ID.into(),
            body: crate::world::store::AdminKey::body(hash)?,
            tags: Vec::new(),
            created_at: Moment::from_micros(created_at),
            expires_at: None,
        };
        records::put(change, &record, None, version)?;
    }
    change.execute_batch("DROP TABLE keys; DROP TABLE revocations; DROP TABLE meta;")?;
    Ok(())
}

fn key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        owner: row.get("owner")?,
        roles: list(row, "roles")?,
        scopes: list(row, "scopes")?,
        metadata: list(row, "metadata")?,
        hash: row.get("hash")?,
        created_at: Moment::from_micros(row.get("created_at")?),
        expires_at: time(row, "expires_at")?,
        terms: KeyTerms::default(),
        revoked_at: time(row, "revoked_at")?,
    })
}

fn revocation(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    Ok(Revocation {
        id: row.get("id")?,
        issuer: row.get("issuer")?,
        jti: row.get("jti")?,
        sub: row.get("sub")?,
        before: time(row, "before")?,
        reason: row.get("reason")?,
        created_at: Moment::from_micros(row.get("created_at")?),
        expires_at: time(row, "expires_at")?,
    })
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Moment>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Moment::from_micros))
}

/// A column that holds JSON.
fn list<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))
}
