//! Whoever fails again and again is slowed down, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::identify::KeyText;
use portcullis_tests::client::{Answer, Client};
use portcullis_tests::clock::TestClock;
use portcullis_tests::jar::Browser;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use super::{alice, failure, idp, setup};

const CALLBACK: &str = "https://app.test/_portcullis/callback/";
const PROXY: &str = "trusted_proxies = [\"127.0.0.0/8\"]\n";

async fn page(client: &mut Client, from: &str, credential: (&str, &str)) -> Answer {
    client.get("/page", &[("x-forwarded-for", from), credential]).await
}

async fn ground(clock: &Arc<TestClock>, guard: &str) -> Site {
    Setup::new()
        .server(PROXY)
        .section(&format!("[guard]\nfailures = \"5/min\"\n{guard}"))
        .route("page", "GET /page", "read", "")
        .clock(clock)
        .start()
        .await
}

async fn key(site: &Site) -> Value {
    let auth = [("authorization", &*format!("Bearer {}", site.admin_key()))];
    let body = json!({ "name": "k", "owner": "o", "roles": ["readers"] });
    site.admin().await.post_json("/v1/keys", &auth, &body).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_one_address_are_held_off_and_nothing_good_is() {
    let clock = Arc::new(TestClock::default());
    let site = ground(&clock, "").await;
    let key = key(&site).await;
    let good = key["secret"].as_str().unwrap();
    let mut client = site.h1().await;
    let bad = ("x-api-key", "ptcl_live_AAAAAAAAAAAA_guess");
    let attacker = "198.51.100.1";
    for _ in 0..5 {
        assert_eq!(page(&mut client, attacker, bad).await.problem(), (401, "invalid_api_key".into()));
    }
    let held = page(&mut client, attacker, bad).await;
    assert_eq!(held.problem(), (429, "rate_limited".into()));
    assert_eq!(held.header("retry-after"), Some("12"));
    assert!(held.header("ratelimit-policy").unwrap().starts_with("\"failures\";q=5;w=60"), "{held:?}");
    let token = page(&mut client, attacker, ("authorization", "Bearer made.up.token")).await;
    assert_eq!(token.problem().0, 429, "all ways count together");
    // The honest, at the same address and elsewhere.
    assert_eq!(page(&mut client, attacker, ("x-api-key", good)).await.status, 200);
    assert_eq!(page(&mut client, attacker, ("authorization", &site.reader())).await.status, 200);
    let mut claims = site.claims("rita", &["readers"]);
    claims["exp"] = json!(site.gateway.now().seconds() - 3_600);
    let expired = format!("Bearer {}", site.signer.sign(&claims));
    assert_eq!(page(&mut client, attacker, ("authorization", &expired)).await.problem().0, 401, "no guess");
    assert_eq!(page(&mut client, "198.51.100.2", bad).await.problem().0, 401);
    clock.advance(Duration::from_secs(13));
    assert_eq!(page(&mut client, attacker, bad).await.problem().0, 401, "it was a throttle, no lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_one_key_are_held_off_wherever_they_come_from() {
    let clock = Arc::new(TestClock::default());
    let site = ground(&clock, "").await;
    let key = key(&site).await;
    let guess = KeyText::reissue("live", key["id"].as_str().unwrap(), &[7; 64]).unwrap();
    let guess = guess.text.expose();
    let mut client = site.h1().await;
    let mut seen = Vec::new();
    for at in 0..7 {
        seen.push(page(&mut client, &format!("198.51.100.{at}"), ("x-api-key", guess)).await.status.as_u16());
    }
    assert_eq!(seen, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(
        page(&mut client, "203.0.113.1", ("x-api-key", key["secret"].as_str().unwrap())).await.status,
        200,
        "its holder goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_it_is_recorded_and_off_is_off() {
    for (mode, recorded) in [("shadow", true), ("off", false)] {
        let clock = Arc::new(TestClock::default());
        let site = ground(&clock, &format!("mode = \"{mode}\"\n")).await;
        let mut client = site.h1().await;
        for _ in 0..6 {
            let answer = page(&mut client, "198.51.100.1", ("x-api-key", "ptcl_x")).await;
            assert_eq!(answer.problem().0, 401);
        }
        let (_, decisions) = site.logs().await;
        let last = decisions.last().unwrap();
        let expected = if recorded { json!("rate_limited") } else { json!(null) };
        assert_eq!(last["would_refuse"][0]["code"], expected, "{mode}: {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_fail_again_and_again_no_longer_reach_the_provider() {
    let idp = idp().await;
    let clock = Arc::new(TestClock::default());
    let site = setup(&idp, "leeway = \"5m\"").section("[guard]\nfailures = \"50/min\"\n").clock(&clock).start().await;
    let mut honest = alice(&site).await;
    let mut browser = Browser::new(&site);
    let stop = |url: &str| url.starts_with(CALLBACK);
    let url = browser.follow_until("https://app.test/page", "bob", stop).await.url;
    let guess = url.replace("?code=", "?code=x");
    for _ in 0..5 {
        assert_eq!(failure(&browser.navigate(&guess).await), "400 code_refused");
    }
    let asked = idp.counters().await["POST /token"];
    let held = browser.navigate(&guess).await;
    assert_eq!(failure(&held), "429 too_many_failures");
    assert_eq!(held.header("retry-after"), Some("12"));
    assert_eq!(idp.counters().await["POST /token"], asked);
    assert_eq!(honest.fetch("GET", "https://app.test/page").await.status, 200, "who is logged in goes on");
    clock.advance(Duration::from_secs(13));
    assert_eq!(browser.navigate(&url).await.status, 302, "the right answer was good all the time");
}
