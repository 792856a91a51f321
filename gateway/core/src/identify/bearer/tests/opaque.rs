//! Tokens that only their issuer can read.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{ask_in, at, bearer};
use crate::identify::samples::{AUDIENCE, FakeKeySets, FakeWorld, ISSUER, NOW, Signer, now};
use crate::refusal::Code;

const TOKEN: &str = "ya29.opaque";

fn asked(changes: Value) -> Value {
    let mut introspection =
        json!({ "endpoint": "https://idp.example/introspect", "client_id": "gate", "client_secret": "s" });
    introspection.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({ "introspection": introspection })
}

fn says(answer: Value) -> FakeWorld {
    FakeWorld { answer: Mutex::new(Some(answer)), ..FakeWorld::default() }
}

fn active(changes: Value) -> Value {
    let mut answer = json!({ "active": true, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 300, "scope": "a b" });
    answer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    answer
}

fn code(answer: Value) -> (Code, String) {
    let (bearer, world) = (bearer(asked(json!({}))), says(answer));
    let refusal = ask_in(&bearer, TOKEN, &FakeKeySets::usual(), &world, now()).unwrap_err();
    (refusal.code, refusal.reason.into_owned())
}

#[test]
fn refuses_what_the_issuer_does_not_vouch_for() {
    let invalid = |why: &str| (Code::InvalidToken, why.to_owned());
    assert_eq!(code(json!({ "active": false })), invalid("the token's issuer says that it is not active"));
    assert_eq!(code(active(json!({ "exp": NOW - 31 }))), invalid("the token has expired"));
    assert_eq!(
        code(active(json!({ "aud": "b" }))),
        invalid("the token's `aud` names none of the source's `audiences`")
    );
    assert_eq!(code(active(json!({ "iss": "b" }))), invalid("the answer is about a token of another issuer"));
    assert_eq!(code(active(json!({ "exp": "soon" }))), invalid("the token's `exp` is not a whole number of seconds"));
    let mut silent = active(json!({}));
    silent.as_object_mut().unwrap().remove("aud");
    assert_eq!(code(silent), invalid("the answer does not say for whom the token was made (`aud`)"));
}

#[test]
fn says_503_when_the_issuer_cannot_be_understood_or_asked() {
    for answer in
        [json!({}), json!({ "active": "true" }), json!([]), json!("<html>"), json!(r#"{"active":true,"active":true}"#)]
    {
        assert_eq!(code(answer.clone()).0, Code::DependencyUnavailable, "{answer}");
    }
    let refusal = ask_in(&bearer(asked(json!({}))), TOKEN, &FakeKeySets::usual(), &FakeWorld::default(), now());
    assert_eq!(refusal.unwrap_err().code, Code::DependencyUnavailable);
}

#[test]
fn an_answer_is_used_until_it_or_the_token_ends() {
    let (bearer, world, keys) =
        (bearer(asked(json!({ "cache": "20s" }))), says(active(json!({ "exp": NOW + 30 }))), FakeKeySets::usual());
    let identity = ask_in(&bearer, TOKEN, &keys, &world, now()).unwrap();
    assert_eq!(identity.principal.to_string(), r#"User::"demo|alice""#);
    assert_eq!(identity.scopes.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a", "b"]);
    for (seconds, times) in [(19, 1), (20, 2), (29, 2), (31, 3), (41, 4)] {
        let _ = ask_in(&bearer, TOKEN, &keys, &world, at(NOW + seconds));
        assert_eq!(world.asked.load(Ordering::Relaxed), times, "after {seconds} s");
    }
}

#[test]
fn a_bad_token_is_asked_about_once_in_a_while() {
    let (bearer, world, keys) = (bearer(asked(json!({}))), says(json!({ "active": false })), FakeKeySets::usual());
    for (seconds, times) in [(0, 1), (4, 1), (5, 2)] {
        assert!(ask_in(&bearer, TOKEN, &keys, &world, at(NOW + seconds)).is_err());
        assert_eq!(world.asked.load(Ordering::Relaxed), times, "after {seconds} s");
    }
}

#[test]
fn a_token_without_an_end_or_an_audience_is_what_the_configuration_says() {
    let mut silent = active(json!({}));
    silent.as_object_mut().unwrap().retain(|name, _| name != "aud" && name != "exp");
    let config = asked(json!({ "missing_audience": "accept", "cache": "20s" }));
    let identity = ask_in(&bearer(config), TOKEN, &FakeKeySets::usual(), &says(silent), now()).unwrap();
    assert_eq!(identity.expires_at, Some(at(NOW + 20).wall));
}

#[test]
fn a_jwt_is_shown_to_nobody_but_its_issuer_and_not_where_keys_judge() {
    let keys = FakeKeySets::usual();
    let usual = Signer::usual();
    // Of another issuer: the one that could be asked must not learn it.
    let world = says(active(json!({})));
    let token = usual.token(json!({ "iss": "https://other.example" }));
    assert!(ask_in(&bearer(asked(json!({}))), &token, &keys, &world, now()).is_err());
    assert_eq!(world.asked.load(Ordering::Relaxed), 0);
    // Of this issuer, which has no keys: asked about.
    let token = usual.token(json!({}));
    assert!(ask_in(&bearer(asked(json!({}))), &token, &keys, &world, now()).is_ok());
    assert_eq!(world.asked.load(Ordering::Relaxed), 1);
    // With keys it speaks for itself, and a forged one is no question for the issuer.
    let mut both = asked(json!({}));
    both["jwks"] = "https://idp.example/jwks".into();
    let bearer = bearer(both);
    assert!(ask_in(&bearer, &token, &keys, &world, now()).is_ok());
    let forged = Signer::new("k1", crate::identify::Algorithm::Es256).token(json!({ "iss": ISSUER }));
    assert!(ask_in(&bearer, &forged, &keys, &world, now()).is_err());
    assert_eq!(world.asked.load(Ordering::Relaxed), 1);
}
