//! Who may speak to the admin API, and from where?

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use portcullis_tests::clock::TestClock;
use portcullis_tests::program::Program;
use portcullis_tests::site::{Setup, Site};
use serde_json::json;

use crate::api_keys::{make, operator};

async fn start() -> (Site, Client) {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let admin = site.admin().await;
    (site, admin)
}

const NEEDS_A_KEY: [(&str, &str); 7] = [
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys/x"),
    ("DELETE", "/v1/keys/x"),
    ("GET", "/v1/status"),
    ("GET", "/v1/routes"),
    ("POST", "/v1/config/reload"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_or_told_without_the_admin_key() {
    let (site, mut admin) = start().await;
    let key = make(&site, &json!({ "name": "k", "roles": ["admin", "readers", "writers"] })).await;
    let user_key = format!("Bearer {}", key["secret"].as_str().unwrap());
    let token = site.writer();
    let operator = operator(&site);
    let cut = &operator[..operator.len() - 1];
    let no_bearer = operator.replace("Bearer ", "Basic ");
    let bare = "Bearer realm=\"portcullis admin\"";
    let wrong =
        "Bearer realm=\"portcullis admin\", error=\"invalid_token\", error_description=\"the key does not verify\"";
    for (what, shown, code, challenge) in [
        ("nothing", &[][..], "authentication_required", bare),
        ("another scheme", &[("authorization", no_bearer.as_str())], "authentication_required", bare),
        ("a user's key", &[("authorization", user_key.as_str())], "invalid_api_key", wrong),
        ("a user's token", &[("authorization", token.as_str())], "invalid_api_key", wrong),
        ("half of it", &[("authorization", cut)], "invalid_api_key", wrong),
        ("an empty one", &[("authorization", "Bearer ")], "authentication_required", bare),
        ("a made-up key", &[("x-api-key", "ptcl_admin_000000000000_x")], "invalid_api_key", wrong),
    ] {
        for (method, path) in NEEDS_A_KEY {
            let answer = admin.send(method, path, shown, r#"{"name":"x"}"#).await;
            assert_eq!(answer.problem(), (401, code.to_owned()), "{method} {path} with {what}");
            assert_eq!(answer.header("www-authenticate"), Some(challenge), "{method} {path} with {what}");
        }
    }
    assert_eq!(site.gateway.store().keys.list(None, 10, None).await.unwrap().keys.len(), 1);
    for shown in [("authorization", &*operator), ("x-api-key", operator.strip_prefix("Bearer ").unwrap())] {
        assert_eq!(admin.get("/v1/keys", &[shown]).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_key_opens_no_route_of_the_application() {
    let (site, _) = start().await;
    let answer = site.h1().await.get("/", &[("authorization", &operator(&site))]).await;
    assert_eq!(answer.problem(), (401, "invalid_api_key".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_key_is_for_its_owner_alone_and_outlives_a_restart() {
    use std::os::unix::fs::PermissionsExt as _;
    let (site, _) = start().await;
    let mode = std::fs::metadata(&site.gateway.admin_key_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let operator = operator(&site);
    let site = site.restart(|_| {}).await.map_err(|(error, _)| error).unwrap();
    assert_eq!(site.admin().await.get("/v1/status", &[("authorization", &operator)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_key_never_ends_by_itself() {
    let clock = Arc::new(TestClock::default());
    let site = Setup::new().route("home", "GET /", "read", "").clock(&clock).start().await;
    clock.advance(Duration::from_hours(24 * 365 * 20));
    let operator = operator(&site);
    assert_eq!(site.admin().await.get("/v1/status", &[("authorization", &operator)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_this_machine_is_misdirected() {
    let (site, mut admin) = start().await;
    let operator = operator(&site);
    let port = site.gateway.admin.unwrap().port();
    for host in
        ["evil.example", "app.test", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", ""]
    {
        for path in ["/v1/status", "/readyz", "/metrics", "/nowhere"] {
            let shown: &[(&str, &str)] = &[("authorization", &operator), ("host", host)];
            assert_eq!(
                admin.get(path, shown).await.problem(),
                (421, "misdirected_request".to_owned()),
                "{host} {path}"
            );
        }
    }
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let shown: &[(&str, &str)] = &[("authorization", &operator), ("host", &host)];
            assert_eq!(admin.get("/v1/status", shown).await.status, 200, "{host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_change_nothing() {
    let (site, mut admin) = start().await;
    let operator = operator(&site);
    let own = format!("https://{}", admin.authority);
    let plain = own.replace("https", "http");
    for origin in ["https://evil.example", "https://localhost", "null", "", &*plain] {
        for (method, path) in [("POST", "/v1/keys"), ("POST", "/v1/config/reload"), ("DELETE", "/v1/keys/x")] {
            let shown: &[(&str, &str)] = &[("authorization", &operator), ("origin", origin)];
            let answer = admin.send(method, path, shown, r#"{"name":"x"}"#).await;
            assert_eq!(answer.problem(), (403, "cross_site_request".to_owned()), "{origin} {method} {path}");
        }
    }
    assert_eq!(site.gateway.store().keys.list(None, 10, None).await.unwrap().keys, []);
    let shown: &[(&str, &str)] = &[("authorization", &operator), ("origin", &own)];
    assert_eq!(admin.post_json("/v1/keys", shown, &json!({ "name": "x" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_of_the_admin_api_has_a_page_on_both_listeners() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let operator = format!("Bearer {}", site.admin_key());
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut admin = site.admin().await;
    for (method, path) in [("GET", "/v1/keys/none"), ("DELETE", "/v1/revocations/none")] {
        let refused = admin.send(method, path, auth, "").await;
        let page = refused.json()["type"].as_str().unwrap().to_owned();
        for answer in [admin.get(&page, &[]).await, site.h1().await.get(&page, &[]).await] {
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (200, Some("text/html; charset=utf-8"))
            );
            assert!(String::from_utf8_lossy(&answer.body).contains("What to do"), "{page}");
        }
    }
    assert_eq!(admin.get("/_portcullis/refusals/none", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_told_at_any_level() {
    for level in ["debug", "trace"] {
        let program = Program::lay(Setup::new().route("home", "GET /", "read", ""), None).await;
        let folder = program.ground.folder.path();
        let mut gateway = binary::spawn_with(folder, &["run"], &[("PORTCULLIS_LOG", level)]);
        gateway.says("\"ready\"").await;
        let operator = program.operator();
        let auth: &[(&str, &str)] = &[("authorization", &operator), ("idempotency-key", "hunter2")];
        let mut admin = program.admin().await;
        let made = admin.post_json("/v1/keys", auth, &json!({ "name": "k", "roles": ["readers"] })).await;
        assert_eq!(made.status, 201, "{made:#?}");
        let (path, secret) = (made.header("location").unwrap(), made.json()["secret"].as_str().unwrap().to_owned());
        let rotated = admin.post_json(&format!("{path}/rotate"), &[("authorization", &operator)], &json!({})).await;
        let fresh = rotated.json()["secret"].as_str().unwrap().to_owned();
        for (key, status) in [(&secret, 401), (&fresh, 200)] {
            assert_eq!(program.client().await.get("/", &[("x-api-key", key)]).await.status, status);
        }
        gateway.signal("TERM").await;
        let ran = gateway.ended().await;
        let said = format!("{}{}{}", ran.stdout, ran.stderr, program.ground.files.read("logs/access.jsonl"));
        assert!(said.contains("DEBUG"), "much is told at this level: {said}");
        let admin_key = operator.strip_prefix("Bearer ").unwrap();
        for key in [admin_key, &secret, &fresh] {
            // Not the part that nobody may know, whatever stands around it.
            let hidden = &key[key.len() - 33..];
            assert_eq!(said.lines().find(|line| line.contains(hidden)), None, "{level}");
        }
        assert_eq!(said.lines().find(|line| line.contains("hunter2")), None, "{level}");
    }
}
