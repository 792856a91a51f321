//! Who else can end a session? The provider, and whoever runs the gateway.

use std::time::Duration;

use http_body_util::BodyExt;
use portcullis_tests::idp::{ALICE, Idp};
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::Site;
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;
use serde_json::{Value, json};

use super::{alice, idp, setup, site};

const PAGE: &str = "https://app.test/page";

async fn works(browser: &mut Browser) -> bool {
    browser.fetch("GET", PAGE).await.status == 200
}

/// Posts a logout token as a provider does; the status and what was wrong.
pub(super) async fn post(site: &Site, idp: &Idp, what: Value) -> (u16, Option<String>) {
    let form = format!("logout_token={}", idp.logout_token(what).await);
    send(site, &form).await
}

async fn send(site: &Site, form: &str) -> (u16, Option<String>) {
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let mut client = site.h1().await;
    let answer = client.send("POST", "/_portcullis/backchannel-logout", &kind, form.to_owned()).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let why = (answer.status != 200).then(|| answer.json()["error_description"].as_str().unwrap().to_owned());
    (answer.status.as_u16(), why)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_ends_a_session_or_all_of_a_person() {
    let idp = idp().await;
    let site = site(&idp).await;
    idp.tamper(json!({ "path": "/token", "token": "id_token", "claims": { "sid": "one" } })).await;
    let mut one = alice(&site).await;
    idp.tamper(json!({ "path": "/token", "token": "id_token", "claims": { "sid": "two" } })).await;
    let mut two = alice(&site).await;
    idp.heal().await;
    assert_eq!(post(&site, &idp, json!({ "claims": { "sid": "one", "sub": ALICE } })).await, (200, None));
    assert_eq!((works(&mut one).await, works(&mut two).await), (false, true), "by `sid`, that one alone");
    let mut three = alice(&site).await;
    assert_eq!(post(&site, &idp, json!({ "claims": { "sub": ALICE } })).await, (200, None));
    assert_eq!((works(&mut two).await, works(&mut three).await), (false, false), "by `sub`, all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_that_is_bent_or_used_before_ends_nothing() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = alice(&site).await;
    let with = |more: Value| {
        let mut claims = json!({ "sub": ALICE });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "claims": claims })
    };
    let invalid = || (400, Some("id_token_invalid".to_owned()));
    for (what, expected) in [
        (with(json!({ "aud": "x" })), (400, Some("audience_mismatch".to_owned()))),
        (with(json!({ "iss": "https://evil.example" })), (400, Some("issuer_mismatch".to_owned()))),
        (with(json!({ "nonce": "n" })), invalid()),
        (with(json!({ "events": { "other": {} } })), invalid()),
        (json!({ "claims": { "sub": ALICE }, "omit": ["events"] }), invalid()),
        (json!({ "claims": { "sub": ALICE }, "omit": ["jti"] }), invalid()),
        (json!({ "claims": {} }), invalid()),
        (with(json!({ "iat": 1_000_000_000 })), (400, Some("clock_skew".to_owned()))),
    ] {
        assert_eq!(post(&site, &idp, what.clone()).await, expected, "{what}");
    }
    for form in ["", "logout_token=x", "logout_token=eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(send(&site, form).await.0, 400, "{form}");
    }
    assert!(works(&mut browser).await);
    let token = format!("logout_token={}", idp.logout_token(json!({ "claims": { "sub": "somebody" } })).await);
    assert_eq!(send(&site, &token).await, (200, None));
    assert_eq!(send(&site, &token).await, invalid(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_who_is_logged_in_and_end_it_everywhere() {
    let idp = idp().await;
    let site = setup(&idp, "").section("[sessions]\nmax_per_user = 10\n").start().await;
    let replica = site.replica().await;
    let key = format!("Bearer {}", site.admin_key());
    let auth: &[(&str, &str)] = &[("authorization", &key)];
    let mut admin = site.admin().await;
    let (mut one, mut two) = (alice(&site).await, alice(&site).await);
    let mut bob = Browser::new(&site);
    assert_eq!(bob.follow(PAGE, "bob").await.answer.status, 200);
    let mut elsewhere = two.clone();
    elsewhere.moves_to_replica(replica.https.unwrap());
    assert!(works(&mut elsewhere).await);

    let list = admin.get(&format!("/v1/sessions?user=test%7C{ALICE}"), auth).await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert_eq!(
        (&items[0]["user"], &items[0]["email"]),
        (&json!(format!("test|{ALICE}")), &json!("alice@example.test"))
    );
    assert!(!list.to_string().contains(one.cookie(SESSION).unwrap()), "ids are no cookies");
    let page = admin.get("/v1/sessions?limit=1", auth).await.json();
    assert!(page["next_cursor"].is_string());

    let id = items[0]["id"].as_str().unwrap();
    assert_eq!(admin.send("DELETE", &format!("/v1/sessions/{id}"), auth, "").await.status, 204);
    assert_eq!(admin.send("DELETE", &format!("/v1/sessions/{id}"), auth, "").await.problem().1, "session_not_found");
    assert_eq!((works(&mut one).await, works(&mut two).await), (false, true));
    let body = json!({ "user": format!("test|{ALICE}") });
    assert_eq!(admin.post_json("/v1/sessions/revoke", auth, &body).await.json()["ended"], 1);
    assert!(!works(&mut two).await);
    let dead = async { while works(&mut elsewhere).await {} };
    assert!(tokio::time::timeout(Duration::from_secs(1), dead).await.is_ok(), "longer than a second elsewhere");
    let earlier = json!({ "all": true, "before": 1_000_000_000 });
    assert_eq!(admin.post_json("/v1/sessions/revoke", auth, &earlier).await.json()["ended"], 0);
    assert!(works(&mut bob).await);
    assert_eq!(admin.post_json("/v1/sessions/revoke", auth, &json!({ "all": true })).await.json()["ended"], 1);
    assert!(!works(&mut bob).await);
    assert_eq!(admin.post_json("/v1/sessions/revoke", auth, &json!({})).await.status, 422);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_end_with_their_session() {
    let idp = idp().await;
    let site = setup(&idp, "")
        .route("events", "GET /events", "read", "authenticate = [\"session\"]\nmax_stream = \"1h\"\n")
        .start()
        .await;
    let browser = alice(&site).await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let (reply, _feed) = Reply::sse();
    site.upstream.next(reply);
    let mut client = site.h1().await;
    let request = client.request("GET", "/events", &[("cookie", &cookie)], "");
    let mut stream = within("the head of a stream", client.open(request)).await.unwrap();
    assert_eq!(stream.status(), 200);
    let key = format!("Bearer {}", site.admin_key());
    let (auth, all) = ([("authorization", &*key)], json!({ "all": true }));
    let ended = site.admin().await.post_json("/v1/sessions/revoke", &auth, &all).await;
    assert_eq!(ended.json()["ended"], 1);
    let from = site.gateway.now();
    let cut = async { while let Some(Ok(_)) = stream.frame().await {} };
    within("the stream to be cut", cut).await;
    let took = site.gateway.now().since(from).as_millis();
    assert!(took < 1_000, "{took} ms");
}
