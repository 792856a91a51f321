//! The token of the caller's own, where an application needs it.

use portcullis_tests::jar::{Browser, SESSION};
use serde_json::json;

use super::{alice, idp, setup};
use crate::api_keys::make;

const RELAYED: &str = "https://app.test/relayed";

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gets_the_token_of_the_session_where_its_route_says_so() {
    let idp = idp().await;
    let relaying = "authenticate = [\"session\", \"api_key\"]\ntoken = \"relay\"\n";
    let site = setup(&idp, "")
        .route("relayed", "GET /relayed", "read", relaying)
        .policies(r#"@id("keys") permit (principal in Group::"keys|readers", action in Action::"read", resource);"#)
        .start()
        .await;
    let mut browser = alice(&site).await;
    assert_eq!(site.upstream.requests().pop().unwrap().header("authorization"), None, "nowhere else");
    // Something that was never judged is not to pass for a token of ours.
    let answer = browser.send("GET", RELAYED, &[("authorization", "Bearer made-up")], "").await;
    assert_eq!(answer.status, 200);
    let seen = site.upstream.requests().pop().unwrap();
    let token = seen.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_ne!(token, "made-up");
    assert_eq!(seen.header("cookie"), None);
    // It is good at the provider.
    let issuer = idp.issuer().strip_prefix("http://").unwrap().parse().unwrap();
    let mut provider = portcullis_tests::client::Client::plain(issuer).await.unwrap();
    let me = provider.get("/me", &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((me.status.as_u16(), &me.json()["sub"]), (200, &json!(portcullis_tests::idp::ALICE)));

    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let fields = [("x-api-key", key["secret"].as_str().unwrap()), ("authorization", "Bearer made-up")];
    assert_eq!(Browser::new(&site).send("GET", RELAYED, &fields, "").await.status, 200);
    assert_eq!(site.upstream.requests().pop().unwrap().header("authorization"), None, "a key has no token");
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let (access, decisions) = site.logs().await;
    let text = format!("{access:?}{decisions:?}");
    assert!(!text.contains(&token) && !text.contains(&session));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_is_relayed_as_it_was_shown() {
    let site = portcullis_tests::site::Setup::new()
        .route("relayed", "GET /relayed", "read", "token = \"relay\"\n")
        .route("page", "GET /page", "read", "")
        .start()
        .await;
    let reader = site.reader();
    let mut client = site.h1().await;
    for (path, expected) in [("/relayed", Some(reader.as_str())), ("/page", None)] {
        assert_eq!(client.get(path, &[("authorization", &reader)]).await.status, 200);
        assert_eq!(site.upstream.requests().pop().unwrap().header("authorization"), expected, "{path}");
    }
}
