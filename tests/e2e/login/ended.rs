//! Who else can end a session? The provider, and whoever runs the gateway.

use std::time::Duration;

use http_body_util::BodyExt;
use portcullis_tests::binary;
use portcullis_tests::idp::{ALICE, Idp};
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;
use serde_json::{Value, json};

use super::{alice, idp, idp_with, setup, site};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_may_end_the_session_here_alone() {
    let idp = idp().await;
    let site = setup(&idp, "logout = \"local\"").section("[sessions]\nafter_logout = \"/bye\"\n").start().await;
    let mut browser = alice(&site).await;
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let left = browser.submit("https://app.test/_portcullis/logout", "").await;
    assert_eq!((left.status.as_u16(), left.header("location")), (303, Some("https://app.test/bye")));
    browser.toss(SESSION, &session);
    assert!(!works(&mut browser).await, "the old cookie is worthless");
    let again = browser.follow_until(PAGE, "nobody", |url| url == PAGE).await;
    assert_eq!(again.url, PAGE, "at the provider the login goes on, and nobody is asked who they are");
}

/// Nothing is made up here: the provider itself posts its tokens to the program.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_out_at_the_provider_is_out_here() {
    let port = binary::free_ports(1);
    let nobody = "http://127.0.0.1:1";
    let provider = format!(
        "[providers.test]\nissuer = \"{nobody}\"\nclient_id = \"gateway-web\"\nclient_secret = \
         \"gateway-web-secret-0123456789abcdef\"\n"
    );
    let ground = Setup::new()
        .tokens("")
        .section(&provider)
        .route("page", "GET /page", "read", "authenticate = [\"session\"]\n")
        .policies(r#"@id("people") permit (principal is User, action in Action::"read", resource);"#)
        .lay()
        .await;
    ground.files.write("ca.pem", ground.authority.pem());
    let url = format!("https://localhost:{port}/_portcullis/backchannel-logout");
    let authority = ground.files.path("ca.pem").display().to_string();
    let idp = idp_with(&[("IDP_BACKCHANNEL_URI", &url), ("NODE_EXTRA_CA_CERTS", &authority)]).await;
    ground.files.edit("config/portcullis.toml", nobody, idp.issuer());
    ground.files.edit("config/portcullis.toml", "https = \"127.0.0.1:0\"", &format!("https = \"127.0.0.1:{port}\""));
    let mut gateway = binary::spawn_with(ground.folder.path(), &["run"], &[]);
    gateway.says("\"ready\"").await;
    let mut browser = Browser::at(([127, 0, 0, 1], port).into(), ground.authority.pem());
    assert_eq!(browser.follow(PAGE, "alice").await.answer.status, 200);

    let bent = json!({ "claims": { "sub": ALICE, "nonce": "n" } });
    assert_eq!(idp.tell_of_logout(&url, bent).await, (400, "no-store".into()));
    assert!(works(&mut browser).await);
    let end = format!("{}/session/end?client_id=gateway-web", idp.issuer());
    let left = browser.follow(&end, "alice").await;
    assert_eq!(left.answer.status, 200, "{left:?}");
    within("word of the logout", async { while works(&mut browser).await {} }).await;
    assert_eq!(idp.tell_of_logout(&url, json!({ "claims": { "sub": ALICE } })).await, (200, "no-store".into()));
    gateway.signal("TERM").await;
    gateway.ended().await;
}
