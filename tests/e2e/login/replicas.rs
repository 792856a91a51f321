//! Two gateways on one Redis.

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{Fault, Idp};
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::redis::Redis;
use portcullis_tests::site::Site;
use serde_json::json;

use super::{alice, failure, idp_with, setup};

const PAGE: &str = "https://app.test/page";

/// A site whose store is Redis, with all the time a busy machine needs.
async fn ground(idp: &Idp, redis: &Redis, clock: &Arc<TestClock>) -> Site {
    let site = setup(idp, "").clock(clock).start().await;
    let store = format!("url = \"{}\"\ntimeout = \"2s\"", redis.url());
    let moved = site.restart(|files| {
        let config = files.read("config/portcullis.toml");
        assert!(config.contains("url = \"sqlite:data/portcullis.db\""));
        files.write("config/portcullis.toml", config.replace("url = \"sqlite:data/portcullis.db\"", &store));
    });
    let site = moved.await.unwrap_or_else(|(error, _)| panic!("{error}"));
    site.gateway.warm().await;
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_over_two_replicas_on_redis_renew_a_session_once() {
    let idp = idp_with(&[("IDP_ID_TTL", "1000000"), ("IDP_REFRESH_TTL", "1000000")]).await;
    let (redis, clock) = (Redis::start().await, Arc::new(TestClock::default()));
    let site = ground(&idp, &redis, &clock).await;
    let replica = site.replica().await;
    let browser = alice(&site).await;
    let ask = |at: usize| {
        let mut browser = browser.clone();
        if at % 2 == 1 {
            browser.moves_to_replica(replica.https.unwrap());
        }
        async move { browser.fetch("GET", PAGE).await.status.as_u16() }
    };
    assert_eq!((ask(0).await, ask(1).await), (200, 200));
    let before = idp.counters().await["POST /token"];
    clock.advance(Duration::from_secs(301));
    idp.fault("/token", Fault::Slow(5_000), None).await;
    let all = futures::future::join_all((0..50).map(ask)).await;
    assert_eq!(all, [200; 50], "nobody is logged out");
    assert_eq!(idp.counters().await["POST /token"] - before, 1, "the rotated token was kept, and redeemed once");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ended_at_one_replica_is_over_at_the_other_within_a_second() {
    let idp = idp_with(&[]).await;
    let (redis, clock) = (Redis::start().await, Arc::new(TestClock::default()));
    let site = ground(&idp, &redis, &clock).await;
    let replica = site.replica().await;
    let mut here = alice(&site).await;
    let mut there = here.clone();
    there.moves_to_replica(replica.https.unwrap());
    assert_eq!(there.fetch("GET", PAGE).await.status, 200);
    let auth = [("authorization", &*format!("Bearer {}", site.admin_key()))];
    let ended = site.admin().await.post_json("/v1/sessions/revoke", &auth, &json!({ "all": true })).await;
    assert_eq!(ended.json()["ended"], 1);
    assert_eq!(here.fetch("GET", PAGE).await.status, 401, "at once here");
    let dead = async { while there.fetch("GET", PAGE).await.status == 200 {} };
    assert!(tokio::time::timeout(Duration::from_secs(1), dead).await.is_ok(), "longer than a second elsewhere");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_while_the_store_is_away_is_told_so_and_comes_in_later() {
    let idp = idp_with(&[]).await;
    let (mut redis, clock) = (Redis::start().await, Arc::new(TestClock::default()));
    let site = ground(&idp, &redis, &clock).await;
    let mut browser = Browser::new(&site);
    let stop = |url: &str| url.starts_with("https://app.test/_portcullis/callback/");
    let url = browser.follow_until(PAGE, "alice", stop).await.url;
    redis.kill().await;
    let told = browser.navigate(&url).await;
    assert_eq!(failure(&told), "503 store_unavailable");
    assert!(told.header("retry-after").is_some() && browser.cookie(SESSION).is_none());
    redis.restart().await;
    let back = async {
        while browser.follow(PAGE, "alice").await.answer.status != 200 {
            // Whoever does not answer is left alone for a moment, by the clock of the requests.
            clock.advance(Duration::from_secs(1));
        }
    };
    portcullis_tests::within("the store to be back", back).await;
}
