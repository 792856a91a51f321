//! Copies of the store, made while the gateway goes on.

use std::os::unix::fs::PermissionsExt as _;

use portcullis_server::world::store::AuditVerdict;
use portcullis_tests::binary;
use portcullis_tests::redis::Redis;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use crate::api_keys::{make, operator};

async fn start() -> Site {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    for n in 0..3 {
        make(&site, &json!({ "name": format!("key {n}"), "roles": ["readers"] })).await;
    }
    site
}

async fn create(site: &Site, wanted: &Value) -> portcullis_tests::client::Answer {
    site.admin().await.post_json("/v1/backups", &[("authorization", &operator(site))], wanted).await
}

async fn names(site: &Site) -> Vec<String> {
    let listed = site.admin().await.get("/v1/backups", &[("authorization", &operator(site))]).await.json();
    listed["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_private_in_the_log_and_can_be_restored() {
    let site = start().await;
    // What a process left that was killed while it made one.
    site.files.write("data/backups/.older.partial", "half");
    site.files.write("data/backups/.older.partial-journal", "half");
    let made = create(&site, &json!({ "name": "before-the-change" })).await;
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (201, Some("/v1/backups/before-the-change")),
        "{made:#?}"
    );
    assert_eq!((&made.json()["audit"], &made.json()["removed"]), (&json!("whole"), &json!([])));
    let file = site.files.path("data/backups/before-the-change.db");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(site.files.path("data/backups")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
    assert_eq!(made.json()["bytes"].as_u64(), Some(std::fs::metadata(&file).unwrap().len()));
    let last = site.gateway.store().audit(0, 100).await.unwrap().pop().unwrap();
    assert_eq!((&*last.action, &*last.subject, last.after.is_some()), ("backup.create", "before-the-change", true));

    make(&site, &json!({ "name": "after" })).await;
    let site = site
        .restart(|files| {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(files.path(&format!("data/portcullis.db{end}")));
            }
            std::fs::copy(files.path("data/backups/before-the-change.db"), files.path("data/portcullis.db")).unwrap();
        })
        .await
        .unwrap_or_else(|(error, _)| panic!("{error}"));
    assert_eq!(site.gateway.store().keys.list(None, 10, None).await.unwrap().keys.len(), 3);
    assert!(matches!(site.gateway.store().verify_audit().await.unwrap(), AuditVerdict::Whole { rows: 5, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_a_name_and_no_path_and_none_is_written_over() {
    let site = start().await;
    for name in ["", "..", "../x", "/tmp/x", "a/b", ".hidden", "Upper", "a\u{0}b", "ünï", "a.", &"x".repeat(65)] {
        let answer = create(&site, &json!({ "name": name })).await;
        assert_eq!(answer.problem(), (422, "schema_violation".to_owned()), "{name}");
    }
    assert_eq!(create(&site, &json!({ "name": "a.b-c_1" })).await.status, 201);
    assert_eq!(create(&site, &json!({ "name": "a.b-c_1" })).await.problem(), (409, "backup_exists".to_owned()));
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    for name in ["none", "..%2Fportcullis", "..%2F..%2Fconfig%2Fportcullis", "A.B-C_1"] {
        let answer = admin.send("DELETE", &format!("/v1/backups/{name}"), auth, "").await;
        assert_eq!(answer.problem(), (404, "backup_not_found".to_owned()), "{name}");
    }
    // A rehearsal says the same and makes nothing.
    let would = admin.post_json("/v1/backups?dry_run=true", auth, &json!({})).await;
    assert_eq!((would.status.as_u16(), &would.json()["bytes"]), (200, &Value::Null));
    assert!(would.json()["name"].as_str().unwrap().starts_with("portcullis-20"), "{would:#?}");
    assert_eq!(names(&site).await, ["a.b-c_1"]);
    assert_eq!(admin.send("DELETE", "/v1/backups/a.b-c_1", auth, "").await.status, 204);
    assert_eq!(names(&site).await, [""; 0]);
    assert_eq!(site.gateway.store().audit(0, 100).await.unwrap().last().unwrap().action, "backup.delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_at_most_and_the_oldest_go_where_that_is_asked_for() {
    let site = start().await;
    let site = site
        .restart(|files| {
            let config = files.read("config/portcullis.toml");
            let folder = "[store]\nmax_backups = 2\nbackups = \"elsewhere\"\n";
            let config = config.replace("[store]\n", folder);
            files.write("config/portcullis.toml", config);
        })
        .await
        .unwrap_or_else(|(error, _)| panic!("{error}"));
    for name in ["one", "two"] {
        assert_eq!(create(&site, &json!({ "name": name })).await.status, 201);
    }
    assert_eq!(std::fs::metadata(site.files.path("elsewhere")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(site.files.path("elsewhere/one.db").is_file());
    assert_eq!(create(&site, &json!({ "name": "three" })).await.problem(), (409, "backups_full".to_owned()));
    let made = create(&site, &json!({ "name": "three", "keep": 5 })).await;
    assert_eq!((made.status.as_u16(), &made.json()["removed"]), (201, &json!(["one"])), "never more than two");
    let made = create(&site, &json!({ "name": "four", "keep": 1 })).await;
    assert_eq!(made.json()["removed"].as_array().unwrap().len(), 2, "{made:#?}");
    assert_eq!(names(&site).await, ["four"]);
    // Whoever may make copies may not remove any by making others.
    let operator = make(&site, &json!({ "name": "nightly", "roles": ["portcullis:operator"] })).await;
    let auth: &[(&str, &str)] = &[("x-api-key", operator["secret"].as_str().unwrap())];
    let mut admin = site.admin().await;
    assert_eq!(admin.post_json("/v1/backups", auth, &json!({ "name": "five", "keep": 1 })).await.status, 403);
    assert_eq!(admin.post_json("/v1/backups", auth, &json!({ "name": "five" })).await.status, 201);
    assert_eq!(admin.send("DELETE", "/v1/backups/five", auth, "").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_store_is_copied_too() {
    let server = Redis::start().await;
    let site = start().await;
    let url = server.url();
    let site = site
        .restart(|files| {
            let config = files.read("config/portcullis.toml");
            let own = "url = \"sqlite:data/portcullis.db\"";
            assert!(config.contains(own), "{config}");
            files.write(
                "config/portcullis.toml",
                config.replace(own, &format!("url = {url:?}\ntimeout = \"2s\"\nfolder = \"data\"")),
            );
        })
        .await
        .unwrap_or_else(|(error, _)| panic!("{error}"));
    let _ = std::fs::remove_file(site.files.path("data/portcullis.db"));
    for n in 0..3 {
        make(&site, &json!({ "name": format!("key {n}"), "roles": ["readers"] })).await;
    }
    let made = create(&site, &json!({ "name": "of-redis" })).await;
    assert_eq!((made.status.as_u16(), &made.json()["audit"]), (201, &json!("whole")), "{made:#?}");
    let ran = binary::run(
        site.files.root(),
        &["store", "migrate", "--from", "sqlite:data/backups/of-redis.db", "--to", "sqlite:data/again.db"],
    )
    .await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("and 5 rows of the audit log"), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_an_outage_and_leaves_nothing() {
    let site = start().await;
    site.files.write("data/backups", "in the way");
    let answer = create(&site, &json!({ "name": "x" })).await;
    assert_eq!(answer.problem(), (503, "dependency_unavailable".to_owned()));
    assert_eq!(site.gateway.store().audit(0, 100).await.unwrap().len(), 5, "what was not done is not in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_lists_and_removes_them() {
    let site = start().await;
    site.name_admin();
    let ask = async |arguments: &[&str]| site.command(arguments).await;
    let made = ask(&["backups", "create", "--name", "nightly"]).await;
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert!(made.stdout.starts_with("nightly  ") && made.stdout.ends_with("audit log: whole\n"), "{made:#?}");
    let again = ask(&["backups", "create", "--name", "nightly"]).await;
    assert!(again.code == Some(1) && again.stderr.contains("there is a backup of this name"), "{again:#?}");
    let listed = ask(&["backups", "list"]).await;
    assert!(listed.stdout.starts_with("20") && listed.stdout.ends_with("  nightly\n"), "{listed:#?}");
    assert_eq!(ask(&["backups", "delete", "nightly"]).await.code, Some(0));
    let listed = ask(&["backups", "list", "--format", "json"]).await;
    assert_eq!(listed.json(), json!({ "items": [] }));
    assert_eq!(ask(&["backups", "delete", "../x"]).await.code, Some(2));
}
