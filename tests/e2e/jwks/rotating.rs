//! Keys come and go.

use std::sync::Arc;

use futures::future::join_all;
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{Idp, OldKeys, WORKER};
use serde_json::json;

use super::{By, Scene, reader, trusting};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_provider_pass_however_its_keys_are_found() {
    for by in [By::Discovery, By::Url] {
        let mut scene = Scene::new(by).await;
        let good = scene.good.clone();
        scene.passes(&good).await;
        assert_eq!(scene.state().await["state"], "up", "{by:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_keeps_the_old_keys_is_followed_and_hurts_nobody() {
    let mut scene = Scene::new(By::Discovery).await;
    let old = scene.good.clone();
    scene.passes(&old).await;
    scene.idp.rotate(OldKeys::Keep).await;
    let new = reader(&scene.idp).await;
    scene.passes(&new).await;
    scene.passes(&old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_key_opens_nothing_once_the_new_set_is_known() {
    let mut scene = Scene::new(By::Url).await;
    let old = scene.good.clone();
    scene.passes(&old).await;
    scene.idp.rotate(OldKeys::Withdraw).await;
    let new = reader(&scene.idp).await;
    scene.passes(&new).await;
    scene.refuses(&old).await;
    let reached = scene.site.upstream.heads();
    assert_eq!(reached, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_unknown_keys_asks_the_provider_once_in_a_cooldown() {
    let mut scene = Scene::new(By::Url).await;
    let made_up = scene.made_up("made-up");
    scene.refuses(&made_up).await;
    let good = scene.good.clone();
    for round in 0..3 {
        scene.cool_down();
        let before = scene.fetches().await;
        for _ in 0..2 {
            let storm = (0..20).map(|number| {
                let (site, token) = (&scene.site, format!("Bearer {}", scene.made_up(&format!("k{round}-{number}"))));
                async move {
                    let mut client = site.h1().await;
                    client.get("/", &[("authorization", &token)]).await.problem()
                }
            });
            let answers = join_all(storm).await;
            assert!(answers.iter().all(|answer| *answer == (401, "invalid_token".to_owned())), "{answers:?}");
        }
        assert_eq!(scene.fetches().await, before + 1);
        scene.passes(&good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_s_own_token_speaks_for_a_client_and_for_no_user() {
    let idp = Idp::start().await;
    let clock = Arc::new(TestClock::default());
    let permit = format!(r#"@id("machine") permit (principal == Client::"test|{WORKER}", action, resource);"#);
    let site = trusting(&idp, By::Discovery, &clock).policies(&permit).start().await;
    let mut client = site.h1().await;
    let machine = format!("Bearer {}", idp.machine_token().await);
    assert_eq!(client.get("/", &[("authorization", &machine)]).await.status, 200);
    // A person of the client's name is somebody else.
    let person = format!("Bearer {}", idp.token(json!({ "sub": WORKER, "client_id": "gateway-web" })).await);
    assert_eq!(client.get("/", &[("authorization", &person)]).await.problem(), (403, "forbidden".to_owned()));
    assert_eq!(site.upstream.only().header("x-portcullis-user"), Some(WORKER));
}
