//! What a key is bound to, and how that is changed.

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::clock::TestClock;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use super::{make, operator};

async fn start(clock: &Arc<TestClock>) -> Site {
    Setup::new()
        .route("home", "GET /", "read", "")
        .route("other", "GET /other", "read", "")
        .section("[plans.free]\nlimits = [{ rate = \"2/h\" }]\n")
        .clock(clock)
        .start()
        .await
}

fn secret(key: &Value) -> &str {
    key["secret"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_refused_from_elsewhere_and_on_other_routes() {
    let site = start(&Arc::new(TestClock::default())).await;
    let mut client = site.h1().await;
    for (terms, home, other) in [
        (json!({ "addresses": ["192.0.2.0/24", "2001:db8::1"] }), (403, "address_denied"), (403, "address_denied")),
        (json!({ "addresses": ["127.0.0.1"] }), (200, ""), (200, "")),
        (json!({ "routes": ["home"] }), (200, ""), (403, "route_denied")),
    ] {
        let mut wanted = json!({ "name": "k", "roles": ["readers"] });
        wanted.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let key = make(&site, &wanted).await;
        for (path, (status, code)) in [("/", home), ("/other", other)] {
            let answer = client.get(path, &[("x-api-key", secret(&key))]).await;
            assert_eq!(answer.status, status, "{terms} {path}");
            if status == 403 {
                assert_eq!(answer.problem().1, code, "{terms} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_key_and_of_its_plan_hold_over_all_routes() {
    let clock = Arc::new(TestClock::default());
    let site = start(&clock).await;
    let mut client = site.h1().await;
    for (terms, hours) in [
        (json!({ "limits": [{ "rate": "2/h" }] }), 1),
        (json!({ "limits": [{ "rate": "2/d" }] }), 24),
        (json!({ "limits": [{ "rate": "2/month" }] }), 30 * 24),
        (json!({ "plan": "free" }), 1),
    ] {
        let mut wanted = json!({ "name": "k", "roles": ["readers"] });
        wanted.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let key = make(&site, &wanted).await;
        let shown: &[(&str, &str)] = &[("x-api-key", secret(&key))];
        assert_eq!(client.get("/", shown).await.status, 200, "{terms}");
        assert_eq!(client.get("/other", shown).await.status, 200, "{terms}");
        let refused = client.get("/", shown).await;
        assert_eq!(refused.problem(), (429, "rate_limited".to_owned()), "{terms}");
        assert!(refused.header("retry-after").is_some());
        // Two in that time are one in half of it.
        let half = Duration::from_mins(30 * hours);
        clock.advance(half.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(client.get("/", shown).await.status, 429, "{terms}");
        clock.advance(Duration::from_secs(1));
        assert_eq!(client.get("/", shown).await.status, 200, "{terms}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_has_two_secrets_until_the_overlap_ends() {
    let clock = Arc::new(TestClock::default());
    let site = start(&clock).await;
    let (mut client, mut admin) = (site.h1().await, site.admin().await);
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let path = format!("/v1/keys/{}/rotate", key["id"].as_str().unwrap());
    let rehearsed = admin.post_json(&format!("{path}?dry_run=true"), auth, &json!({})).await;
    assert_eq!((rehearsed.status.as_u16(), &rehearsed.json()["secret"]), (200, &Value::Null));

    let next = admin.post_json(&path, auth, &json!({ "overlap": "1h" })).await.json();
    assert_eq!(next["id"], key["id"]);
    assert_ne!(secret(&next), secret(&key));
    for text in [secret(&key), secret(&next)] {
        assert_eq!(client.get("/", &[("x-api-key", text)]).await.status, 200);
    }
    clock.advance(Duration::from_hours(1));
    assert_eq!(client.get("/", &[("x-api-key", secret(&key))]).await.problem().1, "invalid_api_key");
    assert_eq!(client.get("/", &[("x-api-key", secret(&next))]).await.status, 200);
    // Without an overlap, at once.
    let last = admin.post_json(&path, auth, &json!({})).await.json();
    assert_eq!(client.get("/", &[("x-api-key", secret(&next))]).await.problem().1, "invalid_api_key");
    assert_eq!(client.get("/", &[("x-api-key", secret(&last))]).await.status, 200);
    assert_eq!(admin.post_json(&path, auth, &json!({ "overlap": "31d" })).await.problem().0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let site = start(&Arc::new(TestClock::default())).await;
    let (mut client, mut admin) = (site.h1().await, site.admin().await);
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let made = make(&site, &json!({ "name": "k", "owner": "o", "roles": ["readers"], "plan": "free" })).await;
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    let before = admin.get(&path, auth).await;
    let fields = [("authorization", operator.as_str()), ("content-type", "application/json")];
    let mut patch = async |body: Value| admin.send("PATCH", &path, &fields, body.to_string()).await;

    let after = patch(json!({ "name": "renamed", "plan": null, "routes": ["other"] })).await;
    let mut expected = before.json();
    expected["name"] = "renamed".into();
    expected["plan"] = Value::Null;
    expected["routes"] = json!(["other"]);
    assert_eq!((after.status.as_u16(), after.json()), (200, expected));
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(client.get("/", &[("x-api-key", secret(&made))]).await.problem().1, "route_denied");
    for (body, pointer) in [
        (json!({ "plan": "gold" }), "/plan"),
        (json!({ "routes": ["nowhere"] }), "/routes/0"),
        (json!({ "addresses": ["here"] }), "/addresses/0"),
        (json!({ "limits": [{ "rate": "often" }] }), "/limits/0/rate"),
        (json!({ "limits": [{ "rate": "1/s", "burst": 0 }] }), "/limits/0/burst"),
        (json!({ "secret": "x" }), "/secret"),
    ] {
        let refused = patch(body.clone()).await;
        assert_eq!(refused.problem().0, 422, "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(admin.send("DELETE", &path, auth, "").await.status, 200);
    let refused = admin.send("PATCH", &path, &fields, "{}").await;
    assert_eq!(refused.problem(), (409, "key_revoked".to_owned()));
    let actions: Vec<_> = site.gateway.store().audit(0, 100).await.unwrap().into_iter().map(|row| row.action).collect();
    assert_eq!(actions, ["admin_key.create", "config.load", "key.create", "key.update", "key.revoke"]);
}
