//! Is it right, before it is live?

mod stored;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use portcullis_tests::binary;
use portcullis_tests::site::{Ground, Setup};
use serde_json::json;

async fn ground() -> Ground {
    Setup::new().route("item", "GET /items/{id}", "read", "").lay().await
}

/// Every file and folder below `folder`, with what would tell a change.
fn state(folder: &Path, into: &mut BTreeMap<PathBuf, (u64, SystemTime)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.metadata().unwrap();
        into.insert(path.clone(), (about.len(), about.modified().unwrap()));
        if path.is_dir() {
            state(&path, into);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_configuration_is_summed_up_and_nothing_is_made() {
    let ground = ground().await;
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    state(ground.folder.path(), &mut before);
    let ran = binary::run(ground.folder.path(), &["check"]).await;
    state(ground.folder.path(), &mut after);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let (summary, version) = ran.stdout.split_once("; version ").unwrap();
    assert_eq!(summary, "config/portcullis.toml: 1 route, 1 policy, 1 upstream");
    assert_eq!(version.trim().len(), 16, "{version}");
    assert_eq!(before, after, "`check` changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_mind_a_gateway_that_holds_its_ports() {
    let site = Setup::new().route("item", "GET /items/{id}", "read", "").start().await;
    let port = |address: Option<std::net::SocketAddr>| address.unwrap().to_string();
    site.files.edit(
        "config/portcullis.toml",
        "https = \"127.0.0.1:0\"",
        &format!("https = {:?}", port(site.gateway.https)),
    );
    site.files.edit(
        "config/portcullis.toml",
        "admin = \"127.0.0.1:0\"",
        &format!("admin = {:?}", port(site.gateway.admin)),
    );
    let ran = binary::run(&site.files.path(""), &["check"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_goes_to_stderr_or_as_json_to_stdout() {
    let ground = ground().await;
    ground.files.edit("config/portcullis.toml", "upstream = \"app\"", "upstream = \"ap\"");
    let ran = binary::run(ground.folder.path(), &["check"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("help: did you mean `app`?"), "{}", ran.stderr);
    let ran = binary::run(ground.folder.path(), &["--format", "json", "check"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""));
    let told = ran.json();
    assert_eq!(told["ok"], false);
    assert_eq!(told["errors"][0]["file"], "config/portcullis.toml");
    assert!(told["errors"][0]["line"].as_u64().unwrap() > 0, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_lists_what_it_left_out() {
    let ground = Setup::new()
        .route("item", "GET /items/{id}", "read", "")
        .tokens("[tokens.far]\nissuer = \"https://idp.invalid\"\naudiences = [\"a\"]\n")
        .targets("\"http://app.invalid:1\"")
        .section("[counters]\nurl = \"redis://counters.invalid\"")
        .lay()
        .await;
    let ran = binary::run(ground.folder.path(), &["check", "--offline", "--format", "json"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let left_out = json!(["keys of `tokens.far`", "addresses of `upstreams.app`", "the store of `counters`"]);
    assert_eq!(ran.json()["left_out"], left_out);
    assert_eq!(ran.json()["warnings"], json!([]));

    let ran = binary::run(ground.folder.path(), &["check", "--format", "json"]).await;
    assert_eq!(ran.code, Some(0), "what is down now does not keep a gateway from starting");
    assert_eq!(ran.json()["left_out"], json!([]));
    let warnings = ran.json()["warnings"].to_string();
    for told in [
        "upstream `app`: the host of `http://app.invalid:1` is not found",
        "tokens.far: `https://idp.invalid/.well-known/openid-configuration` cannot be fetched",
        "counters: the store cannot be used: ",
    ] {
        assert!(warnings.contains(told), "`{told}` in {warnings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_what_the_gateway_will_need() {
    let port = binary::free_ports(1);
    let ground = Setup::new()
        .route("item", "GET /items/{id}", "read", "")
        .targets(&format!("\"http://127.0.0.1:{port}\""))
        .section(&format!("[counters]\nurl = \"redis://127.0.0.1:{port}\""))
        .file("certs/jwks.json", r#"{"keys":[]}"#)
        .lay()
        .await;
    ground.files.write("data/portcullis.db", "this is no database");
    let ran = binary::run(ground.folder.path(), &["check"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for told in [
        "warning: tokens.test: the key set has no usable key",
        "warning: store: ",
        &format!("warning: upstream `app`: `http://127.0.0.1:{port}` cannot be connected to: Connection refused"),
        "warning: counters: the store cannot be used: ",
    ] {
        assert!(ran.stdout.contains(told), "`{told}` in {}", ran.stdout);
    }
    assert_eq!(ground.files.read("data/portcullis.db"), "this is no database");
    let offline = binary::run(ground.folder.path(), &["check", "--offline"]).await;
    assert!(offline.stdout.contains("warning: tokens.test: the key set has no usable key"), "{}", offline.stdout);
    assert!(!offline.stdout.contains("Connection refused"), "{}", offline.stdout);
    assert!(offline.stdout.contains("left out: addresses of `upstreams.app`"), "{}", offline.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_a_route_whose_policies_do_not_refuse() {
    let ground =
        Setup::new().route("item", "GET /items/{id}", "read", "authorize = { mode = \"shadow\" }\n").lay().await;
    let ran = binary::run(ground.folder.path(), &["check"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("warning: route `item`: its policies do not refuse"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_no_file_is_told_of_and_never_passed_over() {
    let ground = ground().await;
    ground.files.write("policies/folder.cedar/.keep", "");
    std::os::unix::fs::symlink("nowhere", ground.files.path("policies/link.cedar")).unwrap();
    let pipe = ground.files.path("policies/pipe.cedar");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let ran = binary::run(ground.folder.path(), &["check"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for wrong in [
        "folder.cedar: cannot be read (it is no regular file)",
        "link.cedar: does not exist",
        "pipe.cedar: cannot be read (it is no regular file)",
    ] {
        assert!(ran.stderr.contains(&format!("policies/{wrong}")), "{wrong}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains("make the file readable, or remove it"), "{}", ran.stderr);
}
