//! Can applications rely on the keys that sign what they are told?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_tests::client::Client;
use portcullis_tests::clock::TestClock;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};

use crate::api_keys::make;

const DAY: Duration = Duration::from_hours(24);

async fn site(clock: &Arc<TestClock>) -> Site {
    Setup::new().upstream("assertion = true").route("page", "GET /page", "read", "").clock(clock).start().await
}

async fn at(site: &Site, address: SocketAddr) -> Client {
    let mut client = Client::h1(address, "app.test", site.ca()).await.unwrap();
    "app.test".clone_into(&mut client.authority);
    client
}

/// The names of the published keys.
async fn published(site: &Site, address: SocketAddr) -> Vec<String> {
    let keys = at(site, address).await.get("/_portcullis/jwks.json", &[]).await;
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    let keys = keys.json()["keys"].take();
    assert!(keys.as_array().unwrap().iter().all(|key| key.get("d").is_none()), "the private part");
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// An API key, which outlives all jumps of the clock.
async fn caller(site: &Site) -> String {
    let wanted = json!({ "name": "caller", "roles": ["readers"], "expires_in": "never" });
    make(site, &wanted).await["secret"].as_str().unwrap().to_owned()
}

/// The name of the key that signs now.
async fn signs(site: &Site, address: SocketAddr, key: &str) -> String {
    assert_eq!(at(site, address).await.get("/page", &[("x-api-key", key)]).await.status, 200);
    let seen = site.upstream.requests().pop().unwrap();
    let header = seen.header("x-portcullis-assertion").unwrap().split('.').next().unwrap().to_owned();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_and_restarts_sign_with_the_same_key() {
    let clock = Arc::new(TestClock::default());
    let site = site(&clock).await;
    let replica = site.replica().await;
    let (here, there) = (site.address(), replica.https.unwrap());
    let keys = published(&site, here).await;
    assert_eq!(published(&site, there).await, keys);
    let caller = caller(&site).await;
    let kid = signs(&site, here, &caller).await;
    assert_eq!(signs(&site, there, &caller).await, kid);
    assert!(keys.contains(&kid));
    replica.stop().await;
    let site = site.restart(|_| ()).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    assert_eq!(published(&site, site.address()).await, keys);
    assert!(!site.files.path("data/assertion.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_published_before_it_signs_and_after() {
    let clock = Arc::new(TestClock::default());
    let site = site(&clock).await;
    let (here, caller) = (site.address(), caller(&site).await);
    // To the middle of a period of 30 days.
    let into = site.gateway.now().seconds() % (30 * 86_400);
    clock.advance(Duration::from_secs(45 * 86_400 - into.unsigned_abs()));
    let becomes = async |count: usize, without: &str| {
        let keys = async {
            loop {
                let keys = published(&site, here).await;
                if keys.len() == count && !keys.iter().any(|kid| kid == without) {
                    break keys;
                }
            }
        };
        within("the keys of the time", keys).await
    };
    // What was signed with before the jump is not of this period.
    let long_ago = published(&site, here).await;
    let first = becomes(1, &long_ago[0]).await;
    assert_eq!(signs(&site, here, &caller).await, first[0]);

    clock.advance(DAY * 14 + Duration::from_hours(1));
    let both = becomes(2, "").await;
    assert_eq!(both[0], first[0]);
    assert_eq!(signs(&site, here, &caller).await, first[0], "the next is known before it signs");

    clock.advance(DAY);
    assert_eq!(signs(&site, here, &caller).await, both[1]);
    assert_eq!(becomes(2, "").await, both, "the last can still be verified");

    clock.advance(DAY);
    assert_eq!(becomes(1, &both[0]).await, both[1..]);
    assert_eq!(signs(&site, here, &caller).await, both[1]);
}
