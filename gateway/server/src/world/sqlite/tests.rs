use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::identify::KeyRecord;
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{Answer, Keys, StoreDown};
use rusqlite::Connection;
use serde_json::{Map, json};
use tempfile::TempDir;

use super::{AuditVerdict, Claim, NewKey, Store, StoreError};

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("portcullis.db");
    (folder, path)
}

fn store() -> (TempDir, PathBuf, Store) {
    let (folder, path) = place();
    let store = Store::open(&path).unwrap();
    (folder, path, store)
}

fn at(seconds: i64) -> Moment {
    Moment::from_seconds(seconds)
}

fn key(id: &str, owner: &str, created: i64) -> NewKey {
    NewKey {
        id: id.to_owned(),
        name: "ci".to_owned(),
        owner: owner.to_owned(),
        roles: vec!["readers".to_owned()],
        scopes: vec![],
        metadata: Map::from_iter([("b".to_owned(), json!([1, null])), ("a".to_owned(), json!("ü"))]),
        hash: [7; 32],
        created_at: at(created),
        expires_at: Some(at(created + 60)),
    }
}

/// From memory alone.
#[expect(clippy::option_option, reason = "as in the cache")]
fn remembered(store: &Store, id: &str) -> Option<Option<Arc<KeyRecord>>> {
    match store.key(id) {
        Answer::Ready(known) => Some(known.unwrap()),
        Answer::Wait(_) => None,
    }
}

async fn ask(store: &Store, id: &str) -> Result<Option<Arc<KeyRecord>>, StoreDown> {
    store.key(id).get().await
}

