mod hands;
mod opaque;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::{Accept, Bearer, Presented};
use crate::identify::samples::{
    AUDIENCE, FakeKeySets, FakeKeys, FakeWorld, ISSUER, NOW, Signer, at, base64, claims, key_set, now, request,
};
use crate::identify::shown::Shown;
use crate::identify::{Algorithm, Identity, KeysUnavailable, TokenSourceConfig};
use crate::moment::Now;
use crate::refusal::{Code, Refusal};

fn config(changes: Value) -> TokenSourceConfig {
    let mut config = json!({ "issuer": ISSUER, "audiences": [AUDIENCE] });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

fn bearer(changes: Value) -> Bearer {
    Bearer::compile(&BTreeMap::from([("demo".to_owned(), config(changes))])).unwrap()
}

fn ask(bearer: &Bearer, token: &str, keys: &FakeKeySets, now: Now) -> Result<Arc<Identity>, Refusal> {
    ask_in(bearer, token, keys, &FakeWorld::default(), now)
}

/// As [`ask`], with what the rest of the world says.
fn ask_in(
    bearer: &Bearer,
    token: &str,
    keys: &FakeKeySets,
    world: &FakeWorld,
    now: Now,
) -> Result<Arc<Identity>, Refusal> {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
    let (shown, request) = (Shown::read(&headers).unwrap(), request(&headers));
    let (accept, api_keys) = (Accept::default(), FakeKeys::default());
    let sources = world.sources(&api_keys, keys);
    let presented = Presented { text: token, shown: &shown, request: &request, accept: &accept, sources, now };
    bearer.identify(presented).now_or_never().unwrap()
}

fn check(token: &str, why: &str) {
    let refusal = ask(&bearer(json!({})), token, &FakeKeySets::usual(), now()).unwrap_err();
    assert_eq!((refusal.code, refusal.reason.as_ref()), (Code::InvalidToken, why), "{token}");
    assert_eq!(refusal.extra.unwrap().challenge.clone().unwrap().error, Some("invalid_token"));
}

#[test]
fn refuses_what_a_forger_would_try() {
    let usual = Signer::usual();
    let good = usual.token(json!({}));
    let forger = Signer::new("k1", Algorithm::Es256);
    let parts: Vec<&str> = good.split('.').collect();
    let bad = "the token's signature does not verify";
    let alg = "the token's `alg` is not one we accept";

    check(&forger.token(json!({})), bad);
    check(&forger.token_with(json!({ "jwk": forger.jwk() }), json!({})), bad);
    check(&forger.token_with(json!({ "jku": "https://evil.example/jwks" }), json!({})), bad);
    check(
        &format!("{}.{}.{}", parts[0], base64(claims().to_string().replace("alice", "root").as_bytes()), parts[2]),
        bad,
    );
    check(&format!("{}.{}.{}", parts[0], parts[1], base64(&[0; 64])), bad);
    check(&format!("{}.{}.AA", parts[0], parts[1]), bad);
    check(&usual.token_with(json!({ "alg": "none" }), json!({})), alg);
    check(&usual.token_with(json!({ "alg": "HS256" }), json!({})), alg);
    // A good signature under the name of an algorithm the key is not for.
    check(&usual.token_with(json!({ "alg": "RS256" }), json!({})), bad);
    check(&usual.token_with(json!({ "alg": "ES384" }), json!({})), bad);
    check(
        &usual.token_with(json!({ "kid": "' or 1=1 --" }), json!({})),
        "none of the issuer's keys, freshly fetched, has signed the token",
    );
}

#[test]
fn refuses_tokens_made_by_or_for_others() {
    let usual = Signer::usual();
    let issuer = "the token's `iss` is no configured issuer";
    let audience = "the token's `aud` names none of the source's `audiences`";
    let typ = "the token's `typ` is not accepted from its issuer";

    check(&usual.token(json!({ "iss": "https://idp.example/" })), issuer);
    check(&usual.token(json!({ "iss": "https://IDP.example" })), issuer);
    check(&usual.token(json!({ "aud": "https://other.example" })), audience);
    check(&usual.token(json!({ "aud": [] })), audience);
    check(&usual.token(json!({ "aud": "https://app.example/" })), audience);
    check(&usual.token_with(json!({ "typ": "logout+jwt" }), json!({})), typ);
    check(&usual.token_with(json!({ "typ": "dpop+jwt" }), json!({})), typ);
    check(
        &usual.token(json!({ "sub": null })),
        "the token names nobody: it has neither `sub` nor the source's `client_claim`",
    );
}

#[test]
fn refuses_tokens_out_of_their_time() {
    let usual = Signer::usual();
    // The leeway is 30 seconds on either side.
    check(&usual.token(json!({ "exp": NOW - 30 })), "the token has expired");
    check(&usual.token(json!({ "nbf": NOW + 31 })), "the token's `nbf` lies in the future");
    check(&usual.token(json!({ "iat": NOW + 31 })), "the token's `iat` lies in the future");
    let edge = usual.token(json!({ "exp": NOW - 29, "nbf": NOW + 30, "iat": NOW + 30 }));
    assert!(ask(&bearer(json!({})), &edge, &FakeKeySets::usual(), now()).is_ok());
}

#[test]
fn refuses_groups_and_clients_of_another_type() {
    let groups = "the token's groups are not an array of at most 256 strings of 1 to 255 bytes";
    let client = "the token's client claim is not a string of 1 to 255 bytes without control characters";
    check(&Signer::usual().token(json!({ "groups": "admins" })), groups);
    check(&Signer::usual().token(json!({ "groups": [1] })), groups);
    check(&Signer::usual().token(json!({ "groups": ["a\n"] })), groups);
    check(&Signer::usual().token(json!({ "groups": vec!["a"; 257] })), groups);
    check(&Signer::usual().token(json!({ "client_id": 7 })), client);
}

#[test]
fn a_fixed_list_of_algorithms_binds_the_issuer() {
    let refusal = ask(
        &bearer(json!({ "algorithms": ["RS256"] })),
        &Signer::usual().token(json!({})),
        &FakeKeySets::usual(),
        now(),
    );
    assert_eq!(refusal.unwrap_err().reason, "the token's `alg` is not accepted from its issuer");
}

#[test]
fn says_503_when_the_keys_cannot_be_had() {
    let keys = key_set(1, &[Signer::usual().jwk()]);
    let newer = Signer::new("k2", Algorithm::Es256);
    let check = |current, fresh, token: &str| {
        let refusal = ask(&bearer(json!({})), token, &FakeKeySets::new(current, fresh), now()).unwrap_err();
        assert_eq!(refusal.code, Code::KeysUnavailable);
        assert!(refusal.extra.unwrap().retry_after.is_some());
    };
    let usual = Signer::usual().token(json!({}));
    check(Err(KeysUnavailable::Never), Err(KeysUnavailable::Never), &usual);
    check(Err(KeysUnavailable::Stale), Err(KeysUnavailable::Stale), &usual);
    check(Ok(Arc::clone(&keys)), Err(KeysUnavailable::FetchFailed), &newer.token(json!({})));
    check(Ok(keys), Err(KeysUnavailable::Slow), &newer.token(json!({})));
}

#[test]
fn follows_a_rotation_by_one_fetch() {
    let newer = Signer::new("k2", Algorithm::Es256);
    let keys = FakeKeySets::new(Ok(key_set(1, &[Signer::usual().jwk()])), Ok(key_set(2, &[newer.jwk()])));
    let bearer = bearer(json!({}));
    assert!(ask(&bearer, &newer.token(json!({})), &keys, now()).is_ok());
    assert_eq!(keys.refetches.load(Ordering::Relaxed), 1);
}

#[test]
fn a_remembered_token_is_still_judged() {
    let keys = FakeKeySets::usual();
    let bearer = bearer(json!({}));
    let token = Signer::usual().token(json!({}));
    let first = ask(&bearer, &token, &keys, now()).unwrap();
    let second = ask(&bearer, &token, &keys, at(NOW + 329)).unwrap();
    assert!(Arc::ptr_eq(&first, &second), "the identity is built once");

    assert_eq!(ask(&bearer, &token, &keys, at(NOW + 330)).unwrap_err().reason, "the token has expired");
    assert_eq!(ask(&bearer, &token, &keys, at(NOW - 31)).unwrap_err().reason, "the token's `iat` lies in the future");
    *keys.current.lock().unwrap() = Err(KeysUnavailable::Stale);
    assert_eq!(ask(&bearer, &token, &keys, now()).unwrap_err().code, Code::KeysUnavailable);
}

#[test]
fn a_remembered_token_dies_with_its_key() {
    let keys = FakeKeySets::usual();
    let bearer = bearer(json!({}));
    let token = Signer::usual().token(json!({}));
    assert!(ask(&bearer, &token, &keys, now()).is_ok());
    let others = key_set(2, &[Signer::new("k2", Algorithm::Es256).jwk()]);
    *keys.current.lock().unwrap() = Ok(Arc::clone(&others));
    *keys.fresh.lock().unwrap() = Ok(others);
    assert_eq!(ask(&bearer, &token, &keys, now()).unwrap_err().code, Code::InvalidToken);
}

#[test]
fn remembers_no_failure() {
    let bearer = bearer(json!({}));
    let token = Signer::usual().token(json!({ "nbf": NOW + 100 }));
    assert!(ask(&bearer, &token, &FakeKeySets::usual(), now()).is_err());
    assert_eq!(bearer.verified.len(), 0);
    assert!(ask(&bearer, &token, &FakeKeySets::usual(), at(NOW + 100)).is_ok());
}

#[test]
fn one_issuer_never_speaks_for_another() {
    let two = BTreeMap::from([
        ("demo".to_owned(), config(json!({}))),
        ("other".to_owned(), config(json!({ "issuer": "https://other.example" }))),
    ]);
    let bearer = Bearer::compile(&two).unwrap();
    let keys = FakeKeySets::usual();
    let id = |issuer: &str| {
        ask(&bearer, &Signer::usual().token(json!({ "iss": issuer })), &keys, now()).unwrap().principal.to_string()
    };
    assert_eq!(id(ISSUER), r#"User::"demo|alice""#);
    assert_eq!(id("https://other.example"), r#"User::"other|alice""#);
}

#[test]
fn tells_users_from_machines_by_the_declared_rule() {
    let check = |changes: Value, claims: Value, expected: &str| {
        let identity = ask(&bearer(changes), &Signer::usual().token(claims), &FakeKeySets::usual(), now()).unwrap();
        assert_eq!(identity.principal.to_string(), expected);
    };
    check(json!({}), json!({ "client_id": "web" }), r#"User::"demo|alice""#);
    check(json!({}), json!({ "client_id": "alice" }), r#"Client::"demo|alice""#);
    check(json!({}), json!({ "client_id": "worker", "sub": null }), r#"Client::"demo|worker""#);
    check(json!({ "client_claim": "azp" }), json!({ "azp": "alice", "client_id": 7 }), r#"Client::"demo|alice""#);
}

#[test]
fn the_identity_holds_what_policies_may_see() {
    let token = Signer::usual().token(json!({
        "groups": ["writers"], "scope": "read write", "jti": "x", "nbf": NOW, "auth_time": NOW - 5, "department": "a",
        "email": "a@b.example", "email_verified": true
    }));
    let identity = ask(&bearer(json!({})), &token, &FakeKeySets::usual(), now()).unwrap();
    assert_eq!(*identity.groups, ["demo|writers".into()]);
    assert_eq!(*identity.scopes, ["read".into(), "write".into()]);
    assert_eq!(identity.email.as_deref(), Some("a@b.example"));
    assert_eq!(identity.expires_at.unwrap().seconds(), NOW + 300);
    assert_eq!(identity.authenticated_at.unwrap().seconds(), NOW - 5);
    let names: Vec<&str> = identity.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["sub", "groups", "auth_time", "department", "email", "email_verified"]);
}

#[test]
fn finds_groups_that_lie_deeper() {
    let bearer = bearer(json!({ "groups_claim": "/realm_access/roles" }));
    let token = Signer::usual().token(json!({ "realm_access": { "roles": ["r"] } }));
    let identity = ask(&bearer, &token, &FakeKeySets::usual(), now()).unwrap();
    assert_eq!(*identity.groups, ["demo|r".into()]);
}

#[test]
fn says_every_mistake_in_the_configuration() {
    let check = |alias: &str, changes: Value, key: &str, message: &str| {
        let mistakes = Bearer::compile(&BTreeMap::from([(alias.to_owned(), config(changes))])).unwrap_err();
        let found: Vec<_> = mistakes.iter().map(|m| (m.key.as_str(), m.message.as_str())).collect();
        assert_eq!(found, [(key, message)]);
    };
    check("keys", json!({}), "tokens.keys", "`keys` is the alias of API keys; choose another name");
    check("A|b", json!({}), "tokens.A|b", "`A|b` cannot be an alias: use 1 to 64 of a-z, 0-9, `-` and `_`");
    check(
        "a",
        json!({ "audiences": [] }),
        "tokens.a.audiences",
        "at least one is needed and none may be empty: a token made for anybody is good for nobody",
    );
    check(
        "a",
        json!({ "issuer": "http://idp.example" }),
        "tokens.a.issuer",
        "`http://idp.example` is no `https` URL (`http` on loopback only), so its keys cannot be discovered; set `jwks`",
    );
    check(
        "a",
        json!({ "jwks": "http://idp.example/jwks" }),
        "tokens.a.jwks",
        "`http://idp.example/jwks` is neither `file:PATH` nor an `https` URL (`http` is for loopback only)",
    );
    check("a", json!({ "leeway": "6m" }), "tokens.a.leeway", "it is longer than `5m`; mend the clocks instead");
    check("a", json!({ "cache": 0 }), "tokens.a.cache", "`0` is not from 1 to 1000000");
    check(
        "a",
        json!({ "max_age": "1m" }),
        "tokens.a.max_age",
        "it is shorter than `refresh`, so keys would be too old before they are fetched again",
    );
}

#[test]
fn refuses_two_sources_for_one_issuer() {
    let two = BTreeMap::from([("a".to_owned(), config(json!({}))), ("b".to_owned(), config(json!({})))]);
    let mistakes = Bearer::compile(&two).unwrap_err();
    assert_eq!(mistakes[0].key, "tokens.b.issuer");
    assert_eq!(
        mistakes[0].message,
        "`https://idp.example` is already the issuer of [tokens.a]; an issuer has one alias, so put the audiences of both there"
    );
}
