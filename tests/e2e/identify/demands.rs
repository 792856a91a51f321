//! `any of`, `all of`, `optional`, `public`: what each makes of what was shown.

use portcullis_tests::client::Client;
use portcullis_tests::site::{Setup, Site};
use serde_json::json;

use super::{BAD_KEY, BAD_TOKEN, NOBODY, refusal, refused};
use crate::api_keys::make;

const MAY_BE_NOBODY: &str =
    r#"@id("nobody") permit (principal == Anonymous::"anonymous", action == Action::"maybe", resource);"#;

async fn start() -> (Site, Client) {
    let site = Setup::new()
        .route("any", "GET /any", "read", "authenticate = [\"jwt\", \"api_key\"]")
        .route("all", "GET /all", "read", "authenticate = { all = [\"jwt\", \"api_key\"] }")
        .route("key", "GET /key", "read", "authenticate = [\"api_key\"]")
        .route("maybe", "GET /maybe", "read", "authenticate = \"optional\"")
        .route("open", "GET /open", "public", "")
        .policies(MAY_BE_NOBODY)
        .start()
        .await;
    let client = site.h1().await;
    (site, client)
}

const PATHS: [&str; 5] = ["/any", "/all", "/key", "/maybe", "/open"];

#[tokio::test(flavor = "multi_thread")]
async fn each_demand_has_its_answer_to_what_was_shown() {
    let (site, mut client) = start().await;
    let token = site.reader();
    let bad = format!("{token}x");
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let key = key["secret"].as_str().unwrap();
    let bearer = ("authorization", token.as_str());
    let bad_bearer = ("authorization", bad.as_str());
    let api_key = ("x-api-key", key);
    let bad_key = ("x-api-key", "ptcl_live_x_x");
    let in_bearer = format!("Bearer {key}");

    let (no, t, k) = ("authentication_required", "invalid_token", "invalid_api_key");
    let (jwt, by_key, nobody) = ("jwt", "api_key", "nobody");
    // In the order of `PATHS`: how the application sees them, or the refusal's code.
    for (what, shown, expected) in [
        ("nothing", &[][..], [no, no, no, nobody, nobody]),
        ("a token", &[bearer], [jwt, no, no, jwt, nobody]),
        ("a key", &[api_key], [by_key, no, by_key, by_key, nobody]),
        ("a key as a bearer", &[("authorization", in_bearer.as_str())], [by_key, no, by_key, by_key, nobody]),
        ("both", &[bearer, api_key], [jwt, jwt, by_key, jwt, nobody]),
        ("a bad token", &[bad_bearer], [t, t, no, t, nobody]),
        ("a bad key", &[bad_key], [k, k, k, k, nobody]),
        ("a bad token and a good key", &[bad_bearer, api_key], [t, t, by_key, t, nobody]),
        ("a good token and a bad key", &[bearer, bad_key], [k, k, k, k, nobody]),
        ("another scheme", &[("authorization", "Basic eDp4")], [no, no, no, nobody, nobody]),
    ] {
        for (path, expected) in PATHS.into_iter().zip(expected) {
            let before = site.upstream.heads();
            let answer = client.get(path, shown).await;
            let challenge = match expected {
                "authentication_required" => NOBODY,
                "invalid_token" => BAD_TOKEN,
                "invalid_api_key" => BAD_KEY,
                _ => {
                    assert_eq!(answer.status, 200, "{what} at {path}");
                    let seen = site.upstream.requests().pop().unwrap();
                    let method = seen.header("x-portcullis-auth").unwrap_or("nobody").to_owned();
                    assert_eq!(method, expected, "{what} at {path}");
                    continue;
                }
            };
            assert_eq!(refusal(&answer), refused(401, expected, challenge), "{what} at {path}");
            assert_eq!(site.upstream.heads(), before, "{what} at {path} reached the application");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_credentials_that_contradict_each_other() {
    let (site, mut client) = start().await;
    let one = make(&site, &json!({ "name": "one", "roles": ["readers"] })).await;
    let two = make(&site, &json!({ "name": "two", "roles": ["readers"] })).await;
    let (one, two) = (one["secret"].as_str().unwrap(), two["secret"].as_str().unwrap());
    let bearer = format!("Bearer {one}");

    let shown: &[(&str, &str)] = &[("authorization", &bearer), ("x-api-key", two)];
    for path in ["/any", "/all", "/key", "/maybe"] {
        assert_eq!(client.get(path, shown).await.problem(), (400, "credentials_conflict".to_owned()), "{path}");
    }
    let twice: &[(&str, &str)] = &[("x-api-key", one), ("x-api-key", one)];
    assert_eq!(client.get("/any", twice).await.status, 400);
    let token = site.reader();
    let twice: &[(&str, &str)] = &[("authorization", &token), ("authorization", &token)];
    assert_eq!(client.get("/any", twice).await.status, 400);
    assert_eq!(site.upstream.heads(), 0);

    // The same key in both places is no contradiction.
    let same: &[(&str, &str)] = &[("authorization", &bearer), ("x-api-key", one)];
    assert_eq!(client.get("/any", same).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_the_query_or_a_cookie_is_none() {
    let (site, mut client) = start().await;
    let token = site.reader();
    let token = token.strip_prefix("Bearer ").unwrap();
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let key = key["secret"].as_str().unwrap();
    for target in [
        format!("/any?access_token={token}"),
        format!("/any?api_key={key}"),
        format!("/any?X-API-Key={key}"),
        format!("/any?authorization=Bearer%20{token}"),
    ] {
        let answer = client.get(&target, &[]).await;
        assert_eq!(refusal(&answer), refused(401, "authentication_required", NOBODY));
    }
    let cookie = format!("access_token={token}; x-api-key={key}");
    let answer = client.get("/any", &[("cookie", &cookie)]).await;
    assert_eq!(refusal(&answer), refused(401, "authentication_required", NOBODY));
    assert_eq!(site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_never_sees_a_credential_that_was_judged() {
    let (site, mut client) = start().await;
    let token = site.reader();
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let key = key["secret"].as_str().unwrap();
    let as_bearer = format!("Bearer {key}");
    let mut h2 = site.h2().await;
    for shown in [
        &[("authorization", token.as_str())][..],
        &[("x-api-key", key)],
        &[("authorization", as_bearer.as_str())],
        &[("authorization", token.as_str()), ("x-api-key", key)],
        // A key of ours is nobody else's business, wherever it was put.
        &[("authorization", token.as_str()), ("x-other", key)],
    ] {
        for path in ["/any", "/maybe"] {
            assert_eq!(client.get(path, shown).await.status, 200);
            assert_eq!(h2.get(path, shown).await.status, 200);
        }
    }
    // On a public route the key is taken away too, though nobody judged it.
    assert_eq!(client.get("/open", &[("x-api-key", key)]).await.status, 200);
    let secret = token.strip_prefix("Bearer ").unwrap();
    for connection in 0..site.upstream.connections() {
        let wire = String::from_utf8_lossy(&site.upstream.wire(connection)).into_owned();
        assert!(!wire.contains(secret), "the token reached the application:\n{wire}");
        assert!(!wire.contains("ptcl_"), "the key reached the application:\n{wire}");
    }
    assert_eq!(site.upstream.requests().len(), 21);
}
