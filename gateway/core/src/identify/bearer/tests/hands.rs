//! Is it in the right hands? Tokens that are bound, and tokens that were taken back.

use std::sync::Arc;

use futures::FutureExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::{Accept, Bearer, Presented, ask_in, bearer};
use crate::identify::Algorithm;
use crate::identify::revoked::{Revocations, Revoked};
use crate::identify::samples::{FakeKeySets, FakeKeys, FakeWorld, NOW, Signer, base64, now, request};
use crate::identify::secret::fingerprint;
use crate::identify::shown::Shown;
use crate::moment::Moment;
use crate::refusal::{Code, Scheme};
use crate::request::{ClientCertificate, Request};

const DPOP: HeaderName = HeaderName::from_static("dpop");

fn certificate(thumbprint: [u8; 32]) -> ClientCertificate {
    ClientCertificate {
        name: None,
        subject: "".into(),
        issuer: "".into(),
        serial: "".into(),
        sans: Vec::new(),
        spki: [0; 32],
        thumbprint,
        not_after: Moment::from_seconds(NOW + 60),
    }
}

/// What becomes of a token shown so: the code, or the principal.
fn shown(
    (bearer, world): (&Bearer, &FakeWorld),
    (scheme, token, proof): (&str, &str, Option<&str>),
    held: Option<&ClientCertificate>,
) -> String {
    let mut headers = HeaderMap::from_iter([(AUTHORIZATION, format!("{scheme} {token}").parse().unwrap())]);
    if let Some(proof) = proof {
        headers.insert(DPOP, proof.parse().unwrap());
    }
    let request = Request { certificate: held, ..request(&headers) };
    let (read, accept, keys, api_keys) =
        (Shown::read(&headers).unwrap(), Accept::default(), FakeKeySets::usual(), FakeKeys::default());
    let sources = world.sources(&api_keys, &keys);
    let presented = Presented { text: token, shown: &read, request: &request, accept: &accept, sources, now: now() };
    match bearer.identify(presented).now_or_never().unwrap() {
        Ok(identity) => identity.principal.subject().to_owned(),
        Err(refusal) => {
            let challenge = refusal.extra.and_then(|extra| extra.challenge.clone());
            let dpop = challenge.is_some_and(|challenge| challenge.scheme == Scheme::Dpop);
            format!("{}{}", refusal.code.name(), if dpop { " (DPoP)" } else { "" })
        }
    }
}

fn holder() -> &'static Signer {
    static HOLDER: std::sync::OnceLock<Signer> = std::sync::OnceLock::new();
    HOLDER.get_or_init(|| Signer::new("holder", Algorithm::Es256))
}

