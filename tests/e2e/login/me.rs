//! Who am I? What front ends ask.

use portcullis_tests::client::Answer;
use portcullis_tests::idp::ALICE;
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::Setup;
use serde_json::json;

use super::{alice, idp, provider, setup, site};

const ME: &str = "https://app.test/_portcullis/me";

fn challenged(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
    assert_eq!(answer.json()["login_url"], "https://app.test/_portcullis/login");
    answer.problem()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_particular_is_told_where_to_log_in() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = Browser::new(&site);
    let required = || (401, "authentication_required".to_owned());
    assert_eq!(challenged(&browser.fetch("GET", ME).await), required());
    browser.toss(SESSION, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(challenged(&browser.fetch("GET", ME).await), required());
    assert_eq!(browser.cookie(SESSION), None, "a cookie of no session is taken away");
    let page = browser.navigate(ME).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (401, None), "it is no page to come back to");
    let posted = browser.fetch("POST", ME).await;
    assert_eq!((posted.problem().0, posted.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_end_learns_who_looks_at_it() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = alice(&site).await;
    let heads = site.upstream.heads();
    let answer = browser.fetch("GET", ME).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut me = answer.json();
    let now = site.gateway.now().seconds();
    // The provider does not say when, unless it is asked.
    assert_eq!(me["expires_at"].take().as_i64().unwrap() - now, 168 * 3_600);
    let expected = json!({
        "principal": format!("User::\"test|{ALICE}\""), "subject": ALICE, "alias": "test", "name": "Alice Writer",
        "email": "alice@example.test", "groups": [], "auth": "session", "expires_at": null,
        "logout_url": "https://app.test/_portcullis/logout",
    });
    assert_eq!(me, expected);
    assert_eq!(site.upstream.heads(), heads, "the application is not asked");
    let head = browser.send("HEAD", ME, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    browser.submit("https://app.test/_portcullis/logout", "").await;
    assert_eq!(browser.fetch("GET", ME).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_whatever_the_caller_shows_and_a_bad_credential_is_refused() {
    let site = Setup::new().route("page", "GET /page", "read", "").start().await;
    let mut client = site.h1().await;
    let reader = site.reader();
    let me = client.get("/_portcullis/me", &[("authorization", &reader)]).await.json();
    assert_eq!((&me["principal"], &me["auth"]), (&json!("User::\"test|rita\""), &json!("jwt")));
    assert_eq!((&me["groups"], &me["logout_url"]), (&json!(["readers"]), &json!(null)));
    let bad = client.get("/_portcullis/me", &[("authorization", "Bearer a.b.c")]).await;
    assert_eq!(bad.problem(), (401, "invalid_token".into()));
    let nobody = client.get("/_portcullis/me", &[]).await;
    assert_eq!(nobody.problem(), (401, "authentication_required".into()));
    assert!(nobody.json().get("login_url").is_none(), "nobody logs in here");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_may_read_some_route_may_read_it_too() {
    let idp = idp().await;
    let granting = |origin: &str, credentials: bool| {
        format!("authenticate = [\"session\"]\ncors = {{ origins = [\"{origin}\"], credentials = {credentials} }}\n")
    };
    let site = setup(&idp, "")
        .route("one", "GET /one", "read", &granting("https://with.test", true))
        .route("two", "GET /two", "read", &granting("https://without.test", false))
        .start()
        .await;
    let mut client = site.h1().await;
    for (origin, allowed, credentials) in [
        ("https://with.test", Some("https://with.test"), Some("true")),
        ("https://without.test", Some("https://without.test"), None),
        ("https://evil.test", None, None),
        ("null", None, None),
    ] {
        let answer = client.get("/_portcullis/me", &[("origin", origin)]).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert_eq!(answer.header("access-control-allow-credentials"), credentials);
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "Origin"), "{answer:?}");
        let fields = [("origin", origin), ("access-control-request-method", "GET")];
        let preflight = client.send("OPTIONS", "/_portcullis/me", &fields, "").await;
        assert_eq!(preflight.status.as_u16(), if allowed.is_some() { 204 } else { 403 });
        assert_eq!(preflight.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_stands_before_our_own_pages_too() {
    let idp = idp().await;
    let guard = "[guard]\ndeny = [\"192.0.2.0/24\"]\nrate = \"3/min\"\n";
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]\n";
    let site = Setup::new()
        .tokens("")
        .section(&provider(&idp, ""))
        .section(guard)
        .server(trusted)
        .route("home", "GET /", "public", "")
        .start()
        .await;
    let mut client = site.h1().await;
    for path in ["/_portcullis/me", "/_portcullis/login", "/_portcullis/callback/test", "/_portcullis/logout"] {
        let denied = client.get(path, &[("x-forwarded-for", "192.0.2.7")]).await;
        assert_eq!(denied.problem(), (403, "address_denied".into()), "{path}");
    }
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(client.get("/_portcullis/me", &[("x-forwarded-for", "198.51.100.7")]).await.status.as_u16());
    }
    assert_eq!(seen, [401, 401, 401, 429]);
}
