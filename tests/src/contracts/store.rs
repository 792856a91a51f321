//! What every implementation of `world::store::Store` must do.
//!
//! Each test takes two [`Replicas`]: stores opened for themselves on the same records, as two gateways have them.

mod changes;
mod commits;
mod lists;
mod model;

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::moment::Moment;
use portcullis_server::world::store::{AuditEntry, Commit, Draft, Expect, Kind, Record, Store};

use crate::clock::TestClock;

pub use changes::{forgets_nothing_that_was_said_while_it_was_not_listening, hears_of_every_change};
pub use commits::{
    counts_without_a_lost_update, gives_a_lease_to_one_and_again_when_it_ends, keeps_bodies_and_ids_as_they_are,
    keeps_one_chain_whoever_writes, makes_all_of_a_commit_or_nothing, refuses_what_is_beyond_its_bounds,
    stops_when_it_is_closed, writes_only_what_was_expected,
};
pub use lists::{
    lists_in_order_page_by_page, lists_nothing_that_has_expired_and_sweeps_it, moves_a_record_with_its_tags,
};
pub use model::does_what_a_table_would;

/// Two stores on the same records.
pub struct Replicas {
    pub one: Arc<dyn Store>,
    pub two: Arc<dyn Store>,
    /// The clock of both.
    pub clock: Arc<TestClock>,
}

fn at(seconds: i64) -> Moment {
    Moment::from_seconds(seconds)
}

/// A session that never ends, in the first second.
fn draft(id: &str, body: &str) -> Draft {
    Draft {
        kind: Kind::Session,
        id: Arc::from(id),
        body: Bytes::copy_from_slice(body.as_bytes()),
        tags: Vec::new(),
        created_at: at(1),
        expires_at: None,
    }
}

fn put(id: &str, body: &str, expect: Expect) -> Commit {
    Commit::put(draft(id, body), expect)
}

fn word(action: &'static str) -> AuditEntry {
    let (at, actor, subject) = (at(7), "alice ü".to_owned(), "a subject".to_owned());
    AuditEntry { at, actor, action: action.into(), subject, before: None, after: Some([3; 32]) }
}

async fn read(store: &dyn Store, id: &str) -> Option<Record> {
    store.read(Kind::Session, id).await.unwrap()
}

async fn body(store: &dyn Store, id: &str) -> Option<String> {
    read(store, id).await.map(|record| String::from_utf8(record.body.to_vec()).unwrap())
}