/// RFC 7638, by hand.
fn thumbprint(signer: &Signer) -> String {
    let jwk = signer.jwk();
    let text = format!(r#"{{"crv":{},"kty":"EC","x":{},"y":{}}}"#, jwk["crv"], jwk["x"], jwk["y"]);
    base64(&fingerprint(&text))
}

fn proof(signer: &Signer, token: &str, header: Value, changes: Value) -> String {
    let mut jwk = signer.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    let mut head = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    head.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
    let mut claims = json!({
        "jti": "p1", "htm": "GET", "htu": "https://app.example/orders/7", "iat": NOW, "ath": base64(&fingerprint(token)),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    signer.sign(&head.to_string(), &claims.to_string())
}

#[test]
fn a_token_that_is_bound_to_a_certificate_needs_that_connection() {
    let token = Signer::usual().token(json!({ "cnf": { "x5t#S256": base64(&[7; 32]) } }));
    let (bearer, world) = (bearer(json!({})), FakeWorld::default());
    let ask = |held: Option<[u8; 32]>| {
        let held = held.map(certificate);
        shown((&bearer, &world), ("Bearer", &token, None), held.as_ref())
    };
    assert_eq!(ask(None), "invalid_token");
    assert_eq!(ask(Some([8; 32])), "invalid_token");
    assert_eq!(ask(Some([7; 32])), "alice");
    assert_eq!(ask(None), "invalid_token", "and is judged anew once it is remembered");
}

#[test]
fn a_token_that_is_bound_to_a_key_needs_a_proof_made_for_this_very_request() {
    let token = Signer::usual().token(json!({ "cnf": { "jkt": thumbprint(holder()) } }));
    let bearer = bearer(json!({}));
    let none = json!({});
    let make = |changes: Value| proof(holder(), &token, json!({}), changes);
    let ask =
        |scheme: &str, proof: Option<&str>| shown((&bearer, &FakeWorld::default()), (scheme, &token, proof), None);
    assert_eq!(ask("DPoP", Some(&make(none.clone()))), "alice");
    assert_eq!(ask("dpop", Some(&make(json!({ "htu": "https://APP.example:8443/orders/7" })))), "alice");
    assert_eq!(ask("Bearer", Some(&make(none.clone()))), "invalid_token (DPoP)");
    assert_eq!(ask("DPoP", None), "invalid_dpop_proof (DPoP)");
    let thief = Signer::new("thief", Algorithm::Es256);
    let stolen = make(none.clone());
    let (head, _) = stolen.rsplit_once('.').unwrap();
    let other = proof(&thief, &token, json!({}), none.clone());
    let (_, foreign) = other.rsplit_once('.').unwrap();
    for bad in [
        other.clone(),
        format!("{head}.{foreign}"),
        "a.b.c".to_owned(),
        make(json!({ "htm": "POST" })),
        make(json!({ "htm": "get" })),
        make(json!({ "htu": "https://app.example/orders/8" })),
        make(json!({ "htu": "https://app.example/orders/7?limit=5" })),
        make(json!({ "htu": "http://app.example/orders/7" })),
        make(json!({ "htu": "https://other.example/orders/7" })),
        make(json!({ "htu": "/orders/7" })),
        make(json!({ "iat": NOW - 76 })),
        make(json!({ "iat": NOW + 16 })),
        make(json!({ "iat": NOW.to_string() })),
        make(json!({ "ath": base64(&fingerprint("another token")) })),
        make(json!({ "ath": null })),
        make(json!({ "jti": "" })),
        proof(holder(), &token, json!({ "typ": "jwt" }), none.clone()),
        proof(holder(), &token, json!({ "alg": "none" }), none.clone()),
        proof(holder(), &token, json!({ "alg": "HS256" }), none.clone()),
        proof(holder(), &token, json!({ "jwk": thief.jwk() }), none.clone()),
        proof(holder(), &token, json!({ "crit": ["exp"] }), none.clone()),
        {
            let mut jwk = holder().jwk();
            jwk["d"] = "AA".into();
            proof(holder(), &token, json!({ "jwk": jwk }), none.clone())
        },
    ] {
        assert_eq!(ask("DPoP", Some(&bad)), "invalid_dpop_proof (DPoP)", "{bad}");
    }
}

#[test]
fn a_proof_is_good_once_and_doubt_refuses() {
    let token = Signer::usual().token(json!({ "cnf": { "jkt": thumbprint(holder()) } }));
    let (bearer, world) = (bearer(json!({})), FakeWorld::default());
    let ask = |proof: &str| shown((&bearer, &world), ("DPoP", &token, Some(proof)), None);
    let first = proof(holder(), &token, json!({}), json!({}));
    assert_eq!(ask(&first), "alice");
    assert_eq!(ask(&first), "invalid_dpop_proof (DPoP)", "a replay");
    let again = proof(holder(), &token, json!({}), json!({ "iat": NOW + 1 }));
    assert_eq!(ask(&again), "invalid_dpop_proof (DPoP)", "the same `jti` in another proof");
    assert_eq!(ask(&proof(holder(), &token, json!({}), json!({ "jti": "p2" }))), "alice");
    world.replays_down.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ask(&proof(holder(), &token, json!({}), json!({ "jti": "p3" }))), "dependency_unavailable");
}

#[test]
fn a_plain_token_is_no_dpop_token_and_an_issuer_may_demand_binding() {
    let plain = Signer::usual().token(json!({}));
    let world = FakeWorld::default();
    let made = proof(holder(), &plain, json!({}), json!({}));
    assert_eq!(shown((&bearer(json!({})), &world), ("DPoP", &plain, Some(&made)), None), "invalid_token (DPoP)");
    for (demand, expected) in [("dpop", "invalid_token (DPoP)"), ("mtls", "invalid_token"), ("if_bound", "alice")] {
        let bearer = bearer(json!({ "proof": demand }));
        assert_eq!(shown((&bearer, &world), ("Bearer", &plain, None), None), expected, "{demand}");
    }
}

#[test]
fn a_way_of_binding_that_is_not_known_refuses() {
    for cnf in [
        json!({}),
        json!("x"),
        json!({ "jwk": {} }),
        json!({ "jkt": base64(&[1; 32]), "kid": "a" }),
        json!({ "jkt": 1 }),
    ] {
        let token = Signer::usual().token(json!({ "cnf": cnf }));
        let answer = shown((&bearer(json!({})), &FakeWorld::default()), ("Bearer", &token, None), None);
        assert_eq!(answer, "invalid_token", "{cnf}");
    }
}

#[test]
fn a_token_that_was_taken_back_is_refused_remembered_or_not() {
    let token = Signer::usual().token(json!({ "jti": "t1" }));
    let (bearer, world, keys) = (bearer(json!({})), FakeWorld::default(), FakeKeySets::usual());
    assert!(ask_in(&bearer, &token, &keys, &world, now()).is_ok());
    let mut list = Revocations::default();
    list.add("demo", Revoked::Id("t1".into()), None);
    *world.revoked.lock().unwrap() = Arc::new(list);
    let refusal = ask_in(&bearer, &token, &keys, &world, now()).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.reason.as_ref()),
        (Code::InvalidToken, "the token was taken back: it is on the list of revocations")
    );
    let mut list = Revocations::default();
    list.add("demo", Revoked::Subject { subject: "alice".into(), before: Moment::from_seconds(NOW + 1) }, None);
    *world.revoked.lock().unwrap() = Arc::new(list);
    assert!(ask_in(&bearer, &token, &keys, &world, now()).is_err());
    assert!(ask_in(&bearer, &Signer::usual().token(json!({ "iat": NOW + 1 })), &keys, &world, now()).is_ok());
}
