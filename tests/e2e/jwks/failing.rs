//! The provider fails, hangs, lies or is gone.

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::PATIENCE;
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{Fault, Idp, OldKeys};
use serde_json::json;

use super::{By, Scene, reader, trusting};

#[tokio::test(flavor = "multi_thread")]
async fn while_a_provider_fails_its_last_good_keys_go_on_and_unknown_ones_cannot_be_judged() {
    for fault in [Fault::Status(500), Fault::Status(404), Fault::Status(302), Fault::Garbage, Fault::Reset] {
        let mut scene = Scene::new(By::Url).await;
        let (known, made_up) = (scene.good.clone(), scene.made_up("made-up"));
        scene.refuses(&made_up).await;
        scene.idp.rotate(OldKeys::Withdraw).await;
        let rotated = reader(&scene.idp).await;
        scene.idp.fault("/jwks", fault, None).await;
        scene.cool_down();

        scene.cannot_tell(&rotated).await;
        scene.cannot_tell(&made_up).await;
        scene.passes(&known).await;
        let state = scene.state().await;
        assert_eq!(state["state"], "down", "{fault:?}");
        assert!(state["detail"].as_str().unwrap().len() > 20, "{fault:?}: {state}");

        scene.idp.heal().await;
        scene.cool_down();
        scene.passes(&rotated).await;
        scene.refuses(&known).await;
        scene.refuses(&made_up).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_waits_for_a_provider_much_longer_than_a_second() {
    let mut scene = Scene::new(By::Url).await;
    let (known, made_up) = (scene.good.clone(), scene.made_up("made-up"));
    scene.passes(&known).await;
    scene.idp.fault("/jwks", Fault::Hang, None).await;
    scene.cool_down();
    for _ in 0..3 {
        let waited = tokio::time::timeout(Duration::from_secs(2), scene.cannot_tell(&made_up)).await;
        assert!(waited.is_ok(), "longer than two seconds");
    }
    let known = tokio::time::timeout(Duration::from_millis(500), scene.passes(&known)).await;
    assert!(known.is_ok(), "a token of a known key waited too");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_no_token_can_be_judged_until_they_come() {
    let idp = Idp::start().await;
    idp.fault("/jwks", Fault::Status(503), None).await;
    let clock = Arc::new(TestClock::default());
    let site = trusting(&idp, By::Discovery, &clock).start().await;
    let (client, good) = (site.h1().await, reader(&idp).await);
    let mut scene = Scene { site, client, idp, clock, good: good.clone() };
    scene.cannot_tell(&good).await;
    let made_up = scene.made_up("made-up");
    scene.cannot_tell(&made_up).await;
    assert_eq!(scene.client.get("/", &[]).await.problem(), (401, "authentication_required".to_owned()));
    assert_eq!(scene.site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_provider_that_says_it_is_another_are_refused() {
    let idp = Idp::start().await;
    let other = json!({ "issuer": "https://evil.example" });
    idp.tamper(json!({ "path": "/.well-known/openid-configuration", "merge": other })).await;
    let clock = Arc::new(TestClock::default());
    let site = trusting(&idp, By::Discovery, &clock).start().await;
    let (client, good) = (site.h1().await, reader(&idp).await);
    let mut scene = Scene { site, client, idp, clock, good: good.clone() };
    scene.cannot_tell(&good).await;
    let state = scene.state().await;
    assert_eq!(state["state"], "down");
    assert!(state["detail"].as_str().unwrap().ends_with("is that of another issuer"), "{state}");
    assert_eq!(scene.site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_that_cannot_be_read_does_not_spoil_the_others() {
    let idp = Idp::start().await;
    let mut client =
        portcullis_tests::client::Client::plain(idp.issuer().trim_start_matches("http://").parse().unwrap())
            .await
            .unwrap();
    let mut keys = client.get("/jwks", &[]).await.json()["keys"].clone();
    keys.as_array_mut().unwrap().insert(0, json!({ "kty": "odd", "kid": "odd" }));
    idp.tamper(json!({ "path": "/jwks", "merge": { "keys": keys } })).await;
    let clock = Arc::new(TestClock::default());
    let site = trusting(&idp, By::Url, &clock).start().await;
    let (client, good) = (site.h1().await, reader(&idp).await);
    let mut scene = Scene { site, client, idp, clock, good: good.clone() };
    scene.passes(&good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_on_disk_outlives_a_restart_while_the_provider_is_gone() {
    for by in [By::Discovery, By::Url] {
        let mut scene = Scene::new(by).await;
        let good = scene.good.clone();
        scene.passes(&good).await;
        // The copy is written before the waiting request is answered.
        let made_up = scene.made_up("made-up");
        scene.refuses(&made_up).await;
        scene.idp.fault("/jwks", Fault::Reset, None).await;
        scene.idp.fault("/.well-known/openid-configuration", Fault::Reset, None).await;

        let Scene { site, idp, clock, .. } = scene;
        let site = site.restart(|_| {}).await.map_err(|(error, _)| error).unwrap();
        let client = site.h1().await;
        let mut scene = Scene { site, client, idp, clock, good: good.clone() };
        scene.passes(&good).await;
        scene.cannot_tell(&made_up).await;

        // It goes by the age of the keys, not of the process.
        scene.clock.advance(Duration::from_secs(2 * 3600 + 1));
        scene.cannot_tell(&good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_comes_back_is_noticed_without_being_told() {
    let idp = Idp::start().await;
    // The fetch at start and the first on its own; the third, a second or so later, is answered.
    idp.fault("/jwks", Fault::Status(503), Some(2)).await;
    let clock = Arc::new(TestClock::default());
    let site = trusting(&idp, By::Url, &clock).start().await;
    let good = format!("Bearer {}", reader(&idp).await);
    // A connection each: one carries a bounded number of requests.
    let back = async { while site.h1().await.get("/", &[("authorization", &good)]).await.status != 200 {} };
    assert!(tokio::time::timeout(PATIENCE, back).await.is_ok(), "the keys never came");
}
