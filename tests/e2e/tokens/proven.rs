//! Tokens whose key is proven with each request (RFC 9449).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_tests::keys::{Algorithm, Signer};
use portcullis_tests::redis::Redis;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn public(signer: &Signer) -> Value {
    let jwk = signer.jwk();
    json!({ "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"] })
}

/// A token bound to the holder's key.
fn bound(site: &Site, holder: &Signer) -> String {
    let key = public(holder);
    let thumbprint =
        hash(&format!(r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#, key["crv"], key["kty"], key["x"], key["y"]));
    let mut claims = site.claims("rita", &["readers"]);
    claims["cnf"] = json!({ "jkt": thumbprint });
    site.signer.sign(&claims)
}

fn proof(site: &Site, holder: &Signer, token: &str, changes: &Value) -> String {
    let mut claims = json!({
        "jti": "p1", "htm": "GET", "htu": "https://app.test/page", "iat": site.gateway.now().seconds(), "ath": hash(token),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    holder.sign_with(&json!({ "typ": "dpop+jwt", "kid": null, "jwk": public(holder) }), &claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_is_worth_nothing_and_neither_is_a_stolen_proof() {
    let site = Setup::new().route("page", "GET /page", "read", "").start().await;
    let (holder, thief) = (Signer::new(Algorithm::Es256, "holder"), Signer::new(Algorithm::Es256, "thief"));
    let token = bound(&site, &holder);
    let shown = format!("DPoP {token}");
    let mut client = site.h1().await;
    let mut ask = async |scheme: &str, proof: &str| {
        let authorization = format!("{scheme} {token}");
        client.get("/page", &[("authorization", &authorization), ("dpop", proof)]).await
    };
    let good = proof(&site, &holder, &token, &json!({}));
    let refused = ask("Bearer", &good).await;
    assert_eq!(refused.problem(), (401, "invalid_token".to_owned()));
    assert!(refused.header("www-authenticate").unwrap().starts_with("DPoP realm="), "{refused:?}");
    for bad in [
        proof(&site, &thief, &token, &json!({})),
        proof(&site, &holder, &token, &json!({ "htu": "https://app.test/other" })),
        proof(&site, &holder, &token, &json!({ "ath": hash("another") })),
    ] {
        assert_eq!(ask("DPoP", &bad).await.problem(), (401, "invalid_dpop_proof".to_owned()));
    }
    assert_eq!(site.upstream.connections(), 0);
    assert_eq!(ask("DPoP", &good).await.status, 200);
    assert_eq!(ask("DPoP", &good).await.problem(), (401, "invalid_dpop_proof".to_owned()), "a replay");
    let seen = site.upstream.only();
    assert_eq!((seen.header("authorization"), seen.header("dpop")), (None, None), "both end here");
    let http2 = proof(&site, &holder, &token, &json!({ "jti": "p2" }));
    assert_eq!(site.h2().await.get("/page", &[("authorization", &shown), ("dpop", &http2)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_good_once_over_all_replicas_and_doubt_refuses() {
    let redis = Redis::start().await;
    let counters = format!("[counters]\nurl = \"{}\"\ntimeout = \"1s\"\n", redis.url());
    let setup = || Setup::new().route("page", "GET /page", "read", "").section(&counters);
    let (one, other) = (setup().start().await, setup().start().await);
    // Both believe the same issuer.
    other.files.write("certs/jwks.json", portcullis_tests::keys::jwks([&one.signer]).to_string());
    other.gateway.reload().await.unwrap();
    let holder = Signer::new(Algorithm::Es256, "holder");
    let token = bound(&one, &holder);
    let shown = format!("DPoP {token}");
    let good = proof(&one, &holder, &token, &json!({}));
    assert_eq!(one.h1().await.get("/page", &[("authorization", &shown), ("dpop", &good)]).await.status, 200);
    let again = other.h1().await.get("/page", &[("authorization", &shown), ("dpop", &good)]).await;
    assert_eq!(again.problem(), (401, "invalid_dpop_proof".to_owned()));
    drop(redis);
    let next = proof(&one, &holder, &token, &json!({ "jti": "p2" }));
    let down = one.h1().await.get("/page", &[("authorization", &shown), ("dpop", &next)]).await;
    assert_eq!(down.problem(), (503, "dependency_unavailable".to_owned()));
}