/// Until it is so: what another process did shows within a second, which the test does not shorten.
async fn comes_true(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

fn refusal(path: &Path) -> (StoreError, String) {
    match Store::open(path) {
        Ok(_) => panic!("opened"),
        Err(error) => (error.error.clone(), error.to_string().replace(&path.display().to_string(), "FILE")),
    }
}

#[tokio::test]
async fn refuses_a_file_of_a_newer_version_and_leaves_it_alone() {
    let (_folder, path, store) = store();
    drop(store);
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 3).unwrap();
    assert_eq!(
        refusal(&path),
        (
            StoreError::Newer { found: 3, known: 2 },
            "cannot use the store `FILE`: it has format 3, and this version knows no format above 2; run the newer \
             version, or restore the backup made before it ran"
                .to_owned()
        )
    );
    assert_eq!(other.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)), Ok(3));
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
    let (_folder, path, store) = store();
    for number in 0..200 {
        store.create_key(key(&format!("key{number}"), "a", number), "test").await.unwrap();
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

#[test]
fn refuses_a_file_that_another_process_holds() {
    let (_folder, path) = place();
    drop(Store::open(&path).unwrap());
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

#[test]
fn keeps_its_files_to_itself() {
    let (folder, path, _store) = store();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
    let open = folder.path().join("open.db");
    fs::write(&open, "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    Store::open(&open).unwrap();
    assert_eq!(mode(&open), 0o600);
}

#[tokio::test]
async fn writes_nothing_when_the_disk_is_full_and_goes_on_serving() {
    let (_folder, _path, store) = store();
    store.create_key(key("good", "a", 1), "test").await.unwrap();
    let pages = |most: &'static str| {
        store.run(move |desk| Ok(desk.connection.query_row(most, [], |row| row.get::<_, i64>(0))?))
    };
    pages("PRAGMA max_page_count = 1").await.unwrap();
    let mut large = key("large", "a", 2);
    large.name = "x".repeat(100_000);
    assert_eq!(store.create_key(large.clone(), "test").await, Err(StoreError::Full));
    assert_eq!(remembered(&store, "good").unwrap().unwrap().id, "good");
    assert_eq!(ask(&store, "large").await, Ok(None));
    pages("PRAGMA max_page_count = 1000000").await.unwrap();
    store.create_key(large, "test").await.unwrap();
    assert!(matches!(store.verify_audit().await, Ok(AuditVerdict::Whole { rows: 2, .. })));
}

#[tokio::test]
async fn refuses_to_write_while_another_process_does_and_goes_on_serving() {
    let (_folder, path, store) = store();
    store.create_key(key("good", "a", 1), "test").await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (written, served) =
        tokio::join!(store.create_key(key("late", "a", 2), "test"), async { remembered(&store, "good") });
    assert_eq!(written, Err(StoreError::Locked));
    assert_eq!(served.unwrap().unwrap().id, "good");
    other.execute_batch("ROLLBACK").unwrap();
    store.create_key(key("late", "a", 2), "test").await.unwrap();
}

#[tokio::test]
async fn keeps_keys_over_a_restart() {
    let (_folder, path, store) = store();
    let made = store.create_key(key("abc", "a", 1), "alice").await.unwrap();
    assert_eq!(store.create_key(key("abc", "b", 2), "alice").await, Err(StoreError::Conflict));
    drop(store);
    let store = Store::open(&path).unwrap();
    let found = store.find_key("abc").await.unwrap().unwrap();
    assert_eq!((&found.record, found.last_used_at), (&made, None));
    assert_eq!(store.find_key("abd").await, Ok(None));
}

#[tokio::test]
async fn revokes_at_once_and_once() {
    let (_folder, _path, store) = store();
    store.create_key(key("abc", "a", 1), "alice").await.unwrap();
    assert!(remembered(&store, "abc").unwrap().unwrap().revoked_at.is_none());
    let revoked = store.revoke_key("abc", "alice", at(5)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(5)));
    assert_eq!(remembered(&store, "abc").unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(store.revoke_key("abc", "alice", at(9)).await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(store.revoke_key("none", "alice", at(9)).await, Ok(None));
    assert_eq!(store.audit(0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sees_what_another_process_writes() {
    let (_folder, path, store) = store();
    let other = Store::open(&path).unwrap();
    assert_eq!(ask(&store, "abc").await, Ok(None));
    other.create_key(key("abc", "a", 1), "cli").await.unwrap();
    comes_true("the new key shows", async || ask(&store, "abc").await.unwrap().is_some()).await;
    other.revoke_key("abc", "cli", at(5)).await.unwrap();
    comes_true("the revocation shows", async || ask(&store, "abc").await.unwrap().unwrap().revoked_at.is_some()).await;
    comes_true("it is in memory again", async || remembered(&store, "abc").is_some()).await;
}

#[tokio::test]
async fn lets_no_flood_of_unknown_ids_displace_a_good_key() {
    let (_folder, _path, store) = store();
    for number in 0..50 {
        store.create_key(key(&format!("good{number}"), "a", number), "test").await.unwrap();
    }
    for number in 0..20_000 {
        assert_eq!(ask(&store, &format!("bad{number}")).await, Ok(None));
    }
    for number in 0..50 {
        assert!(remembered(&store, &format!("good{number}")).flatten().is_some(), "{number}");
    }
    assert_eq!(remembered(&store, "bad19999"), Some(None));
    assert_eq!(remembered(&store, &"x".repeat(65)), Some(None));
}

#[tokio::test]
async fn finds_a_key_that_was_unknown_before_it_was_made() {
    let (_folder, _path, store) = store();
    assert_eq!(ask(&store, "abc").await, Ok(None));
    store.create_key(key("abc", "a", 1), "test").await.unwrap();
    assert!(remembered(&store, "abc").unwrap().is_some());
}

#[tokio::test]
async fn lists_page_by_page_without_a_gap() {
    let (_folder, _path, store) = store();
    for number in 0..5 {
        // Two share an instant: the id orders them.
        let owner = if number == 2 { "b" } else { "a" };
        store.create_key(key(&format!("k{number}"), owner, number / 2), "test").await.unwrap();
    }
    let check = async |owner: Option<&str>, limit, expected: &[&[&str]]| {
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.list_keys(owner, limit, cursor.as_deref()).await.unwrap();
            pages.push(page.keys.iter().map(|key| key.record.id.clone()).collect::<Vec<_>>());
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages, expected);
    };
    check(None, 2, &[&["k0", "k1"], &["k2", "k3"], &["k4"]]).await;
    check(None, 5, &[&["k0", "k1", "k2", "k3", "k4"]]).await;
    check(Some("a"), 2, &[&["k0", "k1"], &["k3", "k4"]]).await;
    check(Some("nobody"), 0, &[&[]]).await;
    for cursor in ["", "1", "x.k0", ".", "99999999999999999999.k"] {
        assert_eq!(store.list_keys(None, 1, Some(cursor)).await, Err(StoreError::Cursor), "{cursor}");
    }
}

#[tokio::test]
async fn notes_last_uses_and_never_backwards() {
    let (_folder, _path, store) = store();
    store.create_key(key("abc", "a", 1), "test").await.unwrap();
    let used = async || store.find_key("abc").await.unwrap().unwrap().last_used_at;
    let now = |seconds: u64| Now { wall: at(i64::try_from(seconds).unwrap()), steady: Duration::from_secs(seconds) };
    store.used("abc", now(10));
    store.used("nobody", now(10));
    store.flush().await.unwrap();
    assert_eq!(used().await, Some(at(10)));
    store.touch(vec![("abc".into(), at(9))]).await.unwrap();
    assert_eq!(used().await, Some(at(10)));
    // Written by itself once five seconds have passed between uses.
    store.used("abc", now(20));
    store.used("abc", now(25));
    comes_true("the use is written", async || used().await == Some(at(25))).await;
}

#[tokio::test]
async fn makes_one_admin_key_whoever_asks() {
    let (_folder, path, store) = store();
    let other = Store::open(&path).unwrap();
    assert_eq!(store.admin_key_hash().await, Ok(None));
    let (one, two) =
        tokio::join!(store.set_admin_key_hash([1; 32], "a", at(1)), other.set_admin_key_hash([2; 32], "b", at(1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(matches!((one, two), (Claim::Made, Claim::Lost) | (Claim::Lost, Claim::Made)), "{one:?} {two:?}");
    let kept = if one == Claim::Made { [1; 32] } else { [2; 32] };
    assert_eq!(other.admin_key_hash().await, Ok(Some(kept)));
    assert_eq!(store.set_admin_key_hash([3; 32], "c", at(2)).await, Ok(Claim::Lost));
    store.replace_admin_key_hash([4; 32], "root", at(3)).await.unwrap();
    assert_eq!(store.admin_key_hash().await, Ok(Some([4; 32])));
    let actions: Vec<_> = store.audit(0, 10).await.unwrap().into_iter().map(|row| row.action).collect();
    assert_eq!(actions, ["admin_key.create", "admin_key.reset"]);
}

#[tokio::test]
async fn finds_what_was_changed_in_the_audit_log() {
    let check = async |tamper: &str, expected: Option<i64>| {
        let (_folder, path, store) = store();
        for number in 0..3 {
            store.create_key(key(&format!("k{number}"), "a", number), "alice").await.unwrap();
        }
        store.revoke_key("k0", "bob", at(9)).await.unwrap();
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
    check("", None).await;
}

#[tokio::test]
async fn lets_nobody_change_the_audit_log_by_the_way() {
    let (_folder, path, store) = store();
    store.create_key(key("abc", "a", 1), "alice").await.unwrap();
    let other = Connection::open(&path).unwrap();
    for statement in ["UPDATE audit SET actor = 'mallory'", "DELETE FROM audit"] {
        assert!(other.execute_batch(statement).is_err(), "{statement}");
    }
}
