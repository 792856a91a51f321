mod deaf;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::identify::{KeyRecord, KeyTerms};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{Answer, Keys, StoreDown};
use serde_json::{Map, json};
use tempfile::TempDir;

use super::{Claim, NewKey, StoreError, Stored};
use crate::world::clock::SystemClock;
use crate::world::sqlite::Sqlite;

pub(crate) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("portcullis.db");
    (folder, path)
}

pub(crate) async fn open(path: &Path) -> Stored {
    let store = Sqlite::open(path, Arc::new(SystemClock::start())).unwrap();
    Stored::open(Arc::new(store)).await.unwrap()
}

pub(crate) async fn store() -> (TempDir, PathBuf, Stored) {
    let (folder, path) = place();
    let store = open(&path).await;
    (folder, path, store)
}

pub(crate) fn at(seconds: i64) -> Moment {
    Moment::from_seconds(seconds)
}

pub(crate) fn key(id: &str, owner: &str, created: i64) -> NewKey {
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
        terms: KeyTerms::default(),
    }
}

/// From memory alone.
#[expect(clippy::option_option, reason = "as in the cache")]
pub(crate) fn remembered(store: &Stored, id: &str) -> Option<Option<Arc<KeyRecord>>> {
    match store.keys.key(id) {
        Answer::Ready(known) => Some(known.unwrap()),
        Answer::Wait(_) => None,
    }
}

pub(crate) async fn ask(store: &Stored, id: &str) -> Result<Option<Arc<KeyRecord>>, StoreDown> {
    store.keys.key(id).get().await
}

