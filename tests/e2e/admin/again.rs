//! A request that comes again with its `Idempotency-Key` is answered again, and not done again.

use std::sync::Arc;

use portcullis_core::moment::Moment;
use portcullis_server::world::store::{Commit, Expect, Kind, Listing, Record};
use portcullis_tests::client::Answer;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::{binary, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::api_keys::{make, operator};

async fn start() -> Site {
    Setup::new().route("home", "GET /", "read", "").start().await
}

async fn post(site: &Site, credential: &str, key: &str, body: &Value) -> Answer {
    site.admin().await.post_json("/v1/keys", &[("authorization", credential), ("idempotency-key", key)], body).await
}

async fn keys(site: &Site) -> usize {
    site.gateway.store().keys.list(None, 200, None).await.unwrap().keys.len()
}

async fn kept(site: &Site) -> Vec<Record> {
    site.gateway.store().records().list(Listing::of(Kind::Idempotency)).await.unwrap().records
}

#[tokio::test(flavor = "multi_thread")]
async fn is_done_once_and_answered_twice() {
    let site = start().await;
    let operator = operator(&site);
    let body = json!({ "name": "k" });
    let first = post(&site, &operator, "\"once\"", &body).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, None));
    // The quotes may be left out.
    let second = post(&site, &operator, "once", &body).await;
    assert_eq!((second.status.as_u16(), second.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(second.json(), first.json(), "with its secret");
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(second.header("cache-control"), Some("no-store"));
    assert_eq!(keys(&site).await, 1);

    let path = first.header("location").unwrap().to_owned();
    let mut admin = site.admin().await;
    let fields: &[(&str, &str)] = &[("authorization", &operator), ("idempotency-key", "turn")];
    let (one, other) = (
        admin.send("POST", &format!("{path}/rotate"), fields, "").await,
        admin.send("POST", &format!("{path}/rotate"), fields, "").await,
    );
    assert_eq!((one.json(), one.header("etag")), (other.json(), other.header("etag")));
    let rows = site.gateway.store().audit(0, 100).await.unwrap();
    let actions: Vec<&str> = rows.iter().map(|row| &*row.action).collect();
    assert_eq!(actions, ["admin_key.create", "config.load", "key.create", "key.rotate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_is_done() {
    let site = start().await;
    let operator = operator(&site);
    let body = json!({ "name": "k" });
    let answers = futures::future::join_all((0..50).map(|_| post(&site, &operator, "same", &body))).await;
    let mut secrets = std::collections::BTreeSet::new();
    for answer in answers {
        match answer.status.as_u16() {
            201 => drop(secrets.insert(answer.json()["secret"].to_string())),
            _ => assert_eq!(answer.problem(), (409, "idempotency_conflict".to_owned())),
        }
    }
    assert_eq!((secrets.len(), keys(&site).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_with_the_same_key_is_refused() {
    let site = start().await;
    let operator = operator(&site);
    assert_eq!(post(&site, &operator, "a", &json!({ "name": "k" })).await.status, 201);
    let refused = post(&site, &operator, "a", &json!({ "name": "another" })).await;
    assert_eq!(refused.problem(), (422, "idempotency_key_reused".to_owned()));
    let fields: &[(&str, &str)] = &[("authorization", &operator), ("idempotency-key", "a")];
    let refused = site.admin().await.send("POST", "/v1/config/reload", fields, "").await;
    assert_eq!(refused.problem(), (422, "idempotency_key_reused".to_owned()));
    for wrong in ["", "\"\"", "\"a", "a\"b", "ä", &"a".repeat(256)] {
        let refused = post(&site, &operator, wrong, &json!({ "name": "another" })).await;
        assert_eq!(refused.problem(), (400, "malformed_request".to_owned()), "{wrong}");
    }
    assert_eq!(keys(&site).await, 1);
    let other = make(&site, &json!({ "name": "other", "roles": ["portcullis:admin"] })).await;
    let other = format!("Bearer {}", other["secret"].as_str().unwrap());
    let theirs = post(&site, &other, "a", &json!({ "name": "another" })).await;
    assert_eq!((theirs.status.as_u16(), theirs.header("idempotency-replayed")), (201, None), "keys are each one's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_nothing_may_come_again() {
    let site = start().await;
    let operator = operator(&site);
    assert_eq!(post(&site, &operator, "a", &json!({ "name": "" })).await.status, 422);
    let rehearsed = [("authorization", &*operator), ("idempotency-key", "a")];
    let answer = site.admin().await.post_json("/v1/keys?dry_run=true", &rehearsed, &json!({ "name": "k" })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(kept(&site).await, []);
    assert_eq!(post(&site, &operator, "a", &json!({ "name": "k" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_sealed_for_the_credential_that_was_shown() {
    let site = start().await;
    let manager = make(&site, &json!({ "name": "admin", "roles": ["portcullis:admin"] })).await;
    let credential = format!("Bearer {}", manager["secret"].as_str().unwrap());
    let made = post(&site, &credential, "a", &json!({ "name": "k" })).await.json();
    let [record] = kept(&site).await.try_into().unwrap();
    let text = String::from_utf8(record.body.to_vec()).unwrap();
    assert!(!text.contains(made["id"].as_str().unwrap()) && !text.contains("ptcl_"), "{text}");
    let life = record.expires_at.unwrap().seconds() - record.created_at.seconds();
    assert_eq!(life, 24 * 3600);

    let path = format!("/v1/keys/{}/rotate", manager["id"].as_str().unwrap());
    let rotated = site.admin().await.send("POST", &path, &[("authorization", &operator(&site))], "").await.json();
    assert_eq!(post(&site, &credential, "a", &json!({ "name": "k" })).await.status, 401, "asked again, judged again");
    let credential = format!("Bearer {}", rotated["secret"].as_str().unwrap());
    let refused = post(&site, &credential, "a", &json!({ "name": "k" })).await;
    assert_eq!(refused.problem(), (409, "idempotency_conflict".to_owned()));
    assert_eq!(keys(&site).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_said_and_nothing_done_again() {
    let site = start().await;
    let operator = operator(&site);
    let body = json!({ "name": "k" });
    assert_eq!(post(&site, &operator, "a", &body).await.status, 201);
    // As a gateway leaves it that is killed before the answer is kept.
    let [record] = kept(&site).await.try_into().unwrap();
    let mut left: Value = serde_json::from_slice(&record.body).unwrap();
    left["sealed"] = Value::Null;
    for (at, says) in [(site.gateway.now(), "is under way"), (Moment::from_seconds(0), "before its answer was kept")] {
        left["at"] = serde_json::to_value(at).unwrap();
        let draft = record.with(left.to_string().into());
        site.gateway.store().records().commit(Commit::put(draft, Expect::Any)).await.unwrap();
        let refused = post(&site, &operator, "a", &body).await;
        assert_eq!(refused.problem(), (409, "idempotency_conflict".to_owned()));
        assert!(refused.json()["detail"].as_str().unwrap().contains(says), "{refused:#?}");
    }
    assert_eq!(keys(&site).await, 1);
}

/// Hands a client to `to`, and is gone with its answer once `done`.
async fn swallow(listener: TcpListener, to: std::net::SocketAddr, done: impl AsyncFn() -> bool) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut server = TcpStream::connect(to).await.unwrap();
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    // The handshake passes, and what follows goes one way only.
    let mut batches = 0;
    // Nothing tells when the store has changed, so it is asked.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    while !done().await {
        tokio::select! {
            read = client.read(&mut from_client) => {
                batches += 1;
                server.write_all(&from_client[..read.unwrap()]).await.unwrap();
            }
            read = server.read(&mut from_server), if batches < 2 => {
                client.write_all(&from_server[..read.unwrap()]).await.unwrap();
            }
            _ = ticks.tick() => {}
        }
    }
    drop((client, server));
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(to).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_again_what_may_not_have_been_heard() {
    let site = Arc::new(start().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = site.files.read("config/portcullis.toml");
    let here = format!("admin = \"{}\"", listener.local_addr().unwrap());
    site.files.write("config/here.toml", config.replace("admin = \"127.0.0.1:0\"", &here));
    let watched = Arc::clone(&site);
    let relay = tokio::spawn(swallow(listener, site.gateway.admin.unwrap(), async move || keys(&watched).await > 0));
    let arguments = ["keys", "create", "--name", "k", "--config", "config/here.toml"];
    let ran = within("the verb", binary::run(site.files.root(), &arguments)).await;
    relay.abort();
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{ran:#?}");
    assert_eq!(keys(&site).await, 1);
}
