use serde_json::{Value, json};

use super::{KeySet, Signature};
use crate::identify::Algorithm;
use crate::identify::jwt::Token;
use crate::identify::samples::{Signer, base64, key_set};

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk.as_object_mut().unwrap().insert(member.into(), value);
    jwk
}

#[test]
fn leaves_out_keys_that_must_not_verify() {
    let usual = Signer::usual().jwk();
    let cases = [
        (
            json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }),
            "it is symmetric, and whoever verifies with it could sign with it",
        ),
        (json!({}), "it has no `kty`"),
        (json!(7), "it has no `kty`"),
        (json!({ "kty": "AKP" }), "its `kty` is none of EC, OKP and RSA"),
        (with(usual.clone(), "use", json!("enc")), "its `use` is not `sig`"),
        (with(usual.clone(), "key_ops", json!(["sign"])), "its `key_ops` do not include `verify`"),
        (with(usual.clone(), "key_ops", json!("verify")), "its `key_ops` do not include `verify`"),
        (with(usual.clone(), "alg", json!("ES384")), "its `alg` is not accepted for a key of its type"),
        (with(usual.clone(), "alg", json!("HS256")), "its `alg` is not accepted for a key of its type"),
        (with(usual.clone(), "alg", json!(1)), "its `alg` is not a string"),
        (with(usual.clone(), "kid", json!(1)), "its `kid` is not a string of at most 256 bytes"),
        (with(usual.clone(), "d", json!("AA")), "its private part is published with it, so anybody may have signed"),
        (with(usual.clone(), "crv", json!("P-384")), "its coordinates are not of its curve's length"),
        (with(usual.clone(), "crv", json!("P-521")), "its `crv` is neither P-256 nor P-384"),
        (with(usual.clone(), "y", json!(base64(&[1; 32]))), "its point is not on its curve"),
        (with(usual.clone(), "x", json!("****")), "a part of the key is not base64url"),
        (with(usual, "x", json!(null)), "a part of the key is missing"),
        (json!({ "kty": "OKP", "crv": "Ed448", "x": "AA" }), "its `crv` is not Ed25519"),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }), "it is not an Ed25519 key"),
        (json!({ "kty": "RSA", "n": base64(&[255; 128]), "e": "AQAB" }), "it has fewer than 2048 bits"),
        (json!({ "kty": "RSA", "n": base64(&[0; 256]), "e": "AQAB" }), "it has fewer than 2048 bits"),
        (json!({ "kty": "RSA", "n": base64(&[255; 1025]), "e": "AQAB" }), "it has more than 8192 bits"),
        (
            json!({ "kty": "RSA", "n": base64(&[255; 256]), "e": "AQ" }),
            "its exponent is not an odd number from 3 to 32 bits",
        ),
    ];
    for (jwk, why) in cases {
        let (keys, skipped) = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), 1).unwrap();
        assert!(keys.is_empty());
        assert_eq!(skipped, [format!("key 0 is left out: {why}")]);
    }
}

#[test]
fn refuses_documents_that_are_no_key_set() {
    let check = |document: &str, why: &str| assert_eq!(KeySet::parse(document.as_bytes(), 1).unwrap_err(), why);
    check("", "the key set is not a JSON object");
    check("[]", "the key set is not a JSON object");
    check("{}", "the key set has no `keys` array (RFC 7517 §5)");
    check(r#"{"keys":{}}"#, "the key set has no `keys` array (RFC 7517 §5)");
    check(r#"{"keys":[],"keys":[]}"#, "the key set repeats a member");
    check(&json!({ "keys": vec![0; 101] }).to_string(), "the key set has 101 keys; at most 100 are read");
    check(&" ".repeat(KeySet::MOST_BYTES + 1), "the key set is larger than 512 KiB");
}

#[test]
fn verifies_every_algorithm_with_its_own_key_only() {
    let signers = Algorithm::ALL.map(|algorithm| Signer::new("k", algorithm));
    for signer in &signers {
        let token = signer.token(json!({}));
        let token = Token::parse(&token).unwrap();
        for other in &signers {
            let expected =
                if other.kid == signer.kid && std::ptr::eq(other, signer) { Signature::Good } else { Signature::Bad };
            assert_eq!(
                key_set(1, &[other.jwk()]).check(&token),
                expected,
                "{:?} {:?}",
                signer.algorithm,
                other.algorithm
            );
        }
        let all: Vec<Value> = signers.iter().map(Signer::jwk).collect();
        assert_eq!(key_set(1, &all).check(&token), Signature::Good);
    }
}

#[test]
fn a_key_that_names_its_algorithm_verifies_no_other() {
    let signer = Signer::new("k", Algorithm::Rs256);
    let token = signer.token(json!({}));
    let keys = key_set(1, &[with(signer.jwk(), "alg", json!("PS256"))]);
    assert_eq!(keys.check(&Token::parse(&token).unwrap()), Signature::Bad);
}

#[test]
fn tells_an_unknown_key_from_a_bad_signature() {
    let (one, two) = (Signer::new("one", Algorithm::Es256), Signer::new("two", Algorithm::Es256));
    let check = |token: &str, keys: &KeySet, expected| assert_eq!(keys.check(&Token::parse(token).unwrap()), expected);

    check(&two.token(json!({})), &key_set(1, &[one.jwk()]), Signature::UnknownKey);
    check(&two.token_with(json!({ "kid": "one" }), json!({})), &key_set(1, &[one.jwk()]), Signature::Bad);
    check(
        &two.token_with(json!({ "kid": "../../etc/passwd" }), json!({})),
        &key_set(1, &[one.jwk()]),
        Signature::UnknownKey,
    );
    check(&two.token_with(json!({ "kid": null }), json!({})), &key_set(1, &[one.jwk()]), Signature::UnknownKey);
    check(&two.token_with(json!({ "kid": null }), json!({})), &key_set(1, &[one.jwk(), two.jwk()]), Signature::Good);
    let doubled = key_set(1, &[with(one.jwk(), "kid", json!("k")), with(two.jwk(), "kid", json!("k"))]);
    check(&two.token_with(json!({ "kid": "k" }), json!({})), &doubled, Signature::Good);
}

#[test]
fn tries_four_keys_for_a_nameless_token_and_no_more() {
    let signer = Signer::new("k", Algorithm::Es256);
    let token = signer.token_with(json!({ "kid": null }), json!({}));
    let mut jwks: Vec<Value> = (0..4).map(|_| Signer::new("x", Algorithm::Es256).jwk()).collect();
    jwks.push(signer.jwk());
    assert_eq!(key_set(1, &jwks).check(&Token::parse(&token).unwrap()), Signature::UnknownKey);
}
