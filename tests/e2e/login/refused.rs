//! A login that came to nothing says which way it went wrong.

use portcullis_tests::idp::{Fault, Idp};
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::Site;
use serde_json::{Value, json};

use super::{alice, failure, idp, site};

const PAGE: &str = "https://app.test/page";
const CALLBACK: &str = "https://app.test/_portcullis/callback/";

/// A login as alice while the provider bends this; the code on the page, or `200`.
async fn outcome(site: &Site, idp: &Idp, tamper: Value) -> String {
    idp.tamper(tamper).await;
    let mut browser = Browser::new(site);
    let arrival = browser.follow(PAGE, "alice").await;
    idp.heal().await;
    assert_eq!(browser.cookie(SESSION).is_some(), arrival.answer.status == 200);
    if arrival.answer.status == 200 { "200".to_owned() } else { failure(&arrival.answer) }
}

/// Further than the table of the provider's README, which is in `table.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn every_bent_answer_is_refused_by_its_own_name() {
    let idp = idp().await;
    let site = site(&idp).await;
    let id_token = |more: Value| {
        let mut tamper = json!({ "path": "/token", "token": "id_token" });
        tamper.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tamper
    };
    for (tamper, expected) in [
        (id_token(json!({ "claims": { "azp": "x" } })), "400 audience_mismatch"),
        (id_token(json!({ "claims": { "aud": ["gateway-web", "x"] } })), "400 audience_mismatch"),
        (id_token(json!({ "omit": ["nonce"] })), "400 nonce_mismatch"),
        (id_token(json!({ "omit": ["exp"] })), "400 id_token_invalid"),
        (id_token(json!({ "header": { "typ": "at+jwt" } })), "400 id_token_invalid"),
        (id_token(json!({ "claims": { "iat": 4_000_000_000_u64 } })), "400 clock_skew"),
        (id_token(json!({ "claims": { "exp": 1_000_000_000 } })), "400 clock_skew"),
        (id_token(json!({ "claims": { "groups": "writers" } })), "400 claims_unusable"),
        (json!({ "path": "/token", "merge": { "id_token": null } }), "400 id_token_missing"),
        (json!({ "path": "/token", "merge": { "access_token": null } }), "400 token_endpoint_refused"),
    ] {
        assert_eq!(outcome(&site, &idp, tamper.clone()).await, expected, "{tamper}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_found_out_at_once() {
    let idp = idp().await;
    let discovery = "/.well-known/openid-configuration";
    for fault in [Fault::Status(503), Fault::Reset, Fault::Garbage] {
        idp.fault(discovery, fault, None).await;
        let site = site(&idp).await;
        let arrival = Browser::new(&site).follow(PAGE, "alice").await;
        assert_eq!(failure(&arrival.answer), "503 provider_unreachable", "{fault:?}");
        assert!(arrival.answer.header("retry-after").is_some());
        idp.heal().await;
    }
    let site = site(&idp).await;
    let mut browser = alice(&site).await;
    for (path, fault, expected) in [
        ("/token", Fault::Status(500), "503 provider_unreachable"),
        ("/token", Fault::Reset, "503 provider_unreachable"),
        ("/token", Fault::Garbage, "400 token_endpoint_refused"),
        ("/token", Fault::Status(400), "400 token_endpoint_refused"),
        ("/me", Fault::Status(500), "400 userinfo_unreadable"),
    ] {
        idp.fault(path, fault, None).await;
        let arrival = Browser::new(&site).follow(PAGE, "alice").await;
        assert_eq!(failure(&arrival.answer), expected, "{path} {fault:?}");
        assert_eq!(browser.fetch("GET", PAGE).await.status, 200, "who is logged in goes on");
        idp.heal().await;
    }
    idp.fault("/token", Fault::Slow(1_500), Some(1)).await;
    assert_eq!(outcome(&site, &idp, json!({ "path": "/none" })).await, "200", "slow is not away");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_no_or_is_no_more_does_not_come_in() {
    let idp = idp().await;
    let site = site(&idp).await;
    let arrival = Browser::new(&site).follow(PAGE, "nobody").await;
    assert_eq!(failure(&arrival.answer), "400 access_denied");
    let mut browser = Browser::new(&site);
    let arrival = browser.follow_until(PAGE, "bob", |url| url.starts_with(CALLBACK)).await;
    idp.disable("bob").await;
    let answer = browser.navigate(&arrival.url).await;
    assert_eq!(failure(&answer), "400 code_refused");
    idp.enable("bob").await;
    assert_eq!(browser.follow(PAGE, "bob").await.answer.status, 200, "and comes in again when the account is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_in_the_browser_that_asked_at_the_place_it_was_asked_for() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = Browser::new(&site);
    let stop = |url: &str| url.starts_with(CALLBACK);
    let arrival = browser.follow_until(PAGE, "alice", stop).await;
    let url = arrival.url;

    // Login CSRF: in another browser it is nobody's, and that one begins a login of its own, once.
    let mut victim = Browser::new(&site);
    let again = victim.navigate(&url).await;
    let there = again.header("location").unwrap().to_owned();
    assert!(there.starts_with(&format!("{}/auth?", idp.issuer())), "{there}");
    assert_eq!(victim.cookie(SESSION), None);
    victim.forget("");
    let arrival = victim.follow_until(&there, "bob", stop).await;
    let refused = victim.navigate(&arrival.url).await;
    assert_eq!(failure(&refused), "400 cookie_not_returned", "and no second time");
    victim.toss("__Host-portcullis-flow-0aaaaaaaaaaaaaaa", "made-up");
    assert_eq!(failure(&victim.navigate(&arrival.url).await), "400 state_unknown");

    for (bent, expected) in [
        (url.replace("iss=http", "iss=https"), "400 issuer_mismatch"),
        (url.split("&iss=").next().unwrap().to_owned(), "400 issuer_mismatch"),
        (format!("{url}&iss=x"), "400 issuer_mismatch"),
        (url.replace("/callback/test", "/callback/other"), "400 callback_path_mismatch"),
        (url.replace("?code=", "?coed="), "400 callback_incomplete"),
        (url.replace("&state=", "&steat="), "400 callback_incomplete"),
        (url.replace("?code=", "?error=invalid_scope&code="), "400 provider_refused"),
        (url.replace("?code=", "?error=redirect_uri_mismatch&code="), "400 redirect_uri_not_registered"),
        (url.replace("?code=", "?error=temporarily_unavailable&code="), "503 provider_unreachable"),
        (url.replace("?code=", "?code=x"), "400 code_refused"),
    ] {
        assert_eq!(failure(&browser.navigate(&bent).await), expected, "{bent}");
    }
    let mut thief = browser.clone();
    assert_eq!(browser.navigate(&url).await.status, 302, "it was good all the time");
    // The same code and the same flow, once more.
    assert_eq!(failure(&thief.navigate(&url).await), "400 code_refused");
    // The back button.
    let back = browser.navigate(&url).await;
    assert_eq!((back.status.as_u16(), back.header("location")), (302, Some("https://app.test/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_stays_on_our_origin() {
    let idp = idp().await;
    let site = site(&idp).await;
    for bad in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "/%09/evil.example",
        "/%0a/evil.example",
        "javascript:alert(1)",
        "/_portcullis/logout",
        "https:evil.example",
        "evil.example",
        "",
    ] {
        let mut browser = Browser::new(&site);
        let url = format!("https://app.test/_portcullis/login?rd={}", bad.replace('\\', "%5C"));
        let arrival = browser.follow_until(&url, "alice", |url| url.starts_with(CALLBACK)).await;
        let answer = browser.navigate(&arrival.url).await;
        assert_eq!(answer.header("location"), Some("https://app.test/"), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log() {
    let idp = idp().await;
    let site = site(&idp).await;
    let browser = alice(&site).await;
    let _ = outcome(&site, &idp, json!({ "path": "/token", "token": "id_token", "claims": { "nonce": "x" } })).await;
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let callback = browser.trace.iter().find(|(_, url)| url.starts_with(CALLBACK)).unwrap().1.clone();
    let code = callback.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    let (access, decisions) = site.logs().await;
    let text = format!("{access:?}{decisions:?}");
    for secret in [&*session, &code, "eyJ", "gateway-web-secret"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("nonce_mismatch"), "the operator reads why: {text}");
}
