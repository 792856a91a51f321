//! A token for whom the application asks, in exchange for the caller's own (RFC 8693).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{ALICE, AUDIENCE, Fault, Idp};
use portcullis_tests::jar::Browser;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use super::{alice, idp, idp_with, setup};
use crate::api_keys::make;

const ORDERS: &str = "https://app.test/orders";
const METHODS: &str = "authenticate = [\"session\", \"api_key\"]\ntoken = \"exchange\"\n";

fn exchanging(setup: Setup, name: &str, wish: &str) -> Setup {
    setup.route(name, &format!("GET /{name}"), "read", &format!("{METHODS}exchange = {wish}\n"))
}

fn exchanges(idp: &Idp) -> Setup {
    let setup =
        exchanging(setup(idp, ""), "orders", r#"{ audience = "orders", scopes = ["orders:read", "orders:list"] }"#);
    let setup = exchanging(setup, "stock", r#"{ audience = "stock" }"#);
    let setup = exchanging(setup, "place", r#"{ resource = "https://orders.internal/" }"#);
    let setup = exchanging(setup, "elsewhere", r#"{ audience = "elsewhere" }"#);
    let setup = exchanging(setup, "either", r#"{ audience = "elsewhere", on_failure = "without" }"#);
    exchanging(setup, "without", r#"{ audience = "orders", on_failure = "without" }"#)
        .policies(r#"@id("keys") permit (principal in Group::"keys|readers", action in Action::"read", resource);"#)
}

async fn asked(idp: &Idp) -> u64 {
    idp.counters().await["POST /token"]
}

/// The token that the application got last.
fn seen(site: &Site) -> Option<String> {
    let last = site.upstream.requests().pop().unwrap();
    last.header("authorization").map(|field| field.strip_prefix("Bearer ").unwrap().to_owned())
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gets_a_token_for_whom_it_asks_once_for_each_session() {
    let idp = idp().await;
    let site = exchanges(&idp).start().await;
    let mut browser = alice(&site).await;
    let before = asked(&idp).await;
    idp.fault("/token", Fault::Slow(300), Some(1)).await;
    let many = (0..10).map(|_| {
        let mut browser = browser.clone();
        async move { browser.fetch("GET", ORDERS).await.status }
    });
    assert!(futures::future::join_all(many).await.iter().all(|status| *status == 200));
    assert_eq!(asked(&idp).await - before, 1, "those that come at once ask as one");
    let token = seen(&site).unwrap();
    let said = claims(&token);
    let told = json!([said["aud"], said["sub"], said["client_id"], said["scope"]]);
    assert_eq!(told, json!(["orders", ALICE, "gateway-web", "orders:read orders:list"]));
    for (path, audience) in [("stock", "stock"), ("place", "https://orders.internal/")] {
        assert_eq!(browser.fetch("GET", &format!("https://app.test/{path}")).await.status, 200);
        assert_eq!(claims(&seen(&site).unwrap())["aud"], audience);
    }
    assert_eq!(browser.fetch("GET", ORDERS).await.status, 200);
    assert_eq!(seen(&site), Some(token.clone()), "it is kept");
    assert_eq!(asked(&idp).await - before, 3, "once for each wish");
    let mut other = alice(&site).await;
    assert_eq!(other.fetch("GET", ORDERS).await.status, 200);
    assert_ne!(seen(&site), Some(token.clone()), "another session has another");

    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let fields = [("x-api-key", key["secret"].as_str().unwrap()), ("authorization", "Bearer made-up")];
    assert_eq!(Browser::new(&site).send("GET", ORDERS, &fields, "").await.status, 200);
    assert_eq!(seen(&site), None, "a key has no token");
    let (access, decisions) = site.logs().await;
    assert!(!format!("{access:?}{decisions:?}").contains(&token), "nor is it in any log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_is_exchanged_at_the_provider_that_issued_it() {
    let idp = idp().await;
    let source = format!("[tokens.test]\nissuer = \"{}\"\naudiences = [\"{AUDIENCE}\"]\n", idp.issuer());
    let bearer = "authenticate = [\"jwt\"]\ntoken = \"exchange\"\nexchange = { audience = \"orders\" }\n";
    let site = setup(&idp, "").section(&source).route("bearer", "GET /bearer", "read", bearer).start().await;
    site.gateway.warm().await;
    let shown = format!("Bearer {}", idp.token(json!({})).await);
    let mut client = site.h1().await;
    let answer = client.get("/bearer", &[("authorization", &shown)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = claims(&seen(&site).unwrap());
    assert_eq!((&said["aud"], &said["sub"]), (&json!("orders"), &json!(ALICE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_got_anew_before_it_ends_and_when_its_session_is_renewed() {
    let idp = idp_with(&[("IDP_ID_TTL", "1000000"), ("IDP_REFRESH_TTL", "1000000")]).await;
    let clock = Arc::new(TestClock::default());
    let site = exchanges(&idp).clock(&clock).start().await;
    let mut browser = alice(&site).await;
    let mut tokens = Vec::new();
    // Of 300 s, the last 60 count no more. After 301 s the session's own token was renewed too.
    for (seconds, fresh) in [(0, true), (100, false), (139, false), (2, true), (60, true)] {
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(browser.fetch("GET", ORDERS).await.status, 200);
        let token = seen(&site).unwrap();
        assert_eq!(tokens.last() != Some(&token), fresh, "after {seconds} s more");
        tokens.push(token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_says_no_or_nothing_is_told_apart_and_left_alone_for_a_moment() {
    let idp = idp().await;
    let clock = Arc::new(TestClock::default());
    let site = exchanges(&idp).clock(&clock).start().await;
    let mut browser = alice(&site).await;
    let before = asked(&idp).await;
    for _ in 0..3 {
        let refused = browser.fetch("GET", "https://app.test/elsewhere").await;
        assert_eq!(refused.problem(), (403, "forbidden".into()));
        assert!(refused.json()["detail"].as_str().unwrap().contains("no token in your name"));
    }
    assert_eq!(asked(&idp).await - before, 1, "a no is remembered too");
    let wrongs = [
        (Fault::Status(503), None),
        (Fault::Reset, None),
        (Fault::Garbage, None),
        // The client is refused, which is nothing that the caller could help.
        (Fault::Status(401), None),
        (Fault::Hang, Some("5 s")),
    ];
    for (fault, _) in wrongs {
        clock.advance(Duration::from_secs(3));
        idp.fault("/token", fault, None).await;
        let refused = browser.fetch("GET", ORDERS).await;
        assert_eq!(refused.problem(), (503, "dependency_unavailable".into()), "{fault:?}");
        assert_eq!(refused.header("retry-after"), Some("2"), "{fault:?}");
        assert!(site.upstream.requests().iter().all(|seen| seen.target != "/orders"), "{fault:?}");
        // Where the configuration says so, the request goes on with nothing, and never with what the client wrote.
        let fields = [("authorization", "Bearer made-up")];
        for path in ["without", "either"] {
            let answer = browser.send("GET", &format!("https://app.test/{path}"), &fields, "").await;
            assert_eq!((answer.status.as_u16(), seen(&site)), (200, None), "{fault:?}");
        }
        idp.heal().await;
    }
    clock.advance(Duration::from_secs(3));
    assert_eq!(browser.fetch("GET", ORDERS).await.status, 200, "it recovers by itself");
    let (_, decisions) = site.logs().await;
    let reasons = format!("{decisions:?}");
    assert!(reasons.contains("`invalid_target`"), "the operator reads why: {reasons}");
}
