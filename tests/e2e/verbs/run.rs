//! The gateway, from its start to its end.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use portcullis_tests::site::{Ground, Setup};
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;
use serde_json::Value;

async fn ground() -> Ground {
    Setup::new().route("home", "GET /", "public", "").lay().await
}

fn address(ready: &str, key: &str) -> SocketAddr {
    let ready: Value = serde_json::from_str(ready).unwrap();
    ready[key].as_str().unwrap().trim_start_matches("Some(").trim_end_matches(')').parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn speaks_json_on_stderr_keeps_its_files_private_and_lets_a_request_finish() {
    let ground = ground().await;
    let mut gateway = binary::spawn(ground.folder.path(), &["run"]);
    let ready = gateway.says("\"ready\"").await;
    let mut client = Client::h1(address(&ready, "https"), "app.test", ground.authority.pem()).await.unwrap();
    client.authority = "app.test".to_owned();
    let (held, release) = Reply::ok().held();
    ground.upstream.next(held);
    let asking = tokio::spawn(async move { client.get("/", &[]).await });
    ground.upstream.wait_for_heads(1).await;
    gateway.signal("TERM").await;
    gateway.says("stopping").await;
    // Not before the request is done.
    assert!(gateway.runs());
    release.go();
    assert_eq!(within("the answer", asking).await.unwrap().status, 200);
    let ran = gateway.ended().await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    for line in ran.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }

    let mode = |path: &str| std::fs::metadata(ground.files.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    for file in std::fs::read_dir(ground.files.path("data")).unwrap() {
        let file = file.unwrap().path();
        let wanted = if file.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(file.to_str().unwrap()), wanted, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlives_the_grace_period_does_not_keep_it() {
    let ground = ground().await;
    ground.files.edit("config/portcullis.toml", "grace_period = \"5s\"", "grace_period = \"1s\"");
    let mut gateway = binary::spawn(ground.folder.path(), &["run"]);
    let ready = gateway.says("\"ready\"").await;
    let mut client = Client::h1(address(&ready, "https"), "app.test", ground.authority.pem()).await.unwrap();
    client.authority = "app.test".to_owned();
    let (held, _release) = Reply::ok().held();
    ground.upstream.next(held);
    let request = client.request("GET", "/", &[], "");
    let asking = tokio::spawn(async move { client.open(request).await.map(|_| ()) });
    ground.upstream.wait_for_heads(1).await;
    gateway.signal("INT").await;
    assert_eq!(gateway.ended().await.code, Some(0));
    assert!(within("the end of the connection", asking).await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_ends_it_with_2_and_says_what_to_do() {
    for key in ["https", "admin"] {
        let ground = ground().await;
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        let line = format!("{key} = \"127.0.0.1:0\"");
        ground.files.edit("config/portcullis.toml", &line, &format!("{key} = \"{taken}\""));
        let ran = binary::run(ground.folder.path(), &["run"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
        let wanted = format!("`server.{key}` = `{taken}` cannot be listened on: ");
        assert!(ran.stderr.contains(&wanted), "{}", ran.stderr);
        assert!(ran.stderr.contains("stop what holds it, or choose another address"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_ends_it_with_2_and_nothing_is_made() {
    let ground = ground().await;
    ground.files.write("policies/test.cedar", "permit (");
    let ran = binary::run(ground.folder.path(), &["run"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("policies/test.cedar:1:"), "{}", ran.stderr);
    assert!(!ground.files.path("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn says_no_more_than_its_level() {
    let ground = Setup::new().route("home", "GET /", "public", "").lay().await;
    ground.files.edit("config/portcullis.toml", "[observe]\n", "[observe]\nlevel = \"error\"\n");
    let port = binary::free_ports(1);
    ground.files.edit("config/portcullis.toml", "admin = \"127.0.0.1:0\"", &format!("admin = \"127.0.0.1:{port}\""));
    let gateway = binary::spawn(ground.folder.path(), &["run"]);
    within("readiness", async { while binary::run(ground.folder.path(), &["health"]).await.code != Some(0) {} }).await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_on_a_machine_that_trusts_no_authority_and_says_so() {
    let ground = ground().await;
    ground.files.write("nobody.pem", "");
    ground.files.write("nobody/.keep", "");
    let [file, folder] = ["nobody.pem", "nobody"].map(|path| ground.files.path(path));
    let variables = [("SSL_CERT_FILE", file.to_str().unwrap()), ("SSL_CERT_DIR", folder.to_str().unwrap())];
    let mut gateway = binary::spawn_with(ground.folder.path(), &["run"], &variables);
    let warned = gateway.says("trusts no certificate authority").await;
    assert!(warned.contains("ca-certificates"), "{warned}");
    let ready = gateway.says("\"ready\"").await;
    let mut client = Client::h1(address(&ready, "https"), "app.test", ground.authority.pem()).await.unwrap();
    client.authority = "app.test".to_owned();
    assert_eq!(client.get("/", &[]).await.status, 200);
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_that_cannot_be_read_end_it_with_2() {
    let ground = ground().await;
    let variables = [("SSL_CERT_FILE", "/nowhere/ca.pem"), ("SSL_CERT_DIR", "/nowhere")];
    let ran = binary::run_with(ground.folder.path(), &["run"], &variables).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("/nowhere/ca.pem"), "{}", ran.stderr);
    assert!(ran.stderr.contains("help: mend what SSL_CERT_FILE"), "{}", ran.stderr);
    assert!(!ground.files.path("data/portcullis.db").exists());
}
