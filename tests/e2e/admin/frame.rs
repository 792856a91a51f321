//! What holds of every operation.

use std::time::Duration;

use portcullis_tests::client::Client;
use portcullis_tests::site::Setup;
use portcullis_tests::within;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api_keys::{make, operator};

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_says_what_would_be_and_writes_nothing() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let key = make(&site, &json!({ "name": "k" })).await;
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());

    let would = admin.post_json("/v1/keys?dry_run=true", auth, &json!({ "name": "another" })).await;
    assert_eq!((would.status.as_u16(), would.header("x-portcullis-dry-run")), (200, Some("true")));
    assert_eq!((&would.json()["name"], &would.json()["secret"]), (&json!("another"), &Value::Null));
    let would = admin.send("DELETE", &format!("{path}?dry_run=true"), auth, "").await;
    assert_eq!((would.status.as_u16(), &would.json()["state"]), (200, &json!("revoked")));
    let refused = admin.post_json("/v1/keys?dry_run=true", auth, &json!({ "name": "" })).await;
    assert_eq!(refused.problem(), (422, "schema_violation".to_owned()));

    let listed = admin.get("/v1/keys", auth).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["state"], "active");
    assert_eq!(site.gateway.store().audit(0, 100).await.unwrap().len(), 3);
    // Whatever is nearly this must not be taken for the opposite.
    for query in ["dryrun=true", "dry_run=yes", "dry_run=", "dry_run=true&dry_run=false", "DRY_RUN=true", "x=1"] {
        let answer = admin.post_json(&format!("/v1/keys?{query}"), auth, &json!({ "name": "another" })).await;
        assert_eq!(answer.problem(), (400, "invalid_parameter".to_owned()), "{query}");
    }
    assert_eq!(admin.get("/v1/keys?dry_run=true", auth).await.problem().0, 400);
    assert_eq!(admin.post_json("/v1/keys?dry_run=false", auth, &json!({ "name": "another" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_meant_for_another_version_is_refused() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let key = make(&site, &json!({ "name": "k" })).await;
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    let tag = admin.get(&path, &[("authorization", &operator)]).await.header("etag").unwrap().to_owned();
    let weak = format!("W/{tag}");
    for wanted in ["\"other\"", &*weak, "other", ""] {
        let answer = admin.send("DELETE", &path, &[("authorization", &operator), ("if-match", wanted)], "").await;
        assert_eq!(answer.problem(), (412, "precondition_failed".to_owned()), "{wanted}");
    }
    let several = format!("\"other\", {tag}");
    let revoked = admin.send("DELETE", &path, &[("authorization", &operator), ("if-match", &several)], "").await;
    assert_eq!(revoked.json()["state"], "revoked");
    assert_ne!(revoked.header("etag"), Some(&*tag), "another version has another tag");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_versions_must_be_named_a_change_that_names_none_is_refused() {
    let site =
        Setup::new().route("home", "GET /", "read", "").section("[admin]\nif_match = \"required\"\n").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator), ("content-type", "application/json")];
    // What is made has no version yet.
    let key = make(&site, &json!({ "name": "k" })).await;
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    let before = site.gateway.store().audit(0, 100).await.unwrap().len();
    let (rotate, tried) = (format!("{path}/rotate"), format!("{path}?dry_run=true"));
    let changes = [
        ("PATCH", &path, r#"{"name":"other"}"#),
        ("POST", &rotate, "{}"),
        ("DELETE", &tried, ""),
        ("DELETE", &path, ""),
    ];
    for (method, path, body) in changes {
        let refused = admin.send(method, path, auth, body).await;
        assert_eq!(refused.problem(), (428, "precondition_required".to_owned()), "{method} {path}");
    }
    assert_eq!(site.gateway.store().audit(0, 100).await.unwrap().len(), before);
    let mut tag = admin.get(&path, auth).await.header("etag").unwrap().to_owned();
    for (method, path, body) in changes {
        let fields = [auth, &[("if-match", tag.as_str())]].concat();
        let done = admin.send(method, path, &fields, body).await;
        assert_eq!(done.status, 200, "{method} {path}: {done:#?}");
        tag = done.header("etag").unwrap().to_owned();
    }
    let key = make(&site, &json!({ "name": "k" })).await;
    site.name_admin();
    let id = key["id"].as_str().unwrap();
    let ran = site.command(&["keys", "revoke", id]).await;
    assert!(ran.code == Some(1) && ran.stderr.starts_with("428 Precondition Required: "), "{ran:#?}");
    let ran = site.command(&["keys", "revoke", id, "--if-match", "*"]).await;
    assert_eq!(ran.code, Some(0), "whatever there is: {ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_route_and_is_valid() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    assert_eq!(admin.get("/v1/openapi.json", &[]).await.problem().0, 401);
    let document = admin.get("/v1/openapi.json", &[("authorization", &operator)]).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/v1/"), "{path}");
        for (method, operation) in methods.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}: its id is taken");
            let statuses: Vec<&str> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            for usual in ["400", "401", "403", "421", "503"] {
                assert!(statuses.contains(&usual), "{method} {path} {usual}");
            }
            assert!(statuses.iter().any(|status| status.starts_with('2')), "{method} {path}");
        }
    }
    let key = &document["components"]["schemas"]["Key"];
    assert!(key["properties"]["secret"].is_object() && key["required"].as_array().unwrap().contains(&json!("id")));
    let text = document.to_string();
    for (reference, _) in text.match_indices("#/components/schemas/") {
        let name: String = text[reference + 21..].chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(document["components"]["schemas"][&name].is_object(), "{name} is referred to and not there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_is_not_waited_for() {
    let site = Setup::new().route("home", "GET /", "read", "").section("[admin]\nmax_connections = 4\n").start().await;
    let address = site.gateway.admin.unwrap();
    // Held before their handshake, four of five take every place.
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let mut bytes = [[0]; 5];
    let reads = held.iter_mut().zip(&mut bytes).map(|(stream, byte)| Box::pin(stream.read(byte)));
    let (ended, _, waiting) = within("one to be turned away", futures::future::select_all(reads)).await;
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    assert_eq!(waiting.len(), 4);
    drop(waiting);
    drop(held);
    let free = async {
        loop {
            if let Ok(client) = Client::h1(address, "localhost", site.ca()).await {
                return client;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut client = within("a place to be free", free).await;
    client.authority = format!("localhost:{}", address.port());
    assert_eq!(client.get("/livez", &[]).await.status, 200);
}

/// An HTTP/2 connection without requests has no end in hyper.
#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_http_1_alone() {
    let site = Setup::new().route("home", "GET /", "public", "").start().await;
    let address = site.gateway.admin.unwrap();
    let offered: &[&[u8]] = &[b"h2", b"http/1.1"];
    let stream = portcullis_tests::client::tls(address, "localhost", site.ca(), offered).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(portcullis_tests::client::tls(address, "localhost", site.ca(), &[b"h2"]).await.is_err(), "nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_and_a_body_must_arrive_in_time() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let address = site.gateway.admin.unwrap();
    let operator = operator(&site);
    let open = || portcullis_tests::client::tls(address, "localhost", site.ca(), &[b"http/1.1"]);
    let (mut head, mut body) = (open().await.unwrap(), open().await.unwrap());
    head.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow").await.unwrap();
    let request = format!(
        "POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: {operator}\r\nContent-Length: 20\r\n\r\n{{\"name\""
    );
    body.write_all(request.as_bytes()).await.unwrap();
    let mut said = (Vec::new(), Vec::new());
    let both = async { tokio::join!(head.read_to_end(&mut said.0), body.read_buf(&mut said.1)) };
    let _ = tokio::time::timeout(Duration::from_secs(30), both).await.expect("both to be answered or closed");
    assert!(String::from_utf8_lossy(&said.1).starts_with("HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&said.1));
}
