//! A token whose signature was checked before is judged again, every time.

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::clock::TestClock;
use portcullis_tests::keys::{Algorithm, Signer, jwks};
use portcullis_tests::site::Setup;
use serde_json::json;

use super::{BAD_TOKEN, EXPIRED_TOKEN, refusal, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_token_is_refused_once_it_has_expired() {
    let clock = Arc::new(TestClock::default());
    let site = Setup::new().route("home", "GET /", "read", "").clock(&clock).start().await;
    let mut client = site.h1().await;
    let token = site.reader();
    let read: &[(&str, &str)] = &[("authorization", &token)];

    assert_eq!(client.get("/", read).await.status, 200);
    // To the last second of the leeway.
    clock.advance(Duration::from_secs(600 + 29));
    assert_eq!(client.get("/", read).await.status, 200);
    clock.advance(Duration::from_secs(1));
    let answer = client.get("/", read).await;
    assert_eq!(refusal(&answer), refused(401, "invalid_token", EXPIRED_TOKEN));
    assert_eq!(site.upstream.heads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_token_dies_with_the_key_that_signed_it() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut client = site.h1().await;
    let token = site.reader();
    let read: &[(&str, &str)] = &[("authorization", &token)];

    assert_eq!(client.get("/", read).await.status, 200);
    let next = Signer::new(Algorithm::Es256, "next-key");
    site.files.write("certs/jwks.json", jwks([&next]).to_string());
    site.gateway.reload().await.unwrap();
    assert_eq!(refusal(&client.get("/", read).await), refused(401, "invalid_token", BAD_TOKEN));
    let token = format!("Bearer {}", next.sign(&site.claims("rita", &["readers"])));
    assert_eq!(client.get("/", &[("authorization", &token)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_token_lacks_the_scopes_it_never_had() {
    let site = Setup::new()
        .route("home", "GET /", "read", "")
        .route("scoped", "GET /scoped", "read", "scopes = [\"orders\", \"all\"]\n")
        .start()
        .await;
    let mut client = site.h1().await;
    let mut claims = site.claims("rita", &["readers"]);
    claims["scope"] = json!("orders");
    let token = format!("Bearer {}", site.signer.sign(&claims));
    let read: &[(&str, &str)] = &[("authorization", &token)];

    assert_eq!(client.get("/", read).await.status, 200);
    let challenge = "Bearer realm=\"portcullis\", error=\"insufficient_scope\", error_description=\"the credential lacks \
         a scope that this resource needs\", scope=\"orders all\", \
         resource_metadata=\"https://app.test/.well-known/oauth-protected-resource\"";
    assert_eq!(refusal(&client.get("/scoped", read).await), refused(403, "forbidden", challenge));
    claims["scope"] = json!("all orders more");
    let token = format!("Bearer {}", site.signer.sign(&claims));
    assert_eq!(client.get("/scoped", &[("authorization", &token)]).await.status, 200);
    assert_eq!(site.upstream.heads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_token_is_judged_by_the_audiences_of_the_day() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut client = site.h1().await;
    let token = site.reader();
    let read: &[(&str, &str)] = &[("authorization", &token)];

    assert_eq!(client.get("/", read).await.status, 200);
    let audiences = |name: &str| format!("audiences = [\"{name}\"]");
    site.files.edit("config/portcullis.toml", &audiences("https://app.test"), &audiences("https://next.test"));
    site.gateway.reload().await.unwrap();
    assert_eq!(refusal(&client.get("/", read).await), refused(401, "invalid_token", BAD_TOKEN));
}
