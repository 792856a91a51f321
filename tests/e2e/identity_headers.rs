//! How does the application learn who is calling, and how can it be sure?

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use portcullis_tests::keys::{self, Signer, jwks};
use portcullis_tests::site::{AUDIENCE, ISSUER, Setup, Site};
use portcullis_tests::upstream::Recorded;
use serde_json::{Value, json};

async fn seen(site: &Site, claims: &Value) -> Recorded {
    let authorization = format!("Bearer {}", site.signer.sign(claims));
    let answer = site.h1().await.get("/", &[("authorization", &authorization)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    site.upstream.requests().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_route_says_nothing_about_the_caller() {
    let site = Setup::new().upstream("assertion = true").route("page", "GET /", "public", "").start().await;
    site.h1().await.get("/", &[("authorization", &site.reader())]).await;
    let seen = site.upstream.only();
    for name in ["user", "email", "groups", "auth", "assertion"] {
        assert_eq!(seen.header(&format!("x-portcullis-{name}")), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_are_ours_unless_the_upstream_chooses() {
    let cases = [
        ("", ["x-portcullis-user", "x-portcullis-email", "x-portcullis-groups"], Some("x-portcullis-auth")),
        ("identity_headers = \"oauth2-proxy\"", ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"], None),
        ("identity_headers = \"authelia\"", ["remote-user", "remote-email", "remote-groups"], None),
        (
            "identity_headers = { user = \"X-Sub\", email = \"X-Mail\", groups = \"X-Teams\", auth = \"X-How\" }",
            ["x-sub", "x-mail", "x-teams"],
            Some("x-how"),
        ),
    ];
    for (upstream, [user, email, groups], auth) in cases {
        let site = Setup::new().upstream(upstream).route("page", "GET /", "read", "").start().await;
        let mut claims = site.claims("rita", &["readers", "say \"hi\"\\", "ä"]);
        claims["email"] = "rita@app.test".into();
        claims["email_verified"] = true.into();
        let seen = seen(&site, &claims).await;
        assert_eq!(seen.header(user), Some("rita"), "{upstream}");
        assert_eq!(seen.header(email), Some("rita@app.test"), "{upstream}");
        assert_eq!(seen.header(groups), Some(r#""readers", "say \"hi\"\\", "%C3%A4""#), "{upstream}");
        if let Some(auth) = auth {
            assert_eq!(seen.header(auth), Some("jwt"), "{upstream}");
        }
        let ours = seen.headers.keys().filter(|name| name.as_str().starts_with("x-portcullis-")).count();
        assert_eq!(ours, if upstream.is_empty() { 5 } else { 1 }, "{upstream}: {:?}", seen.headers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_nobody_verified_is_not_told() {
    let site = Setup::new().route("page", "GET /", "read", "").start().await;
    let mut claims = site.claims("rita", &["readers"]);
    claims["email"] = "rita@app.test".into();
    claims["email_verified"] = false.into();
    assert_eq!(seen(&site, &claims).await.header("x-portcullis-email"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_assertion_verifies_with_the_published_keys_and_is_kept() {
    let site = Setup::new().upstream("assertion = true").route("page", "GET /", "read", "").start().await;
    let first = seen(&site, &site.claims("rita", &["readers"])).await;
    let text = first.header("x-portcullis-assertion").unwrap().to_owned();
    let published = site.h1().await.get("/_portcullis/jwks.json", &[]).await;
    assert_eq!(published.header("content-type"), Some("application/jwk-set+json"));
    let keys: JwkSet = serde_json::from_slice(&published.body).unwrap();
    let header = decode_header(&text).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["app"]);
    validation.set_issuer(&[AUDIENCE]);
    let claims = decode::<Value>(&text, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims;
    let told = json!([claims["sub"], claims["groups"], claims["auth"], claims["principal"]]);
    assert_eq!(told, json!(["rita", ["readers"], "jwt", "User::\"test|rita\""]));
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=300).contains(&life), "{life} s");

    let again = seen(&site, &site.claims("rita", &["readers"])).await;
    assert_eq!(again.header("x-portcullis-assertion"), Some(text.as_str()), "the same statement is used again");
    let other = seen(&site, &site.claims("rita", &["readers", "more"])).await;
    assert_ne!(other.header("x-portcullis-assertion"), Some(text.as_str()), "other groups are another statement");
}

/// What docs/callers.md says of them.
#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_name_are_told_apart_by_the_assertion() {
    let other = Signer::new(keys::Algorithm::Es256, "other-key");
    let source = |alias: &str, issuer: &str, file: &str| {
        format!("[tokens.{alias}]\nissuer = \"{issuer}\"\naudiences = [\"{AUDIENCE}\"]\njwks = \"file:certs/{file}\"\n")
    };
    let theirs = source("other", "https://other.test", "other.json");
    let site = Setup::new()
        .tokens(&format!("{}\n{theirs}", source("test", ISSUER, "jwks.json")))
        .file("certs/other.json", jwks([&other]).to_string())
        .upstream("assertion = true")
        .route("page", "GET /", "read", "")
        .policies(r#"@id("others") permit (principal in Group::"other|readers", action in Action::"read", resource);"#)
        .start()
        .await;
    let one = site.claims("alice", &["readers"]);
    let mut two = one.clone();
    two["iss"] = json!("https://other.test");
    let mut client = site.h1().await;
    for (token, principal) in
        [(site.signer.sign(&one), "User::\"test|alice\""), (other.sign(&two), "User::\"other|alice\"")]
    {
        let answer = client.get("/", &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = site.upstream.requests().pop().unwrap();
        let plain = (seen.header("x-portcullis-user"), seen.header("x-portcullis-groups"));
        assert_eq!(plain, (Some("alice"), Some("\"readers\"")), "alike in plain headers");
        let assertion = seen.header("x-portcullis-assertion").unwrap();
        let said = jsonwebtoken::dangerous::insecure_decode::<Value>(assertion).unwrap().claims;
        assert_eq!(said["principal"], principal);
    }
}
