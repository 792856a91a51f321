use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use portcullis_core::ports::RevokedTokens;
use rusqlite::types::Value;
use rusqlite::{Connection, StatementStatus};

use super::Sqlite;
use crate::world::clock::SystemClock;
use crate::world::store::tests::{ask, at, comes_true, key, open, place, remembered, store};
use crate::world::store::{AuditVerdict, Commit, Draft, Expect, Kind, StoreError, Stored, Write};

fn refusal(path: &Path) -> (StoreError, String) {
    match Sqlite::open(path, Arc::new(SystemClock::start())) {
        Ok(_) => panic!("opened"),
        Err(error) => (error.error.clone(), error.to_string().replace(&path.display().to_string(), "FILE")),
    }
}

#[tokio::test]
async fn refuses_a_file_of_a_newer_version_and_leaves_it_alone() {
    let (_folder, path, store) = store().await;
    drop(store);
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 4).unwrap();
    assert_eq!(
        refusal(&path),
        (
            StoreError::Newer { found: 4, known: 3 },
            "cannot use the store `FILE`: it has format 4, and this version knows no format above 3; run the newer \
             version, or restore the backup made before it ran"
                .to_owned()
        )
    );
    assert_eq!(other.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)), Ok(4));
}

#[test]
fn refuses_the_database_of_another_program() {
    let (_folder, path) = place();
    fs::create_dir(path.parent().unwrap()).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    assert_eq!(refusal(&path).0, StoreError::Foreign);
}

#[tokio::test]
async fn refuses_a_damaged_file_and_says_how_to_restore_it() {
    let (_folder, path, store) = store().await;
    for number in 0..200 {
        store.keys.create(key(&format!("key{number}"), "a", number), "test").await.unwrap();
    }
    drop(store);
    // Everything into the one file, whoever closes it last.
    Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    // Beside the first: its locks and its log are not this file's.
    let damaged = path.with_file_name("damaged.db");
    fs::write(&damaged, &bytes).unwrap();
    let (error, text) = refusal(&damaged);
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert!(
        text.ends_with(
            "to restore it, stop every gateway that uses it, move `FILE`, `FILE-wal` and `FILE-shm` aside, and put the \
         newest backup in their place, or what `sqlite3 FILE .recover` can still read"
        ),
        "{text}"
    );
    assert_eq!(fs::read(&damaged).unwrap(), bytes, "refused untouched");

    let no_database = path.with_file_name("text.db");
    fs::write(&no_database, "this is no database, whatever its name may say. ".repeat(100)).unwrap();
    assert!(matches!(refusal(&no_database).0, StoreError::Damaged(_)));
}

#[tokio::test]
async fn refuses_a_file_that_another_process_holds() {
    let (_folder, path) = place();
    drop(open(&path).await);
    let held = path.with_file_name("held.db");
    let other = Connection::open(&held).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE t (x);").unwrap();
    let (error, text) = refusal(&held);
    assert_eq!(error, StoreError::Locked);
    assert!(text.contains("another process holds the store; stop it"), "{text}");
}

#[test]
fn refuses_a_folder_that_cannot_be_made() {
    let (folder, path) = place();
    fs::write(folder.path().join("data"), "a file").unwrap();
    assert!(matches!(refusal(&path).0, StoreError::Failed(_)));
}

#[tokio::test]
async fn keeps_its_files_to_itself() {
    let (folder, path, _store) = store().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
    let lax = folder.path().join("open.db");
    fs::write(&lax, "").unwrap();
    fs::set_permissions(&lax, fs::Permissions::from_mode(0o644)).unwrap();
    open(&lax).await;
    assert_eq!(mode(&lax), 0o600);
}

