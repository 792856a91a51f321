//! Where the store decides: is right what it says?

use std::collections::BTreeMap;
use std::path::Path;

use portcullis_tests::binary::{self, Ran};
use portcullis_tests::program::Program;
use portcullis_tests::redis::Redis;
use portcullis_tests::site::Setup;
use serde_json::json;

use super::state;
use crate::admin::applied::{apply, closed, moved, setup, texts};

async fn check(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    binary::run_with(root, &[&["check"], arguments].concat(), variables).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revision_in_force_is_compiled_and_nothing_is_made() {
    let site = setup("store").variable("PTCL_TEST_HOST", "app.test").start().await;
    let mut files = closed(&texts(&site).await);
    let main = files.get_mut("config/portcullis.toml").unwrap();
    *main = main.replace("match = \"GET /items/{id}\"", "match = \"GET /items/{id}\"\nhost = \"${PTCL_TEST_HOST}\"");
    assert_eq!(apply(&site, &files).await.status, 201);
    // Of the machine's own files no route counts.
    site.files.write("policies/broken.cedar", "permit (");
    let (right, wrong) = (&[("PTCL_TEST_HOST", "app.test")][..], &[][..]);
    let look = async |root: &Path| {
        for offline in [&["--offline"][..], &[]] {
            let ran = check(root, offline, right).await;
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
            let summary = "config/portcullis.toml: revision 2 of the store: 1 route, 2 policies, 1 upstream; version ";
            assert!(ran.stdout.contains(summary), "{ran:#?}");
            let ran = check(root, &[offline, &["--format", "json"]].concat(), right).await;
            assert_eq!(ran.json()["revision"], 2, "{ran:#?}");
            let ran = check(root, offline, wrong).await;
            assert_eq!(ran.code, Some(2), "{ran:#?}");
            assert!(ran.stderr.contains("the variable `PTCL_TEST_HOST` is not set"), "{ran:#?}");
            assert!(ran.stderr.contains("revision 2 of the store does not load"), "{ran:#?}");
        }
    };
    // While a gateway writes into the store, and when none does: then nothing is made, either.
    look(site.files.root()).await;
    let gateway = site.gateway;
    gateway.stop().await;
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    state(site.files.root(), &mut before);
    look(site.files.root()).await;
    state(site.files.root(), &mut after);
    assert_eq!(before, after, "`check` changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_asked_is_told_of() {
    let mut redis = Redis::durable().await;
    let site = moved(setup("store").start().await, &redis).await;
    assert_eq!(apply(&site, &closed(&texts(&site).await)).await.status, 201);
    let ran = check(site.files.root(), &[], &[]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("revision 2 of the store: 1 route, 2 policies"), "{ran:#?}");
    let ran = check(site.files.root(), &["--offline"], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("left out: the revision in force, which the store knows\n"), "{ran:#?}");
    redis.kill().await;
    let ran = check(site.files.root(), &[], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stdout.contains("warning: the revision in force was not compiled: the store at `127.0.0.1:"),
        "{ran:#?}"
    );
    // Nothing else is known of routes then, where the machine has none of its own.
    std::fs::remove_dir_all(site.files.path("policies")).unwrap();
    let ran = check(site.files.root(), &["--format", "json"], &[]).await;
    assert_eq!((ran.code, &ran.json()["version"]), (Some(0), &json!(null)), "{ran:#?}");
    redis.restart().await;
    let ran = check(site.files.root(), &[], &[]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("revision 2 of the store: 1 route"), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_holds_over_the_files_is_what_is_compiled() {
    let site = setup("files").start().await;
    site.files.write("policies/nobody.cedar", "@id(\"nobody\") forbid (principal, action, resource);\n");
    site.gateway.reload().await.unwrap();
    site.name_admin();
    portcullis_tests::within("a second revision", async {
        while site.gateway.store().revisions.standing().await.unwrap().latest != 2 {}
    })
    .await;
    let ran = check(site.files.root(), &["--offline"], &[]).await;
    assert!(ran.stdout.contains("config/portcullis.toml: 1 route, 2 policies"), "{ran:#?}");
    let back = site.command(&["config", "rollback", "1"]).await;
    assert_eq!(back.code, Some(0), "{back:#?}");
    let ran = check(site.files.root(), &["--offline"], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stdout.contains("warning: a rollback holds: revision 3 is in force until these files change"),
        "{ran:#?}"
    );
    assert!(ran.stdout.contains("config/portcullis.toml: revision 3 of the store: 1 route, 1 policy"), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_endanger_what_is_kept_are_named_by_check_and_at_the_start() {
    let risky = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru"];
    let redis = Redis::start_with(&risky).await;
    let store = format!("url = \"{}\"\ntimeout = \"2s\"", redis.url());
    let program = Program::lay(Setup::new().route("item", "GET /items/{id}", "read", ""), Some(&store)).await;
    let ran = check(program.ground.folder.path(), &[], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let mut running = program.start().await;
    for setting in ["maxmemory-policy allkeys-lru", "appendonly no"] {
        assert!(ran.stdout.contains(setting), "{setting}: {ran:#?}");
    }
    running.signal("TERM").await;
    let _ = running.runs();
    let ran = running.ended().await;
    for setting in ["maxmemory-policy allkeys-lru", "appendonly no"] {
        assert!(ran.stderr.lines().any(|line| line.contains(setting) && line.contains("WARN")), "{setting}: {ran:#?}");
    }
}
