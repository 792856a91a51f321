//! `store`, `audit` and `admin`, the built program on the store of a gateway.

use portcullis_tests::binary::{self, Ran};
use portcullis_tests::redis::Redis;
use portcullis_tests::site::{Setup, Site};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api_keys::make;

async fn start() -> Site {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    for n in 0..3 {
        make(&site, &json!({ "name": format!("key {n}"), "roles": ["readers"] })).await;
    }
    site
}

async fn run(site: &Site, arguments: &[&str]) -> Ran {
    binary::run(site.files.root(), arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_exported_and_its_first_altered_row_is_named() {
    let site = start().await;
    let ran = run(&site, &["audit", "verify"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.starts_with("the audit log is whole: 5 rows, head "), "{ran:#?}");
    let ran = run(&site, &["audit", "export", "--local"]).await;
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ran.code, rows.len(), &rows[2]["action"]), (Some(0), 5, &json!("key.create")));
    assert_eq!(rows[1]["previous"], rows[0]["hash"]);

    let other = Connection::open(site.files.path("data/portcullis.db")).unwrap();
    other.execute_batch("DROP TRIGGER audit_stays; DROP TRIGGER audit_is_kept;").unwrap();
    for (tamper, says) in [
        ("DELETE FROM audit WHERE seq = 5", "the audit log was cut off: row 5 and those after it are missing\n"),
        ("UPDATE audit SET actor = 'mallory' WHERE seq = 3", "row 3 of the audit log does not follow"),
        ("DELETE FROM audit WHERE seq = 2", "row 3 of the audit log does not follow"),
    ] {
        other.execute_batch(tamper).unwrap();
        let ran = run(&site, &["audit", "verify"]).await;
        assert_eq!(ran.code, Some(1), "{tamper}: {ran:#?}");
        assert!(ran.stdout.starts_with(says), "{tamper}: {ran:#?}");
    }
    let ran = run(&site, &["audit", "verify", "--format", "json"]).await;
    assert_eq!(ran.json()["broken_at"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_redis_and_back_and_into_a_backup_and_out_of_it() {
    let site = start().await;
    let server = Redis::start().await;
    let (url, missing) = (server.url(), "sqlite:data/none.db");
    let move_to = async |from: &str, to: &str| run(&site, &["store", "migrate", "--from", from, "--to", to]).await;
    let own = "sqlite:data/portcullis.db";
    assert_eq!(move_to(missing, &url).await.code, Some(2), "nothing is made where nothing was");
    let moved = move_to(own, &url).await;
    assert_eq!(moved.code, Some(0), "{moved:#?}");
    assert!(moved.stdout.contains(" records and 5 rows of the audit log, head "), "{moved:#?}");
    let again = move_to(own, &url).await;
    assert_eq!((again.code, again.stderr.as_str()), (Some(2), "the new store is not empty: give one that is\n"));
    let back = move_to(&url, "sqlite:data/back.db").await;
    assert_eq!(back.stdout, moved.stdout, "{back:#?}");

    // A copy while the gateway goes on, and a start on what came out of it.
    let made = run(&site, &["store", "backup", "copy.db"]).await;
    assert_eq!((made.code, made.stdout.contains("5 rows")), (Some(0), true), "{made:#?}");
    assert_eq!(run(&site, &["store", "backup", "copy.db"]).await.code, Some(2), "a copy is never written over");
    make(&site, &json!({ "name": "after the copy" })).await;
    assert_eq!(run(&site, &["store", "restore", "copy.db"]).await.code, Some(2), "the store is not empty");
    let site = site
        .restart(|files| {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(files.path(&format!("data/portcullis.db{end}")));
            }
            let ran = std::process::Command::new(binary::path())
                .args(["store", "restore", "copy.db"])
                .current_dir(files.root())
                .output()
                .unwrap();
            assert!(ran.status.success(), "{ran:?}");
        })
        .await
        .unwrap_or_else(|(error, _)| panic!("{error}"));
    let names: Vec<String> = site
        .gateway
        .store()
        .keys
        .list(None, 10, None)
        .await
        .unwrap()
        .keys
        .iter()
        .map(|key| key.record.name.clone())
        .collect();
    assert_eq!(names, ["key 0", "key 1", "key 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_admin_key_takes_the_place_of_the_old_one() {
    let site = start().await;
    let mut admin = site.admin().await;
    let status = async |admin: &mut portcullis_tests::client::Client, key: &str| {
        admin.get("/v1/keys", &[("authorization", &format!("Bearer {key}"))]).await.status.as_u16()
    };
    let old = site.admin_key();
    assert_eq!(status(&mut admin, &old).await, 200);
    let ran = run(&site, &["admin", "reset-key"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.trim().ends_with("data/admin.key") && !ran.stdout.contains("ptcl_"), "{ran:#?}");
    assert_eq!((status(&mut admin, &old).await, status(&mut admin, &site.admin_key()).await), (401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_of_a_store_stands_in_an_argument() {
    let folder = tempfile::tempdir().unwrap();
    let (server, refused) = (Redis::start_with(&["--save", "", "--requirepass", "hunter2"]).await, folder.path());
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    std::fs::write(folder.path().join("from.db"), "").unwrap();
    for arguments in
        [["--from", "sqlite:from.db", "--to", &url("hunter2")], ["--from", &url("hunter2"), "--to", "sqlite:b"]]
    {
        let ran = binary::run(refused, &[&["store", "migrate"][..], &arguments].concat()).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("a password on the command line is seen by others"), "{ran:#?}");
        assert!(!ran.stderr.contains("hunter2"), "{ran:#?}");
    }
    let moving = ["store", "migrate", "--from", "sqlite:from.db", "--to", &url("${STORE_PASSWORD}")];
    let unset = binary::run(refused, &moving).await;
    assert!(unset.code == Some(2) && unset.stderr.contains("`STORE_PASSWORD` is not set"), "{unset:#?}");
    let moved = binary::run_with(refused, &moving, &[("STORE_PASSWORD", "hunter2")]).await;
    assert_eq!(moved.code, Some(0), "{moved:#?}");
}
