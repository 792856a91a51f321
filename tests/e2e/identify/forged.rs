//! Every token a forger, a thief or a careless issuer would try.

use portcullis_tests::client::Client;
use portcullis_tests::keys::{Algorithm, Signer, corrupt, hs256, jwks, unsigned};
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use super::{BAD_TOKEN, EXPIRED_TOKEN, NOBODY, refusal, refused};

struct Range {
    site: Site,
    client: Client,
}

impl Range {
    async fn new() -> Self {
        let site = Setup::new().route("home", "GET /", "read", "").start().await;
        let client = site.h1().await;
        Self { site, client }
    }

    fn claims(&self) -> Value {
        self.site.claims("rita", &["readers"])
    }

    /// A reader's claims with `changes` put over them; null leaves a claim out.
    fn with(&self, changes: Value) -> String {
        self.site.signer.sign(&changed(self.claims(), changes))
    }

    fn header(&self, header: Value) -> String {
        self.site.signer.sign_with(&header, &self.claims())
    }

    async fn check(&mut self, what: &str, token: &str) {
        self.check_as(what, token, BAD_TOKEN).await;
    }

    async fn check_as(&mut self, what: &str, token: &str, challenge: &'static str) {
        let answer = self.client.get("/", &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(refusal(&answer), refused(401, "invalid_token", challenge), "{what}");
        let longest = token.split('.').max_by_key(|part| part.len()).unwrap();
        assert!(longest.len() < 8 || !String::from_utf8_lossy(&answer.body).contains(longest), "{what}: told again");
    }

    /// Nothing of it reached the application, and a good token still does.
    async fn end(mut self) {
        assert_eq!(self.site.upstream.heads(), 0);
        let good = self.site.reader();
        assert_eq!(self.client.get("/", &[("authorization", &good)]).await.status, 200);
        assert_eq!(self.site.upstream.heads(), 1);
    }
}

fn changed(mut claims: Value, changes: Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_signatures_that_are_none_or_of_others() {
    let mut range = Range::new().await;
    let claims = range.claims();
    let good = range.site.signer.sign(&claims);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();

    range.check("alg none", &unsigned(&claims)).await;
    for alg in ["None", "NONE", "nOnE", "", "HS256", "es256", "ES512", "ES256K"] {
        range.check(alg, &range.header(json!({ "alg": alg }))).await;
    }
    range.check("alg missing", &range.header(json!({ "alg": null }))).await;
    range.check("alg of another type", &range.header(json!({ "alg": ["ES256"] }))).await;
    let jwk = range.site.signer.jwk();
    let kid = json!({ "kid": "test-key" });
    range.check("hs256 with the key's text", &hs256(jwk.to_string().as_bytes(), &kid, &claims)).await;
    range.check("hs256 with x", &hs256(jwk["x"].as_str().unwrap().as_bytes(), &kid, &claims)).await;
    range.check("hs256 with nothing", &hs256(b"", &kid, &claims)).await;

    let other = Signer::new(Algorithm::Es256, "test-key");
    range.check("another key of the same name", &other.sign(&claims)).await;
    for algorithm in Algorithm::ALL {
        range.check("another kind of key", &Signer::new(algorithm, "test-key").sign(&claims)).await;
    }
    let brought = json!({ "jwk": other.jwk(), "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/x" });
    range.check("a key the token brings", &other.sign_with(&brought, &claims)).await;
    range.check("a key by path", &other.sign_with(&json!({ "kid": "../../dev/null" }), &claims)).await;
    range.check("a key of no name", &other.sign_with(&json!({ "kid": null }), &claims)).await;

    range.check("corrupt signature", &corrupt(&good)).await;
    range.check("cut signature", &good[..good.len() - 4]).await;
    range.check("no signature", &format!("{head}.")).await;
    range.check("no signature, no dot", head).await;
    range.check("a zero signature", &format!("{head}.{}", "A".repeat(86))).await;
    let writer = range.site.signer.sign(&range.site.claims("rita", &["writers"]));
    let payload = writer.split('.').nth(1).unwrap();
    range.check("changed payload", &format!("{header}.{payload}.{signature}")).await;
    range.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_other_spellings_of_a_good_token() {
    let mut range = Range::new().await;
    let good = range.with(json!({}));
    let (head, _) = good.rsplit_once('.').unwrap();
    let oversized = range.with(json!({ "filling": "a".repeat(13_000) }));
    assert!(oversized.len() > 16 * 1024, "longer than is read");

    for (what, token) in [
        ("padding", format!("{good}=")),
        ("padding of the header", good.replacen('.', "=.", 1)),
        ("trailing dot", format!("{good}.")),
        ("trailing part", format!("{good}.e30")),
        ("trailing data", format!("{good}A")),
        ("a second token", format!("{good} {good}")),
        ("a comma", format!("{good},{good}")),
        ("five parts", "e30.e30.e30.e30.e30".to_owned()),
        ("one part", "token".to_owned()),
        ("dots alone", "..".to_owned()),
        ("no base64url", format!("{head}.+/+/")),
        ("too long", oversized),
        ("nothing", String::new()),
    ] {
        range.check(what, &token).await;
    }
    range.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_headers_and_claims_that_are_not_strictly_right() {
    let mut range = Range::new().await;
    let now = range.site.gateway.now().seconds();
    for header in [
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "" }),
        json!({ "typ": 1 }),
        json!({ "kid": 1 }),
        json!({ "crit": ["exp"], "exp": now + 600 }),
        json!({ "crit": [] }),
        json!({ "b64": false }),
    ] {
        let token = range.header(header.clone());
        range.check(&header.to_string(), &token).await;
    }
    for claims in [
        json!({ "iss": "https://idp.test/" }),
        json!({ "iss": "https://IDP.test" }),
        json!({ "iss": ["https://idp.test"] }),
        json!({ "iss": null }),
        json!({ "aud": "https://app.test/" }),
        json!({ "aud": ["https://other.test"] }),
        json!({ "aud": [] }),
        json!({ "aud": ["https://app.test", 1] }),
        json!({ "aud": { "https://app.test": true } }),
        json!({ "aud": null }),
        json!({ "exp": null }),
        json!({ "exp": (now + 600).to_string() }),
        json!({ "exp": 1e10 }),
        json!({ "exp": 4_000_000_000.5 }),
        json!({ "exp": -1 }),
        json!({ "exp": i64::MAX }),
        json!({ "exp": [now + 600] }),
        json!({ "nbf": now + 600 }),
        json!({ "nbf": now.to_string() }),
        json!({ "iat": now + 600 }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": "a\nb" }),
        json!({ "sub": "a".repeat(256) }),
        json!({ "groups": "readers" }),
        json!({ "groups": [["readers"]] }),
        json!({ "scope": ["read"] }),
        json!({ "email": 1 }),
        json!({ "cnf": { "jkt": "x" } }),
        json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
    ] {
        let token = range.with(claims.clone());
        range.check(&claims.to_string(), &token).await;
    }
    let expired = range.with(json!({ "exp": now - 60 }));
    range.check_as("expired", &expired, EXPIRED_TOKEN).await;
    range.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_json_that_can_be_read_in_two_ways() {
    let mut range = Range::new().await;
    let claims = range.claims().to_string();
    let header = r#"{"alg":"ES256","kid":"test-key","typ":"at+jwt"}"#;
    for (what, header, payload) in [
        ("exp twice", header, claims.replacen('{', r#"{"exp":1,"#, 1)),
        ("sub twice, once escaped", header, claims.replacen('{', r#"{"s\u0075b":"root","#, 1)),
        ("a group twice over", header, claims.replacen('{', r#"{"groups":["writers"],"#, 1)),
        ("alg twice", r#"{"alg":"none","alg":"ES256","kid":"test-key"}"#, claims.clone()),
        ("kid twice", r#"{"alg":"ES256","kid":"other","kid":"test-key"}"#, claims.clone()),
        ("a header that is no object", r#"["ES256"]"#, claims.clone()),
        ("a payload that is no object", header, format!("[{claims}]")),
        ("two payloads", header, format!("{claims}{claims}")),
        ("broken payload", header, claims.trim_end_matches('}').to_owned()),
        ("no payload", header, String::new()),
    ] {
        let token = range.site.signer.sign_raw(header, payload);
        range.check(what, &token).await;
    }
    let mut bytes = claims.into_bytes();
    let at = bytes.windows(4).position(|part| part == b"rita").unwrap();
    bytes[at] = 0xff;
    let token = range.site.signer.sign_raw(header, bytes);
    range.check("no UTF-8", &token).await;
    range.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_scheme_than_bearer_is_no_credential() {
    let mut range = Range::new().await;
    for other in ["Basic cml0YTpyaXRh", "Digest x", "token", "", "BearerX a.b.c"] {
        let answer = range.client.get("/", &[("authorization", other)]).await;
        assert_eq!(refusal(&answer), refused(401, "authentication_required", NOBODY), "{other}");
    }
    range.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_every_algorithm_pass_at_first_and_from_memory() {
    let signers = Algorithm::ALL.map(|algorithm| Signer::new(algorithm, algorithm.name()));
    let site = Setup::new()
        .route("home", "GET /", "read", "")
        .file("certs/jwks.json", jwks(&signers).to_string())
        .start()
        .await;
    let mut client = site.h1().await;
    for signer in &signers {
        let claims = site.claims(signer.algorithm.name(), &["readers"]);
        for typ in [json!("at+jwt"), json!("application/AT+JWT"), json!("JWT"), Value::Null] {
            let token = format!("bearer {}", signer.sign_with(&json!({ "typ": typ }), &claims));
            for time in ["first", "second"] {
                let answer = client.get("/", &[("authorization", &token)]).await;
                assert_eq!(answer.status, 200, "{} {typ} {time}: {answer:#?}", signer.algorithm.name());
            }
        }
    }
    let users: Vec<_> =
        site.upstream.requests().iter().map(|seen| seen.header("x-portcullis-user").map(str::to_owned)).collect();
    assert_eq!(users.len(), 40);
    assert_eq!(users.first().cloned().flatten().as_deref(), Some("EdDSA"));
}
