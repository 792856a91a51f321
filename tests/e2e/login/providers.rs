//! Several providers at once, and other ways of being their client.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_certs::PrivateKey;
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::Idp;
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};

use super::{failure, idp, idp_with, provider, setup};

fn named(idp: &Idp, alias: &str, more: &str) -> String {
    provider(idp, more).replace("[providers.test]", &format!("[providers.{alias}]"))
}

async fn known_as(alias: &str) -> Idp {
    idp_with(&[("IDP_REDIRECT_URIS", &format!("https://app.test/_portcullis/callback/{alias}"))]).await
}

/// Two providers, pages for everybody, and one for those of the second.
async fn two() -> (Idp, Idp, Site) {
    let (one, two) = (known_as("one").await, known_as("two").await);
    let site = Setup::new()
        .tokens("")
        .section(&named(&one, "one", "label = \"The <first>\"\n"))
        .section(&named(&two, "two", ""))
        .route("home", "GET /", "public", "")
        .route("page", "GET /page", "read", "authenticate = [\"session\"]\n")
        .route("second", "GET /second", "read", "authenticate = [\"session\"]\nproviders = [\"two\"]\n")
        .policies(r#"@id("people") permit (principal is User, action in Action::"read", resource);"#)
        .start()
        .await;
    (one, two, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_choose_where_several_fit_and_a_route_says_which_do() {
    let (_one, two, site) = two().await;
    let mut browser = Browser::new(&site);
    let arrival = browser.follow("https://app.test/page?a=b", "alice").await;
    let page = String::from_utf8_lossy(&arrival.answer.body).into_owned();
    assert_eq!(arrival.answer.status, 200);
    assert!(page.contains("Where do you have an account?"), "{page}");
    assert!(page.contains(">The &lt;first&gt;</a>") && page.contains(">two</a>"), "{page}");
    assert!(page.contains("/_portcullis/login?provider=one&amp;rd=%2Fpage%3Fa%3Db"), "{page}");
    let csp = arrival.answer.header("content-security-policy").unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");

    let chosen = browser.follow("https://app.test/_portcullis/login?provider=one&rd=%2Fpage%3Fa%3Db", "alice").await;
    assert_eq!((chosen.answer.status.as_u16(), &*chosen.url), (200, "https://app.test/page?a=b"));
    // A session of the one is none where the other is asked for.
    let refused = browser.fetch("GET", "https://app.test/second").await;
    assert_eq!(refused.problem(), (401, "authentication_required".into()));
    assert_eq!(refused.json()["login_url"], "https://app.test/_portcullis/login?provider=two");
    let issuer = two.issuer().to_owned();
    let there = browser.follow_until("https://app.test/second", "bob", |url| url.starts_with(&issuer)).await;
    assert!(there.url.starts_with(&issuer), "no page to choose on: {}", there.url);
    let arrival = browser.follow(&there.url, "bob").await;
    assert_eq!((arrival.answer.status.as_u16(), &*arrival.url), (200, "https://app.test/second"));
    assert_eq!(
        failure(&browser.navigate("https://app.test/_portcullis/login?provider=three").await),
        "400 provider_unknown"
    );
}

/// RFC 9207, and RFC 9700 §4.4: the answer of one provider must not be taken for that of another.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_another_provider_is_refused_before_its_code_is_sent_anywhere() {
    let (one, two, site) = two().await;
    let mut browser = Browser::new(&site);
    let stop = |url: &str| url.starts_with("https://app.test/_portcullis/callback/");
    let url = browser.follow_until("https://app.test/_portcullis/login?provider=one", "alice", stop).await.url;
    let other = browser.follow_until("https://app.test/_portcullis/login?provider=two", "alice", stop).await.url;
    let part =
        |url: &str, name: &str| url.split_once(&format!("{name}=")).unwrap().1.split('&').next().unwrap().to_owned();
    let asked = (one.counters().await.get("POST /token").copied(), two.counters().await.get("POST /token").copied());
    for (bent, expected) in [
        // The code and the issuer of the second with the state of the first.
        (other.replace(&part(&other, "state"), &part(&url, "state")).replace("/two?", "/one?"), "400 issuer_mismatch"),
        (url.replace(&part(&url, "iss"), &part(&other, "iss")), "400 issuer_mismatch"),
        (url.replace("/callback/one", "/callback/two"), "400 callback_path_mismatch"),
    ] {
        assert_eq!(failure(&browser.navigate(&bent).await), expected, "{bent}");
    }
    let now = (one.counters().await.get("POST /token").copied(), two.counters().await.get("POST /token").copied());
    assert_eq!(now, asked, "no code went anywhere");
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(browser.navigate(&url).await.status, 302);
}

fn jwk(key: &PrivateKey) -> Value {
    let point = key.public_point();
    let part = |from: usize, to: usize| URL_SAFE_NO_PAD.encode(&point[from..to]);
    json!({ "kty": "EC", "crv": "P-256", "kid": "2026", "use": "sig", "alg": "ES256", "x": part(1, 33), "y": part(33, 65) })
}

/// A page, and one whose application gets another token.
fn proving(provider: &str, key: Option<&PrivateKey>, clock: &Arc<TestClock>) -> Setup {
    let setup = Setup::new()
        .tokens("")
        .section(provider)
        .route("page", "GET /page", "read", "authenticate = [\"session\"]\n")
        .route(
            "orders",
            "GET /orders",
            "read",
            "authenticate = [\"session\"]\ntoken = \"exchange\"\nexchange = { audience = \"orders\" }\n",
        )
        .policies(r#"@id("people") permit (principal is User, action in Action::"read", resource);"#)
        .clock(clock);
    match key {
        Some(key) => setup.file("certs/client.key", key.pem()),
        None => setup,
    }
}

/// Login, renewal and exchange: each is a question of the client's own.
async fn all_three(idp: &Idp, site: &Site, clock: &TestClock) {
    let mut browser = super::alice(site).await;
    assert_eq!(browser.fetch("GET", "https://app.test/orders").await.status, 200);
    let before = idp.counters().await["POST /token"];
    clock.advance(Duration::from_secs(301));
    assert_eq!(browser.fetch("GET", "https://app.test/orders").await.status, 200);
    assert_eq!(idp.counters().await["POST /token"] - before, 2, "renewed, and exchanged anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_proves_the_client_instead_of_a_secret() {
    let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let keys = json!({ "keys": [jwk(&key)] }).to_string();
    let idp = idp_with(&[("IDP_WEB_JWKS", &keys), ("IDP_ID_TTL", "1000000"), ("IDP_REFRESH_TTL", "1000000")]).await;
    let keyed = provider(&idp, "client_key = \"certs/client.key\"\nclient_key_id = \"2026\"\n");
    let keyed = keyed.lines().filter(|line| !line.starts_with("client_secret")).collect::<Vec<_>>().join("\n");
    let clock = Arc::new(TestClock::default());
    let site = proving(&keyed, Some(&other), &clock).start().await;
    let arrival = Browser::new(&site).follow("https://app.test/page", "alice").await;
    assert_eq!(failure(&arrival.answer), "400 client_refused");
    let site = proving(&keyed, Some(&key), &clock).start().await;
    // The provider's clock stands beside ours for the statements that the key signs.
    let mut browser = super::alice(&site).await;
    assert_eq!(browser.fetch("GET", "https://app.test/orders").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_as_the_provider_wants_it() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let lasting = [("IDP_ID_TTL", "1000000"), ("IDP_REFRESH_TTL", "1000000"), ("IDP_WEB_AUTH", method)];
        let idp = idp_with(&lasting).await;
        let methods = json!({ "token_endpoint_auth_methods_supported": [method] });
        idp.tamper(json!({ "path": "/.well-known/openid-configuration", "merge": methods })).await;
        let clock = Arc::new(TestClock::default());
        let site = proving(&provider(&idp, ""), None, &clock).start().await;
        all_three(&idp, &site, &clock).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_proven_enough_is_sent_to_log_in_once_more() {
    let idp = idp().await;
    let strong = "authenticate = [\"session\"]\nacr = [\"urn:test:mfa\"]\nmax_auth_age = \"5m\"\n";
    let site = setup(&idp, "").route("strong", "GET /strong", "read", strong).start().await;
    let mut browser = super::alice(&site).await;
    let before = browser.cookie(SESSION).unwrap().to_owned();
    let refused = browser.fetch("GET", "https://app.test/strong").await;
    assert_eq!(refused.problem(), (401, "insufficient_user_authentication".into()));
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("acr_values=\"urn:test:mfa\"") && challenge.contains("max_age=\"300\""), "{challenge}");
    let sent = browser.navigate("https://app.test/strong").await;
    let login = sent.header("location").unwrap().to_owned();
    assert_eq!(login, "https://app.test/_portcullis/login?rd=%2Fstrong&acr_values=urn%3Atest%3Amfa&max_age=300");
    let away = browser.navigate(&login).await.header("location").unwrap().to_owned();
    assert!(away.contains("acr_values=urn%3Atest%3Amfa") && away.contains("max_age=300"), "{away}");
    // The provider knows the password alone, and says so.
    let arrival = browser.follow("https://app.test/strong", "alice").await;
    assert_eq!(failure(&arrival.answer), "400 authentication_insufficient");
    assert_eq!(browser.cookie(SESSION), Some(&*before), "what was there stays");
    idp.tamper(json!({ "path": "/token", "token": "id_token", "claims": { "acr": "urn:test:mfa" } })).await;
    let arrival = within("a stronger login", browser.follow("https://app.test/strong", "alice")).await;
    assert_eq!((arrival.answer.status.as_u16(), &*arrival.url), (200, "https://app.test/strong"));
    assert_ne!(browser.cookie(SESSION), Some(&*before), "more rights, another id");
    let mut thief = Browser::new(&site);
    thief.toss(SESSION, &before);
    assert_eq!(thief.fetch("GET", "https://app.test/page").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_answer_than_was_asked_for_is_refused_and_the_address_cannot_ask_for_less() {
    let idp = idp().await;
    let strong = "authenticate = [\"session\"]\nacr = [\"urn:test:mfa\"]\nmax_auth_age = \"5m\"\n";
    let recent = "authenticate = [\"session\"]\nmax_auth_age = \"5m\"\n";
    let setup = setup(&idp, "").route("strong", "GET /strong", "read", strong);
    let site = setup.route("recent", "GET /recent", "read", recent).start().await;
    let mut browser = super::alice(&site).await;
    let before = browser.cookie(SESSION).unwrap().to_owned();
    let old = site.gateway.now().seconds() - 400;
    let weak = "400 authentication_insufficient";
    for (path, bent, expected) in [
        ("/strong", json!({ "claims": { "acr": "urn:test:pwd" } }), weak),
        ("/strong", json!({ "claims": { "acr": "urn:test:mfa urn:test:pwd" } }), weak),
        ("/strong", json!({ "claims": { "acr": ["urn:test:mfa"] } }), "400 id_token_invalid"),
        ("/strong", json!({ "omit": ["acr"] }), weak),
        ("/strong", json!({ "claims": { "acr": "urn:test:mfa", "auth_time": old } }), weak),
        ("/strong", json!({ "claims": { "acr": "urn:test:mfa" }, "omit": ["auth_time"] }), weak),
        ("/recent", json!({ "claims": { "auth_time": old } }), weak),
        ("/recent", json!({ "omit": ["auth_time"] }), weak),
    ] {
        let mut tamper = json!({ "path": "/token", "token": "id_token" });
        tamper.as_object_mut().unwrap().extend(bent.as_object().unwrap().clone());
        idp.tamper(tamper).await;
        let arrival = browser.follow(&format!("https://app.test{path}"), "alice").await;
        assert_eq!(failure(&arrival.answer), expected, "{path} {bent}");
        assert_eq!(browser.cookie(SESSION), Some(&*before), "{path} {bent}");
        idp.heal().await;
    }
    // Whoever begins without the demand has a session, which does not open the route: it asks again.
    let easy =
        browser.follow_until("https://app.test/_portcullis/login?rd=/strong", "alice", |url| url.ends_with("/strong"));
    assert_eq!(easy.await.url, "https://app.test/strong");
    assert_ne!(browser.cookie(SESSION), Some(&*before));
    let sent = browser.navigate("https://app.test/strong").await;
    let expected = "https://app.test/_portcullis/login?rd=%2Fstrong&acr_values=urn%3Atest%3Amfa&max_age=300";
    assert_eq!((sent.status.as_u16(), sent.header("location")), (302, Some(expected)));
}
