//! Which gateways run on one store, and do they do the same?

use portcullis_core::moment::Moment;
use portcullis_server::app::Gateway;
use portcullis_server::world::store::{Replica, Replicas};
use portcullis_tests::clock::TestClock;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::admin::applied::{apply, closed, connect, moved, setup, texts};
use crate::api_keys::operator;

async fn listed(site: &Site, gateway: &Gateway) -> Value {
    let answer = connect(site, gateway).await.get("/v1/replicas", &[("authorization", &operator(site))]).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

async fn until(site: &Site, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    within(what, async {
        loop {
            let listed = listed(site, &site.gateway).await;
            if wanted(&listed) {
                return listed;
            }
        }
    })
    .await
}

fn of<'v>(listed: &'v Value, member: &str) -> Vec<&'v Value> {
    listed["items"].as_array().unwrap().iter().map(|replica| &replica[member]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_is_listed_with_the_revision_it_does_until_it_ends() {
    let redis = portcullis_tests::redis::Redis::start().await;
    let site = moved(setup("store").variable("PTCL_TEST_HOST", "app.test").start().await, &redis).await;
    let alone = listed(&site, &site.gateway).await;
    assert_eq!((of(&alone, "this"), &alone["agree"]), (vec![&json!(true)], &json!(true)));
    let poor = site.replica_with(&[]).await.unwrap();
    let both = until(&site, "the second replica", |listed| of(listed, "id").len() == 2).await;
    assert_eq!((of(&both, "revision"), of(&both, "state")), (vec![&json!(1); 2], vec![&json!("running"); 2]));
    assert_eq!((of(&both, "this"), &both["agree"]), (vec![&json!(true), &json!(false)], &json!(true)), "{both:#}");

    // A revision that one of them cannot load: they do not agree, and everybody is told.
    let mut files = closed(&texts(&site).await);
    let main = files.get_mut("config/portcullis.toml").unwrap();
    *main = main.replace("match = \"GET /items/{id}\"", "match = \"GET /items/{id}\"\nhost = \"${PTCL_TEST_HOST}\"");
    assert_eq!(apply(&site, &files).await.status, 201);
    let torn = until(&site, "the fault there", |listed| of(listed, "pending_errors") == [&json!(0), &json!(1)]).await;
    assert_eq!((of(&torn, "revision"), &torn["agree"]), (vec![&json!(2), &json!(1)], &json!(false)), "{torn:#}");
    let metrics = site.metrics().await;
    assert!(metrics.contains("\nportcullis_config_revision 2\n"), "{metrics}");
    site.name_admin();
    let ran = site.command(&["config", "replicas"]).await;
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(1), 2), "{ran:#?}");
    let (first, second) = ran.stdout.split_once('\n').unwrap();
    assert!(first.starts_with("*     2  ") && second.starts_with("      1  "), "{ran:#?}");
    assert!(second.contains("1 faults of what should be in force"), "{ran:#?}");

    poor.stop().await;
    let alone = listed(&site, &site.gateway).await;
    assert_eq!((of(&alone, "this"), &alone["agree"]), (vec![&json!(true)], &json!(true)), "it said farewell");
    assert_eq!(site.command(&["config", "replicas"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_heard_of_is_silent_and_in_the_end_forgotten() {
    let clock = Arc::new(TestClock::default());
    let site = Setup::new().route("home", "GET /", "read", "").clock(&clock).start().await;
    let now = site.gateway.now();
    let dead = Replica {
        id: "dead".to_owned(),
        host: "there".to_owned(),
        version: "0.0.1".to_owned(),
        started: Moment::from_seconds(now.seconds() - 60),
        seen: now,
        due: now.plus(Duration::from_secs(30)),
        revision: Some(7),
        hash: "of others".to_owned(),
        pending_errors: 0,
    };
    site.gateway.store().replicas.say(&dead).await.unwrap();
    let both = listed(&site, &site.gateway).await;
    assert_eq!((of(&both, "id")[0], &both["agree"]), (&json!("dead"), &json!(false)), "{both:#}");
    clock.advance(Duration::from_secs(31));
    let both = listed(&site, &site.gateway).await;
    assert_eq!(of(&both, "state"), [&json!("silent"), &json!("running")]);
    assert_eq!(both["agree"], true, "the dead do nothing");
    clock.advance(Replicas::FORGOTTEN);
    assert_eq!(of(&listed(&site, &site.gateway).await, "state"), [&json!("running")]);
}