#[tokio::test]
async fn writes_nothing_when_the_disk_is_full_and_goes_on_serving() {
    let (_folder, path) = place();
    let sqlite = Arc::new(Sqlite::open(&path, Arc::new(SystemClock::start())).unwrap());
    let store = Stored::open(Arc::clone(&sqlite) as _).await.unwrap();
    store.keys.create(key("good", "a", 1), "test").await.unwrap();
    ask(&store, "good").await.unwrap();
    let pages = |most: &'static str| {
        sqlite.run(move |desk| Ok(desk.connection.query_row(most, [], |row| row.get::<_, i64>(0))?))
    };
    pages("PRAGMA max_page_count = 1").await.unwrap();
    let mut large = key("large", "a", 2);
    large.name = "x".repeat(100_000);
    assert_eq!(store.keys.create(large.clone(), "test").await, Err(StoreError::Full));
    assert_eq!(remembered(&store, "good").unwrap().unwrap().id, "good");
    assert_eq!(ask(&store, "large").await, Ok(None));
    pages("PRAGMA max_page_count = 1000000").await.unwrap();
    store.keys.create(large, "test").await.unwrap();
    assert!(matches!(store.verify_audit().await, Ok(AuditVerdict::Whole { rows: 2, .. })));
}

#[tokio::test]
async fn refuses_to_write_while_another_process_does_and_goes_on_serving() {
    let (_folder, path, store) = store().await;
    store.keys.create(key("good", "a", 1), "test").await.unwrap();
    ask(&store, "good").await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (written, served) =
        tokio::join!(store.keys.create(key("late", "a", 2), "test"), async { remembered(&store, "good") });
    assert_eq!(written, Err(StoreError::Locked));
    assert_eq!(served.unwrap().unwrap().id, "good");
    other.execute_batch("ROLLBACK").unwrap();
    store.keys.create(key("late", "a", 2), "test").await.unwrap();
}

#[tokio::test]
async fn sees_what_another_process_writes() {
    let (_folder, path, store) = store().await;
    let other = open(&path).await;
    assert_eq!(ask(&store, "abc").await, Ok(None));
    other.keys.create(key("abc", "a", 1), "cli").await.unwrap();
    comes_true("the new key shows", async || ask(&store, "abc").await.unwrap().is_some()).await;
    other.keys.revoke("abc", "cli", at(5)).await.unwrap();
    comes_true("the revocation shows", async || ask(&store, "abc").await.unwrap().unwrap().revoked_at.is_some()).await;
    comes_true("it is in memory again", async || remembered(&store, "abc").is_some()).await;
}

#[tokio::test]
async fn finds_what_was_changed_in_the_audit_log() {
    let check = async |tamper: &str, expected: Option<i64>| {
        let (_folder, path, store) = store().await;
        for number in 0..3 {
            store.keys.create(key(&format!("k{number}"), "a", number), "alice").await.unwrap();
        }
        store.keys.revoke("k0", "bob", at(9)).await.unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("DROP TRIGGER audit_stays; DROP TRIGGER audit_is_kept;").unwrap();
        other.execute_batch(tamper).unwrap();
        match (store.verify_audit().await.unwrap(), expected) {
            (AuditVerdict::Broken { seq }, Some(expected)) => assert_eq!(seq, expected, "{tamper}"),
            (AuditVerdict::Whole { rows, head }, None) => assert!(rows == 4 && head != [0; 32], "{tamper}"),
            (verdict, _) => panic!("{tamper}: {verdict:?}"),
        }
    };
    check("UPDATE audit SET actor = 'mallory' WHERE seq = 2", Some(2)).await;
    check("UPDATE audit SET action = 'key.revoke', subject = 'k1' WHERE seq = 2", Some(2)).await;
    check("UPDATE audit SET after_hash = NULL WHERE seq = 3", Some(3)).await;
    check("UPDATE audit SET at = 0 WHERE seq = 4", Some(4)).await;
    check("DELETE FROM audit WHERE seq = 1", Some(2)).await;
    check("DELETE FROM audit WHERE seq = 3", Some(4)).await;
    check(
        "UPDATE audit SET seq = 9 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 \
         WHERE seq = 9",
        Some(2),
    )
    .await;
    check("", None).await;
}

#[tokio::test]
async fn misses_what_was_cut_off_the_end_of_the_audit_log() {
    let (_folder, path, store) = store().await;
    for number in 0..3 {
        store.keys.create(key(&format!("k{number}"), "a", number), "alice").await.unwrap();
    }
    let other = Connection::open(&path).unwrap();
    other.execute_batch("DROP TRIGGER audit_is_kept; DELETE FROM audit WHERE seq > 1").unwrap();
    assert_eq!(store.verify_audit().await, Ok(AuditVerdict::Cut { seq: 2 }));
    other.execute_batch("DELETE FROM audit").unwrap();
    assert_eq!(store.verify_audit().await, Ok(AuditVerdict::Cut { seq: 1 }));
}

