//! How does a session outlive its tokens?

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{Fault, Idp};
use portcullis_tests::jar::Browser;
use portcullis_tests::site::Site;
use portcullis_tests::within;
use serde_json::json;

use super::{alice, idp_with, setup};

const PAGE: &str = "https://app.test/page";
/// Within the last third of a token's life of five minutes, and beyond it.
const EARLY: Duration = Duration::from_secs(270);
const LATE: Duration = Duration::from_secs(301);

async fn ground() -> (Idp, Arc<TestClock>, Site) {
    // ID tokens outlive the jumps of the gateway's clock.
    let idp = idp_with(&[("IDP_ID_TTL", "1000000"), ("IDP_REFRESH_TTL", "1000000")]).await;
    let clock = Arc::new(TestClock::default());
    let site = setup(&idp, "").clock(&clock).start().await;
    (idp, clock, site)
}

async fn redeems(idp: &Idp) -> u64 {
    idp.counters().await["POST /token"]
}

async fn status(browser: &mut Browser) -> u16 {
    browser.fetch("GET", PAGE).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_over_two_replicas_renew_a_session_once() {
    let (idp, clock, site) = ground().await;
    let replica = site.replica().await;
    let browser = alice(&site).await;
    let ask = |at: usize| {
        let mut browser = browser.clone();
        if at % 2 == 1 {
            browser.moves_to_replica(replica.https.unwrap());
        }
        async move { status(&mut browser).await }
    };
    assert_eq!((ask(0).await, ask(1).await), (200, 200));
    for round in 1..=2 {
        let before = redeems(&idp).await;
        clock.advance(LATE);
        idp.fault("/token", Fault::Slow(5_000), None).await;
        let all = futures::future::join_all((0..50).map(ask)).await;
        assert_eq!(all, [200; 50], "nobody is logged out in round {round}");
        assert_eq!(redeems(&idp).await - before, 1, "the rotated token was kept, and redeemed once");
        idp.heal().await;
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_early_beside_the_requests_and_changed_groups_count() {
    let (idp, clock, site) = ground().await;
    let mut browser = alice(&site).await;
    let before = redeems(&idp).await;
    clock.advance(EARLY);
    idp.fault("/token", Fault::Slow(500), Some(1)).await;
    idp.tamper(json!({ "path": "/token", "token": "id_token", "claims": { "groups": ["night"] } })).await;
    assert_eq!(status(&mut browser).await, 200, "without waiting");
    let groups = async {
        loop {
            let _ = site.upstream.requests();
            assert_eq!(status(&mut browser).await, 200);
            let seen = site.upstream.requests().pop().unwrap();
            if seen.header("x-portcullis-groups") == Some("\"night\"") {
                break;
            }
        }
    };
    within("changed groups", groups).await;
    assert_eq!(redeems(&idp).await - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_fails_ends_nothing_while_the_token_is_good() {
    let (idp, clock, site) = ground().await;
    let mut browser = alice(&site).await;
    idp.disable("alice").await;
    clock.advance(EARLY);
    for _ in 0..20 {
        assert_eq!(status(&mut browser).await, 200);
    }
    clock.advance(LATE);
    assert_eq!(status(&mut browser).await, 401, "the provider says no, and the token has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_ends_nothing_for_a_while() {
    let (idp, clock, site) = ground().await;
    let mut browser = alice(&site).await;
    idp.fault("/token", Fault::Status(503), None).await;
    clock.advance(LATE);
    for _ in 0..5 {
        assert_eq!(status(&mut browser).await, 200);
    }
    assert_eq!(redeems(&idp).await, 2, "and is not asked at every request");
    clock.advance(Duration::from_hours(3));
    assert_eq!(status(&mut browser).await, 200);
    idp.heal().await;
    clock.advance(Duration::from_mins(1));
    assert_eq!(status(&mut browser).await, 200, "it is back");
    idp.fault("/token", Fault::Status(503), None).await;
    clock.advance(Duration::from_hours(5));
    assert_eq!(status(&mut browser).await, 401, "longer than `grace`");
}
