//! The store is held by another, damaged, or of another version: what goes on, and what is said?

use portcullis_server::app::StartError;
use portcullis_server::world::store::AuditVerdict;
use portcullis_tests::site::{Files, Setup, Site};
use portcullis_tests::within;
use rusqlite::Connection;
use serde_json::json;

use crate::api_keys::{make, operator};

const STORE: &str = "data/portcullis.db";

async fn start() -> Site {
    Setup::new().route("home", "GET /", "read", "").start().await
}

/// Another user of the store's file.
fn other(files: &Files) -> Connection {
    let other = Connection::open(files.path(STORE)).unwrap();
    other.busy_timeout(portcullis_tests::PATIENCE).unwrap();
    other
}

/// What a start says after `change` was done to the files, with the store's path left out.
async fn refused_start(site: Site, change: impl FnOnce(&Files)) -> String {
    let path = site.files.path(STORE).display().to_string();
    let (error, _folder) = site.restart(change).await.map(|_| "started").unwrap_err();
    assert!(matches!(error, StartError::World(_)), "{error}");
    error.to_string().replace(&path, "FILE")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_half_written_while_another_process_writes_and_known_keys_go_on() {
    let site = start().await;
    let (mut admin, mut client) = (site.admin().await, site.h1().await);
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let shown: &[(&str, &str)] = &[("x-api-key", key["secret"].as_str().unwrap())];
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(client.get("/", shown).await.status, 200);

    let other = other(&site.files);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (method, path, body) in [("POST", "/v1/keys", r#"{"name":"late"}"#), ("DELETE", &*path, "")] {
        let writing = admin.send(method, path, auth, body);
        let serving = async {
            assert_eq!(client.get("/", shown).await.status, 200);
        };
        let (answer, ()) = tokio::join!(writing, serving);
        assert_eq!(answer.problem(), (503, "dependency_unavailable".to_owned()), "{method} {path}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(admin.get(&path, auth).await.json()["state"], "active");
    assert_eq!(admin.get("/livez", &[]).await.status, 200);
    other.execute_batch("ROLLBACK").unwrap();

    let store = site.gateway.store();
    assert_eq!(store.keys.list(None, 10, None).await.unwrap().keys.len(), 1);
    assert!(matches!(store.verify_audit().await, Ok(AuditVerdict::Whole { rows: 3, .. })));
    assert_eq!(admin.send("DELETE", &path, auth, "").await.status, 200);
    assert_eq!(client.get("/", shown).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_by_another_process_is_dead_within_a_second() {
    let site = start().await;
    let mut client = site.h1().await;
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let shown: &[(&str, &str)] = &[("x-api-key", key["secret"].as_str().unwrap())];
    assert_eq!(client.get("/", shown).await.status, 200);
    let other = site.files.store().await;
    other.keys.revoke(key["id"].as_str().unwrap(), "other", site.gateway.now()).await.unwrap().unwrap();
    let dead = async { while client.get("/", shown).await.status == 200 {} };
    let dead = tokio::time::timeout(std::time::Duration::from_secs(1), dead).await;
    assert!(dead.is_ok(), "it lived for longer than a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_start_on_a_store_that_another_process_holds() {
    let mut held = None;
    let exclude = |files: &Files| {
        let other = other(files);
        other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        held = Some(other);
    };
    let said = Box::pin(within("a refusal to start", refused_start(start().await, exclude))).await;
    assert_eq!(
        said,
        "cannot use the store `FILE`: another process holds the store; stop it, or give `store.url` another file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_start_on_a_damaged_store_and_says_how_to_restore_it() {
    let damage = |files: &Files| files.write(STORE, "this is no database, whatever its name may say. ".repeat(100));
    let said = refused_start(start().await, damage).await;
    assert_eq!(
        said,
        "cannot use the store `FILE`: the store is damaged (file is not a database); to restore it, stop every gateway \
         that uses it, move `FILE`, `FILE-wal` and `FILE-shm` aside, and put the newest backup in their place, or what \
         `sqlite3 FILE .recover` can still read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_start_on_a_store_that_a_newer_version_has_written() {
    let update = |files: &Files| other(files).pragma_update(None, "user_version", 4).unwrap();
    let said = refused_start(start().await, update).await;
    assert_eq!(
        said,
        "cannot use the store `FILE`: it has format 4, and this version knows no format above 3; run the newer \
         version, or restore the backup made before it ran"
    );
}
