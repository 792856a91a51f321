//! Whoever can write the store of Redis can change the audit log there: where is it found?

use std::path::Path;
use std::sync::Arc;

use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use portcullis_server::world;
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::store::{AuditEntry, AuditVerdict, Commit, audit};
use portcullis_tests::redis::Redis;
use redis::Value;
use redis::aio::MultiplexedConnection;

use super::store::config;

const LOG: &str = "ptcl:{store}:audit";

/// An id, and all that stands there.
type Row = (String, Vec<Value>);

async fn rows(behind: &mut MultiplexedConnection) -> Vec<Row> {
    let mut asking = redis::cmd("XRANGE");
    asking.arg(LOG).arg("-").arg("+").query_async(behind).await.unwrap()
}

/// Writes another log in the place of the one there is.
async fn put(behind: &mut MultiplexedConnection, rows: &[Row]) {
    redis::cmd("DEL").arg(LOG).query_async::<()>(behind).await.unwrap();
    for (id, fields) in rows {
        let mut adding = redis::cmd("XADD");
        adding.arg(LOG).arg(id);
        for field in fields {
            let Value::BulkString(bytes) = field else { panic!("{field:?}") };
            adding.arg(bytes);
        }
        adding.query_async::<()>(behind).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_a_dropped_and_a_moved_row_are_found_and_a_log_that_was_cut_off() {
    let server = Redis::start().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let store = world::open(&config(&server.url()), Path::new("."), &clock).await.unwrap();
    for subject in ["a", "b", "c", "d"] {
        let (at, actor) = (Moment::from_seconds(1), "alice".to_owned());
        let (subject, action) = (subject.to_owned(), "key.create".into());
        let entry = AuditEntry { at, actor, action, subject, before: None, after: None };
        store.commit(Commit::default().audited(entry)).await.unwrap();
    }
    let mut behind = server.behind().await;
    let whole = rows(&mut behind).await;
    assert_eq!(whole.len(), 4);
    let moved = |one: usize, other: usize| {
        let mut rows = whole.clone();
        let (first, second) = (rows[one].1.clone(), rows[other].1.clone());
        (rows[one].1, rows[other].1) = (second, first);
        rows
    };
    let without = |gone: &[usize]| {
        let kept = whole.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        kept.map(|(_, row)| row.clone()).collect::<Vec<_>>()
    };
    let mut altered = whole.clone();
    for field in &mut altered[1].1 {
        if *field == Value::BulkString(b"alice".to_vec()) {
            *field = Value::BulkString(b"mallory".to_vec());
        }
    }
    assert_ne!(altered, whole);
    for (what, rows, verdict) in [
        ("altered", altered, AuditVerdict::Broken { seq: 2 }),
        ("dropped", without(&[1]), AuditVerdict::Broken { seq: 3 }),
        ("the first dropped", without(&[0]), AuditVerdict::Broken { seq: 2 }),
        ("moved", moved(1, 2), AuditVerdict::Broken { seq: 2 }),
        ("cut off", without(&[2, 3]), AuditVerdict::Cut { seq: 3 }),
        ("all cut off", without(&[0, 1, 2, 3]), AuditVerdict::Cut { seq: 1 }),
    ] {
        put(&mut behind, &rows).await;
        assert_eq!(audit::verify(&*store).await, Ok(verdict), "{what}");
    }
    put(&mut behind, &whole).await;
    assert!(matches!(audit::verify(&*store).await, Ok(AuditVerdict::Whole { rows: 4, .. })));
}
