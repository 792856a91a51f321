//! Tokens in whose hands, known to whom, and until when?

mod introspected;
mod proven;
mod revoked;

use portcullis_tests::site::Setup;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_route_names_its_issuers_and_audiences() {
    let site = Setup::new()
        .route("page", "GET /page", "read", "")
        .route(
            "narrow",
            "GET /narrow",
            "read",
            "authenticate = [\"jwt\"]\nissuers = [\"test\"]\naudiences = [\"https://api.test\"]\n",
        )
        .start()
        .await;
    let mut claims = site.claims("rita", &["readers"]);
    claims["aud"] = json!(["https://api.test", portcullis_tests::site::AUDIENCE]);
    let (both, usual) = (format!("Bearer {}", site.signer.sign(&claims)), site.reader());
    let mut client = site.h1().await;
    for (path, token, status) in
        [("/page", &both, 200), ("/narrow", &both, 200), ("/page", &usual, 200), ("/narrow", &usual, 401)]
    {
        assert_eq!(client.get(path, &[("authorization", token)]).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_how_to_step_up() {
    let more = "authenticate = [\"jwt\"]\nacr = [\"urn:mfa\"]\nmax_auth_age = \"5m\"\n";
    let site = Setup::new().route("page", "GET /page", "read", more).start().await;
    let mut client = site.h1().await;
    let refused = client.get("/page", &[("authorization", &site.reader())]).await;
    assert_eq!(refused.problem(), (401, "insufficient_user_authentication".to_owned()));
    let challenge = refused.header("www-authenticate").unwrap();
    for part in ["error=\"insufficient_user_authentication\"", "acr_values=\"urn:mfa\"", "max_age=\"300\""] {
        assert!(challenge.contains(part), "{part} in {challenge}");
    }
    let mut claims = site.claims("rita", &["readers"]);
    claims["acr"] = "urn:mfa".into();
    claims["auth_time"] = claims["iat"].clone();
    let token = format!("Bearer {}", site.signer.sign(&claims));
    assert_eq!(client.get("/page", &[("authorization", &token)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_find_out_where_tokens_come_from() {
    let site = Setup::new()
        .route("page", "GET /page", "read", "authenticate = [\"jwt\"]\nscopes = [\"b\", \"a\"]\n")
        .start()
        .await;
    let mut client = site.h1().await;
    let refused = client.get("/page", &[]).await;
    let challenge = refused.header("www-authenticate").unwrap().to_owned();
    let (_, rest) = challenge.split_once("resource_metadata=\"https://app.test").unwrap();
    let answer = client.get(rest.trim_end_matches('"'), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, Some("*")));
    let document = answer.json();
    assert_eq!(document["resource"], "https://app.test");
    assert_eq!(document["authorization_servers"], json!([portcullis_tests::site::ISSUER]));
    assert_eq!(document["scopes_supported"], json!(["a", "b"]));
    assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    assert_eq!(document["dpop_bound_access_tokens_required"], false);
}
