//! How long does somebody stay?

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::clock::TestClock;
use portcullis_tests::jar::{Browser, SESSION};

use super::{alice, idp, idp_with, setup, site};

const PAGE: &str = "https://app.test/page";

async fn works(browser: &mut Browser) -> bool {
    let status = browser.fetch("GET", PAGE).await.status.as_u16();
    assert!([200, 401].contains(&status), "{status}");
    status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_not_used_and_when_it_is_old() {
    // Its tokens are not to end meanwhile.
    let idp = idp_with(&[("IDP_ACCESS_TTL", "1000000")]).await;
    let clock = Arc::new(TestClock::default());
    let sessions = "[sessions]\nidle = \"10m\"\nlifetime = \"30m\"\n";
    let site = setup(&idp, "").section(sessions).clock(&clock).start().await;
    let mut used = alice(&site).await;
    let mut idle = alice(&site).await;
    for _ in 0..3 {
        clock.advance(Duration::from_mins(9));
        assert!(works(&mut used).await);
    }
    assert!(!works(&mut idle).await, "27 minutes without a use");
    clock.advance(Duration::from_mins(4));
    assert!(!works(&mut used).await, "31 minutes old");
    assert_eq!(used.cookie(SESSION), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_session_than_somebody_may_have_ends_the_oldest() {
    let idp = idp().await;
    let site = setup(&idp, "").section("[sessions]\nmax_per_user = 2\n").start().await;
    let mut all = [alice(&site).await, alice(&site).await, alice(&site).await];
    let mut works_now = Vec::new();
    for browser in &mut all {
        works_now.push(works(browser).await);
    }
    assert_eq!(works_now, [false, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_makes_a_new_id_and_ends_what_was_there() {
    let idp = idp().await;
    let site = site(&idp).await;
    // Fixation: an id that was there before the login is nobody's after it.
    let fixed = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut browser = Browser::new(&site);
    browser.toss(SESSION, fixed);
    let arrival = browser.follow(PAGE, "alice").await;
    assert_eq!(arrival.answer.status, 200);
    let first = browser.cookie(SESSION).unwrap().to_owned();
    assert_ne!(first, fixed);
    let mut thief = Browser::new(&site);
    thief.toss(SESSION, fixed);
    assert!(!works(&mut thief).await);

    let again = browser.follow("https://app.test/_portcullis/login?rd=/page", "alice").await;
    assert_eq!(again.answer.status, 200);
    assert_ne!(browser.cookie(SESSION), Some(&*first));
    thief.toss(SESSION, &first);
    assert!(!works(&mut thief).await, "the session before has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tossed_cookie_gives_nobody_anothers_session() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mallory = alice(&site).await;
    let mut victim = alice(&site).await;
    victim.toss(SESSION, mallory.cookie(SESSION).unwrap());
    assert!(!works(&mut victim).await, "of two ids neither counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_may_log_in_at_once() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = Browser::new(&site);
    let stop = |url: &str| url.starts_with("https://app.test/_portcullis/callback/");
    let one = browser.follow_until("https://app.test/page?tab=1", "alice", stop).await;
    let two = browser.follow_until("https://app.test/page?tab=2", "alice", stop).await;
    assert_eq!(browser.cookies("__Host-portcullis-flow").len(), 2);
    let first = browser.navigate(&one.url).await;
    assert_eq!(first.header("location"), Some("https://app.test/page?tab=1"));
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let second = browser.navigate(&two.url).await;
    assert_eq!(second.header("location"), Some("https://app.test/page?tab=2"));
    assert_eq!(browser.cookie(SESSION), Some(&*session), "whoever is logged in by then just goes on");
    for at in 0..8 {
        let _ = browser.follow_until(&format!("https://app.test/_portcullis/login?rd=/{at}"), "alice", stop).await;
    }
    assert_eq!(browser.cookies("__Host-portcullis-flow").len(), 5, "the oldest make room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_took_too_long_begins_once_more() {
    let idp = idp().await;
    let clock = Arc::new(TestClock::default());
    let site = setup(&idp, "leeway = \"5m\"").clock(&clock).start().await;
    let mut browser = Browser::new(&site);
    let stop = |url: &str| url.starts_with("https://app.test/_portcullis/callback/");
    let arrival = browser.follow_until(PAGE, "alice", stop).await;
    clock.advance(Duration::from_mins(11));
    let again = browser.navigate(&arrival.url).await;
    assert!(again.header("location").unwrap().starts_with(idp.issuer()), "{again:?}");
    assert_eq!(browser.cookie(SESSION), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_ride_on_a_session() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = alice(&site).await;
    let cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    assert_eq!(browser.send("POST", PAGE, &cross, "").await.status, 403);
    assert_eq!(
        browser.send("POST", PAGE, &[("origin", "https://evil.example")], "").await.problem().1,
        "cross_site_request"
    );
    assert_eq!(browser.send("POST", PAGE, &[("origin", "https://app.test")], "").await.status, 200);
    assert_eq!(browser.send("GET", PAGE, &cross, "").await.status, 200, "a link from elsewhere is fine");
    let logout = browser.send("POST", "https://app.test/_portcullis/logout", &cross, "").await;
    assert_eq!(logout.status, 403, "nobody else throws people out");
    assert!(works(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_know_its_visitor_forgets_dead_sessions() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = Browser::new(&site);
    browser.toss(SESSION, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let answer = browser.navigate("https://app.test/perhaps").await;
    assert_eq!(answer.status, 200);
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(site.upstream.requests().remove(0).header("x-portcullis-user"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_say_when_somebody_logged_in_there_proves_nothing_recent() {
    let idp = idp().await;
    let setup = setup(&idp, "");
    let recent = "authenticate = [\"session\"]\nmax_auth_age = \"5m\"\n";
    let site = setup.route("recent", "GET /recent", "read", recent).start().await;
    idp.tamper(serde_json::json!({ "path": "/token", "token": "id_token", "omit": ["auth_time"] })).await;
    let mut browser = alice(&site).await;
    idp.heal().await;
    let refused = browser.fetch("GET", "https://app.test/recent").await;
    assert_eq!(refused.problem(), (401, "insufficient_user_authentication".into()));
    // Asked for it, the provider says.
    let arrival = browser.follow("https://app.test/recent", "alice").await;
    assert_eq!((arrival.answer.status.as_u16(), &*arrival.url), (200, "https://app.test/recent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_an_odd_spelling_is_nobodys_and_never_reaches_the_application() {
    let idp = idp().await;
    let site = site(&idp).await;
    let browser = alice(&site).await;
    let id = browser.cookie(SESSION).unwrap();
    let (mut h1, mut h2) = (site.h1().await, site.h2().await);
    for name in [
        "+__Host-portcullis",
        "%5F%5FHost-portcullis",
        "%255F_Host-portcullis",
        "__Host[portcullis",
        "__host.portcullis",
        "..Host-portcullis",
        "\"__Host-portcullis\"",
        "other=1 __Host-portcullis",
        "other=1, __Host-portcullis",
    ] {
        let line = format!("theme=dark; {name}={id}");
        for client in [&mut h1, &mut h2] {
            let _ = site.upstream.requests();
            assert_eq!(client.get("/page", &[("cookie", &line)]).await.status, 401, "{name}");
            assert_eq!(client.get("/", &[("cookie", &line)]).await.status, 200, "{name}");
            let seen = site.upstream.requests().pop().unwrap();
            assert_eq!(seen.header("cookie"), Some("theme=dark"), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_where_its_browser_goes() {
    let idp = idp().await;
    let site = setup(&idp, "").server("trusted_proxies = [\"127.0.0.0/8\"]\n").start().await;
    let mut browser = alice(&site).await;
    for (address, agent) in [("192.0.2.7", "Firefox"), ("2001:db8::1", "Chromium"), ("198.51.100.9", "")] {
        let fields = [("x-forwarded-for", address), ("user-agent", agent), ("sec-fetch-site", "same-origin")];
        assert_eq!(browser.send("GET", PAGE, &fields, "").await.status, 200, "{address} {agent}");
    }
}
