//! Records as rows.

use std::sync::Arc;

use portcullis_core::moment::Moment;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::audit;
use crate::world::store::{Commit, Draft, Expect, Kind, Listing, Page, Record, StoreError, Write};

/// What a request waits for.
pub(super) const ONE: &str = "SELECT id, version, body, tags, created_at, expires_at FROM records \
                              WHERE kind = ?1 AND id = ?2 AND (expires_at IS NULL OR expires_at > ?3)";

pub(super) fn read_all(
    connection: &mut Connection,
    kind: Kind,
    ids: &[Arc<str>],
    now: Moment,
) -> Result<Vec<Option<Record>>, StoreError> {
    // One transaction, so that all are of one instant.
    let reading = connection.transaction()?;
    let mut query = reading.prepare_cached(ONE)?;
    ids.iter()
        .map(|id| Ok(query.query_row(params![kind.name(), &**id, now.micros()], |row| read(kind, row)).optional()?))
        .collect()
}

pub(super) fn list(connection: &Connection, listing: Listing<'_>, now: Moment) -> Result<Page, StoreError> {
    let (created_at, id) = listing.place()?;
    let (kind, most) = (listing.kind, listing.most());
    let mut query = connection.prepare_cached(match listing.tag {
        Some(_) => {
            "SELECT r.id, r.version, r.body, r.tags, r.created_at, r.expires_at \
             FROM tags t CROSS JOIN records r ON r.place = t.place \
             WHERE t.kind = ?1 AND t.tag = ?5 AND (t.created_at, t.id) > (?2, ?3) \
             AND (r.expires_at IS NULL OR r.expires_at > ?4) ORDER BY t.created_at, t.id"
        }
        None => {
            "SELECT id, version, body, tags, created_at, expires_at FROM records \
             WHERE kind = ?1 AND (created_at, id) > (?2, ?3) AND (expires_at IS NULL OR expires_at > ?4) \
             ORDER BY created_at, id"
        }
    })?;
    let mut rows = match listing.tag {
        Some(tag) => query.query(params![kind.name(), created_at, id, now.micros(), tag])?,
        None => query.query(params![kind.name(), created_at, id, now.micros()])?,
    };
    let (mut page, mut size) = (Page::default(), 0);
    while let Some(row) = rows.next()? {
        let record = read(kind, row)?;
        size += record.body.len();
        // One more than fits tells that there is a next page.
        if let Some(last) = page.records.last()
            && (page.records.len() >= most || size > Listing::LARGEST)
        {
            page.next = Some(Page::cursor(last));
            break;
        }
        page.records.push(record);
    }
    Ok(page)
}

pub(super) fn commit(connection: &mut Connection, commit: &Commit, now: Moment) -> Result<u64, StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = change
        .prepare_cached("UPDATE state SET commits = commits + 1 RETURNING commits")?
        .query_row([], |row| row.get(0))?;
    for write in &commit.writes {
        let (kind, id) = write.place();
        let known = known(&change, kind, id)?;
        expected(write.expect(), known.as_ref(), now)?;
        match (write, known) {
            (Write::Put { record, .. }, known) => put(&change, record, known.as_ref(), version)?,
            (Write::Remove { .. }, Some(known)) => remove(&change, known.place)?,
            (Write::Remove { .. }, None) => {}
        }
    }
    if let Some(entry) = &commit.audit {
        audit::append(&change, entry)?;
    }
    change.commit()?;
    Ok(u64::try_from(version).unwrap_or(0))
}

/// Removes expired records, at most `most`; how many.
pub(super) fn sweep(connection: &mut Connection, now: Moment, most: usize) -> Result<usize, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut sweep = connection.prepare_cached(
        "DELETE FROM records WHERE place IN (SELECT place FROM records WHERE expires_at <= ?1 LIMIT ?2)",
    )?;
    Ok(sweep.execute(params![now.micros(), most])?)
}

/// What stands in a place, expired or not.
pub(super) struct Known {
    place: i64,
    version: i64,
    tags: String,
    created_at: i64,
    expires_at: Option<i64>,
}

fn known(change: &Transaction<'_>, kind: Kind, id: &str) -> Result<Option<Known>, StoreError> {
    let mut query = change.prepare_cached(
        "SELECT place, version, tags, created_at, expires_at FROM records WHERE kind = ?1 AND id = ?2",
    )?;
    let known = query.query_row([kind.name(), id], |row| {
        Ok(Known {
            place: row.get(0)?,
            version: row.get(1)?,
            tags: row.get(2)?,
            created_at: row.get(3)?,
            expires_at: row.get(4)?,
        })
    });
    Ok(known.optional()?)
}

fn expected(expect: Expect, known: Option<&Known>, now: Moment) -> Result<(), StoreError> {
    let live = known.filter(|known| known.expires_at.is_none_or(|end| end > now.micros()));
    let version = live.map(|known| u64::try_from(known.version).unwrap_or(0));
    let met = match expect {
        Expect::Absent => version.is_none(),
        Expect::Any => true,
        Expect::Version(wanted) => version == Some(wanted),
    };
    if met { Ok(()) } else { Err(StoreError::Conflict) }
}

pub(super) fn put(
    change: &Transaction<'_>,
    record: &Draft,
    known: Option<&Known>,
    version: i64,
) -> Result<(), StoreError> {
    let tags = serde_json::to_string(&record.tags).map_err(|error| StoreError::Failed(error.to_string()))?;
    let (created_at, expires_at) = (record.created_at.micros(), record.expires_at.map(Moment::micros));
    let kind = record.kind.name();
    let place = if let Some(known) = known {
        change
            .prepare_cached(
                "UPDATE records SET version = ?2, body = ?3, tags = ?4, created_at = ?5, expires_at = ?6 \
                 WHERE place = ?1",
            )?
            .execute(params![known.place, version, &record.body[..], tags, created_at, expires_at])?;
        if known.tags == tags && known.created_at == created_at {
            return Ok(());
        }
        change.prepare_cached("DELETE FROM tags WHERE place = ?1")?.execute([known.place])?;
        known.place
    } else {
        change
            .prepare_cached(
                "INSERT INTO records (kind, id, version, body, tags, created_at, expires_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![kind, &*record.id, version, &record.body[..], tags, created_at, expires_at])?;
        change.last_insert_rowid()
    };
    let mut insert = change.prepare_cached("INSERT INTO tags VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for tag in &record.tags {
        insert.execute(params![kind, &**tag, created_at, &*record.id, place])?;
    }
    Ok(())
}

/// Its tags go with it.
fn remove(change: &Transaction<'_>, place: i64) -> Result<(), StoreError> {
    change.prepare_cached("DELETE FROM records WHERE place = ?1")?.execute([place])?;
    Ok(())
}

fn read(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Record> {
    let tags = serde_json::from_str(row.get_ref(3)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, error.into()))?;
    Ok(Record {
        kind,
        id: Arc::from(row.get_ref(0)?.as_str()?),
        version: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        body: row.get_ref(2)?.as_blob()?.to_vec().into(),
        tags,
        created_at: Moment::from_micros(row.get(4)?),
        expires_at: row.get::<_, Option<i64>>(5)?.map(Moment::from_micros),
    })
}
