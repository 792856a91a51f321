use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use portcullis_core::identify::{AuthMethod, Identity, Principal};
use portcullis_core::moment::Moment;
use serde_json::{Value, json};

use super::{Assertions, thumbprint};
use crate::world::store::{Published, SigningKey};

fn assertions() -> Assertions {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    Assertions::new(&published(pkcs8.as_ref()), "https://app.example".into()).unwrap()
}

fn published(pkcs8: &[u8]) -> Published {
    let key = SigningKey { signs_from: Moment::default(), pkcs8: pkcs8.into() };
    Published { keys: vec![key], until: at(1_000_000) }
}

fn user(name: &str) -> Identity {
    let mut identity = Identity::anonymous();
    identity.principal = Principal::User(format!("demo|{name}").into());
    identity.method = AuthMethod::Jwt;
    identity.groups = vec!["demo|writers".into()];
    identity
}

/// Times far ahead, so that the library's own clock finds nothing expired.
fn at(second: i64) -> Moment {
    Moment::from_seconds(4_000_000_000 + second)
}

#[test]
fn an_application_can_verify_it_with_the_published_keys() {
    let assertions = assertions();
    let value = assertions.about(&user("alice"), &Arc::from("app"), at(0)).unwrap();
    assert!(value.is_sensitive());
    let keys: JwkSet = serde_json::from_str(&assertions.jwks(at(0))).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["app"]);
    validation.set_issuer(&["https://app.example"]);
    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let read = decode::<Value>(value.to_str().unwrap(), &key, &validation).unwrap();
    assert_eq!(read.header.kid, keys.keys[0].common.key_id);
    let expected = json!({
        "iss": "https://app.example", "aud": "app", "sub": "alice", "principal": "User::\"demo|alice\"",
        "groups": ["writers"], "auth": "jwt", "iat": 4_000_000_000_i64, "exp": 4_000_000_300_i64,
    });
    assert_eq!(read.claims, expected);
}

#[test]
fn one_is_kept_until_half_its_life_for_each_caller_and_upstream() {
    let assertions = assertions();
    let about = |name: &str, upstream: &str, second: i64| {
        assertions.about(&user(name), &Arc::from(upstream), at(second)).unwrap()
    };
    let first = about("alice", "app", 0);
    assert_eq!(about("alice", "app", 149), first);
    assert_ne!(about("bob", "app", 0), first);
    assert_ne!(about("alice", "other", 0), first);
    let mut demoted = user("alice");
    demoted.groups.clear();
    assert_ne!(assertions.about(&demoted, &Arc::from("app"), at(0)).unwrap(), first);
    let with = |change: &dyn Fn(&mut Identity)| {
        let mut changed = user("alice");
        change(&mut changed);
        assertions.about(&changed, &Arc::from("app"), at(0)).unwrap()
    };
    assert_ne!(with(&|other| other.email = Some("a@b.example".into())), first);
    assert_ne!(with(&|other| other.method = AuthMethod::Session), first);
    assert_ne!(about("alice", "app", 150), first);
    // A clock that ran back must not give out a statement from the future.
    assert_ne!(about("alice", "app", -3600), first);
}

#[test]
fn refuses_a_key_that_is_none() {
    assert!(Assertions::new(&published(&[4; 64]), "i".into()).is_none());
}

#[test]
fn a_key_is_named_by_its_thumbprint() {
    let (x, y) = (URL_SAFE_NO_PAD.encode([1; 32]), URL_SAFE_NO_PAD.encode([2; 32]));
    assert_eq!(thumbprint(&x, &y), thumbprint(&x, &y));
    assert_ne!(thumbprint(&x, &y), thumbprint(&y, &x));
    assert_eq!(URL_SAFE_NO_PAD.decode(thumbprint(&x, &y)).unwrap().len(), 32);
}