#[tokio::test]
async fn brings_a_file_of_format_2_along_without_loss() {
    let (_folder, path) = place();
    fs::create_dir(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("0001.sql")).unwrap();
    old.execute_batch(include_str!("0002.sql")).unwrap();
    old.execute_batch(include_str!("tests/format2.sql")).unwrap();
    drop(old);

    let store = open(&path).await;
    let page = store.keys.list(Some("ops"), 10, None).await.unwrap();
    let told: Vec<_> = page.keys.iter().map(|key| (&*key.record.id, key.record.revoked_at, key.last_used_at)).collect();
    assert_eq!(told, [("k1", None, Some(at(9))), ("k2", Some(at(5)), None)]);
    let first = page.keys.first().unwrap();
    assert_eq!((&first.record.metadata, first.record.hash), (&key("", "", 0).metadata, [0xab; 32]));
    assert_eq!(store.keys.list(None, 10, None).await.unwrap().keys.len(), 3);
    let list = store.revocations.list(10, None).await.unwrap().entries;
    let told: Vec<_> = list.iter().map(|entry| (&*entry.id, entry.jti.as_deref(), entry.before)).collect();
    assert_eq!(told, [("r1", Some("t1"), None), ("r2", None, Some(at(7)))]);
    assert_eq!(RevokedTokens::current(&store.revocations).len(), 2);
    assert_eq!(store.admin_key.hash().await, Ok(Some([0xcd; 32])));
    // The chain goes on where it stood.
    store.keys.revoke("k1", "bob", at(20)).await.unwrap().unwrap();
    let rows = store.audit(0, 10).await.unwrap();
    assert_eq!((rows.len(), rows.last().unwrap().previous), (2, rows.first().unwrap().hash));
    assert!(matches!(store.verify_audit().await, Ok(AuditVerdict::Whole { rows: 2, .. })));
    drop(store);
    assert_eq!(open(&path).await.keys.list(None, 10, None).await.unwrap().keys.len(), 3);
}

#[tokio::test]
async fn lets_nobody_change_the_audit_log_by_the_way() {
    let (_folder, path, store) = store().await;
    store.keys.create(key("abc", "a", 1), "alice").await.unwrap();
    let other = Connection::open(&path).unwrap();
    for statement in ["UPDATE audit SET actor = 'mallory'", "DELETE FROM audit"] {
        assert!(other.execute_batch(statement).is_err(), "{statement}");
    }
}

#[test]
fn is_on_disk_before_it_is_acknowledged() {
    let (_folder, path) = place();
    let connection = super::open::open(&path).unwrap();
    let said =
        |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, Value>(0)).unwrap();
    assert_eq!(said("journal_mode"), Value::Text("wal".to_owned()));
    assert_eq!(said("synchronous"), Value::Integer(2), "FULL");
}

/// Counted in steps of the virtual machine, not in time.
#[tokio::test]
async fn a_key_is_as_near_among_many_as_among_few() {
    let (_folder, path, store) = store().await;
    let mut steps = Vec::new();
    let mut there = 0;
    for count in [100, 10_000] {
        for first in (there..count).step_by(50) {
            let writes = (first..first + 50).map(|number| {
                let (kind, id) = (Kind::ApiKey, format!("key{number:06}").into());
                let (tags, created_at) = (vec!["owner:a".into()], at(number));
                let record = Draft { kind, id, body: "{}".into(), tags, created_at, expires_at: None };
                Write::Put { record, expect: Expect::Absent }
            });
            store.records().commit(Commit { writes: writes.collect(), audit: None }).await.unwrap();
        }
        there = count;
        let connection = Connection::open(&path).unwrap();
        let mut query = connection.prepare(super::records::ONE).unwrap();
        for number in [0, count / 2, count - 1] {
            let id = format!("key{number:06}");
            assert!(query.exists(rusqlite::params![Kind::ApiKey.name(), id, 0]).unwrap(), "{id}");
            steps.push(query.reset_status(StatementStatus::VmStep));
            assert_eq!(query.reset_status(StatementStatus::FullscanStep), 0);
        }
    }
    let (least, most) = (*steps.iter().min().unwrap(), *steps.iter().max().unwrap());
    assert!(least > 0 && most == least, "{steps:?}");
}