/// Until it is so: what another process did shows within a second, which the test does not shorten.
pub(crate) async fn comes_true(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

#[tokio::test]
async fn keeps_keys_over_a_restart() {
    let (_folder, path, store) = store().await;
    let made = store.keys.create(key("abc", "a", 1), "alice").await.unwrap();
    assert_eq!(store.keys.create(key("abc", "b", 2), "alice").await, Err(StoreError::Conflict));
    drop(store);
    let store = open(&path).await;
    let found = store.keys.find("abc").await.unwrap().unwrap();
    assert_eq!((&found.record, found.last_used_at), (&made, None));
    assert_eq!(store.keys.find("abd").await, Ok(None));
}

#[tokio::test]
async fn revokes_at_once_and_once() {
    let (_folder, _path, store) = store().await;
    store.keys.create(key("abc", "a", 1), "alice").await.unwrap();
    assert!(ask(&store, "abc").await.unwrap().unwrap().revoked_at.is_none());
    assert!(remembered(&store, "abc").is_some());
    let revoked = store.keys.revoke("abc", "alice", at(5)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(5)));
    assert_eq!(remembered(&store, "abc"), None, "what was known is forgotten");
    assert_eq!(ask(&store, "abc").await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(store.keys.revoke("abc", "alice", at(9)).await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(store.keys.revoke("none", "alice", at(9)).await, Ok(None));
    assert_eq!(store.audit(0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn lets_no_flood_of_unknown_ids_displace_a_good_key() {
    let (_folder, _path, store) = store().await;
    for number in 0..50 {
        store.keys.create(key(&format!("good{number}"), "a", number), "test").await.unwrap();
    }
    for number in 0..50 {
        ask(&store, &format!("good{number}")).await.unwrap();
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
    let (_folder, _path, store) = store().await;
    assert_eq!(ask(&store, "abc").await, Ok(None));
    store.keys.create(key("abc", "a", 1), "test").await.unwrap();
    assert!(ask(&store, "abc").await.unwrap().is_some());
}

#[tokio::test]
async fn lists_page_by_page_without_a_gap() {
    let (_folder, _path, store) = store().await;
    for number in 0..5 {
        // Two share an instant: the id orders them.
        let owner = if number == 2 { "b" } else { "a" };
        store.keys.create(key(&format!("k{number}"), owner, number / 2), "test").await.unwrap();
    }
    let check = async |owner: Option<&str>, limit, expected: &[&[&str]]| {
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.keys.list(owner, limit, cursor.as_deref()).await.unwrap();
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
        assert_eq!(store.keys.list(None, 1, Some(cursor)).await, Err(StoreError::Cursor), "{cursor}");
    }
}

#[tokio::test]
async fn notes_last_uses_and_never_backwards() {
    let (_folder, _path, store) = store().await;
    store.keys.create(key("abc", "a", 1), "test").await.unwrap();
    let used = async || {
        let key = store.keys.find("abc").await.unwrap().unwrap();
        (key.last_used_at, key.uses)
    };
    let now = |seconds: i64| Now { wall: at(seconds), ..Now::default() };
    store.keys.used("abc", now(10));
    store.keys.used("abc", now(9));
    assert_eq!(used().await, (None, 0), "not on the way of a request");
    store.keys.flush().await.unwrap();
    assert_eq!(used().await, (Some(at(10)), 2));
    store.keys.flush().await.unwrap();
    assert_eq!(used().await, (Some(at(10)), 2), "nothing is counted twice");
    store.keys.used("abc", now(8));
    store.keys.flush().await.unwrap();
    assert_eq!(used().await, (Some(at(10)), 3));
    assert_eq!(store.audit(0, 10).await.unwrap().len(), 1, "use is no change");
}

#[tokio::test]
async fn counts_the_uses_of_several_processes_together() {
    let (_folder, path, store) = store().await;
    let other = open(&path).await;
    for number in 0..70 {
        store.keys.create(key(&format!("k{number}"), "a", 1), "test").await.unwrap();
        for keys in [&store.keys, &other.keys, &other.keys] {
            keys.used(&format!("k{number}"), Now::default());
        }
    }
    let (one, two) = tokio::join!(store.keys.flush(), other.keys.flush());
    assert_eq!((one, two), (Ok(()), Ok(())));
    for number in 0..70 {
        assert_eq!(store.keys.find(&format!("k{number}")).await.unwrap().unwrap().uses, 3, "{number}");
    }
}

#[tokio::test]
async fn keeps_nothing_that_was_read_before_a_change() {
    let (_folder, _path, store) = store().await;
    store.keys.create(key("abc", "a", 1), "test").await.unwrap();
    // Read before the revocation, and looked at after it.
    let Answer::Wait(reading) = store.keys.key("abc") else { panic!("it is not known yet") };
    let (read, revoked) = tokio::join!(reading, store.keys.revoke("abc", "alice", at(5)));
    assert!(read.unwrap().unwrap().revoked_at.is_none());
    revoked.unwrap().unwrap();
    assert_eq!(remembered(&store, "abc"), None);
    assert!(ask(&store, "abc").await.unwrap().unwrap().revoked_at.is_some());
}

#[tokio::test]
async fn makes_one_admin_key_whoever_asks() {
    let (_folder, path, store) = store().await;
    let other = open(&path).await;
    assert_eq!(store.admin_key.hash().await, Ok(None));
    let (one, two) =
        tokio::join!(store.admin_key.claim([1; 32], "a", at(1)), other.admin_key.claim([2; 32], "b", at(1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(matches!((one, two), (Claim::Made, Claim::Lost) | (Claim::Lost, Claim::Made)), "{one:?} {two:?}");
    let kept = if one == Claim::Made { [1; 32] } else { [2; 32] };
    assert_eq!(other.admin_key.hash().await, Ok(Some(kept)));
    assert_eq!(store.admin_key.claim([3; 32], "c", at(2)).await, Ok(Claim::Lost));
    store.admin_key.replace([4; 32], "root", at(3)).await.unwrap();
    assert_eq!(store.admin_key.hash().await, Ok(Some([4; 32])));
    let actions: Vec<_> = store.audit(0, 10).await.unwrap().into_iter().map(|row| row.action).collect();
    assert_eq!(actions, ["admin_key.create", "admin_key.reset"]);
}
