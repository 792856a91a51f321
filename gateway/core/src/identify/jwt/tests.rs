use serde_json::json;

use super::Token;
use crate::identify::samples::{Signer, base64, claims};

fn check(token: &str, why: &str) {
    assert_eq!(Token::parse(token).map(|_| ()), Err(why), "{token}");
}

/// Header and payload as they stand, with a signature nobody will look at.
fn unsigned(header: &str, payload: &str) -> String {
    format!("{}.{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()), base64(b"signature"))
}

const HEADER: &str = r#"{"alg":"ES256"}"#;

#[test]
fn refuses_what_is_not_a_compact_signed_token() {
    let good = unsigned(HEADER, &claims().to_string());
    assert!(Token::parse(&good).is_ok());

    let parts = "the token does not have three parts";
    check("", parts);
    check("a", parts);
    check("a.b", parts);
    check("a.b.c.d", parts);
    check("a.b.c.d.e", parts);
    check(&format!("{good}."), parts);
    check(".", parts);
    check("..", "the token's header is not base64url");
    check(&format!(" {good}"), "the token's header is not base64url");
    check(&format!("{good} "), "the token's signature is not base64url");
    check(&format!("{good}\n"), "the token's signature is not base64url");
    check(&format!("{good}="), "the token's signature is not base64url");
    check(&good[..=good.rfind('.').unwrap()], "the token's signature is not base64url");
    check(&good.replacen('.', "=.", 1), "the token's header is not base64url");
    check(&format!("{}.e+/-.AA", base64(HEADER.as_bytes())), "the token's payload is not base64url");
    // Bits that no byte holds: two spellings of one token.
    check(&format!("{}.e30.AB", base64(HEADER.as_bytes())), "the token's signature is not base64url");
    check(&"a".repeat(Token::MOST_BYTES + 1), "the token is longer than 16 KiB");
    check(
        &unsigned(&format!(r#"{{"alg":"ES256","x":"{}"}}"#, "a".repeat(4096)), "{}"),
        "the token's header is longer than 4 KiB",
    );
}

#[test]
fn refuses_headers_that_could_mean_something_else() {
    let cases = [
        ("[]", "the token's header is not a JSON object"),
        ("{}{}", "the token's header is not a JSON object"),
        ("{}", "the token's header has no `alg`"),
        (r#"{"alg":"none"}"#, "the token's `alg` is not one we accept"),
        (r#"{"alg":"None"}"#, "the token's `alg` is not one we accept"),
        (r#"{"alg":"HS256"}"#, "the token's `alg` is not one we accept"),
        (r#"{"alg":"es256"}"#, "the token's `alg` is not one we accept"),
        (r#"{"alg":"RS1"}"#, "the token's `alg` is not one we accept"),
        (r#"{"alg":["ES256"]}"#, "the token's `alg` is not a string"),
        (r#"{"alg":"ES256","alg":"none"}"#, "a member of the token's header is repeated"),
        (r#"{"alg":"ES256","\u0061lg":"none"}"#, "a member of the token's header is repeated"),
        (r#"{"alg":"ES256","crit":[]}"#, "the token's header has `crit`, and no extension is understood"),
        (r#"{"alg":"ES256","crit":["exp"]}"#, "the token's header has `crit`, and no extension is understood"),
        (r#"{"alg":"ES256","b64":true}"#, "the token's header has `b64`, which is not accepted"),
        (r#"{"alg":"ES256","kid":1}"#, "the token's `kid` or `typ` is not a string of 1 to 256 bytes"),
        (r#"{"alg":"ES256","kid":""}"#, "the token's `kid` or `typ` is not a string of 1 to 256 bytes"),
        (r#"{"alg":"ES256","typ":null}"#, "the token's `kid` or `typ` is not a string of 1 to 256 bytes"),
    ];
    for (header, why) in cases {
        check(&unsigned(header, &claims().to_string()), why);
    }
}

#[test]
fn never_looks_at_keys_the_token_brings() {
    let header =
        r#"{"alg":"ES256","jwk":{"kty":"oct"},"jku":"https://evil.example","x5u":"https://evil.example","x5c":[1]}"#;
    assert!(Token::parse(&unsigned(header, &claims().to_string())).is_ok());
}

#[test]
fn refuses_claims_of_another_type() {
    let exp = "the token's `exp` is not a whole number of seconds";
    let cases = [
        (json!({ "iss": ["https://idp.example"] }), "the token's `iss` is not a string"),
        (json!({ "iss": null }), "the token has no `iss`"),
        (json!({ "sub": 7 }), "the token's `sub` is not a string"),
        (json!({ "sub": "" }), "the token's `sub` is not 1 to 255 bytes without control characters"),
        (json!({ "sub": "a".repeat(256) }), "the token's `sub` is not 1 to 255 bytes without control characters"),
        (
            json!({ "sub": "alice\r\nx-user: bob" }),
            "the token's `sub` is not 1 to 255 bytes without control characters",
        ),
        (json!({ "aud": null }), "the token has no `aud`"),
        (json!({ "aud": { "a": 1 } }), "the token's `aud` is neither a string nor an array of at most 64 strings"),
        (json!({ "aud": ["a", 1] }), "the token's `aud` is neither a string nor an array of at most 64 strings"),
        (json!({ "exp": null }), "the token has no `exp`"),
        (json!({ "exp": "1800000300" }), exp),
        (json!({ "exp": 1_800_000_300.5 }), exp),
        (json!({ "exp": 1_800_000_300.0 }), exp),
        (json!({ "exp": -1 }), exp),
        (json!({ "exp": u64::MAX }), exp),
        (json!({ "exp": true }), exp),
        (json!({ "nbf": "0" }), "the token's `nbf` is not a whole number of seconds"),
        (json!({ "iat": 1.5 }), "the token's `iat` is not a whole number of seconds"),
        (json!({ "auth_time": "x" }), "the token's `auth_time` is not a whole number of seconds"),
        (json!({ "jti": 1 }), "the token's `acr`, `azp` or `jti` is not a string"),
        (json!({ "acr": ["1"] }), "the token's `acr`, `azp` or `jti` is not a string"),
        (json!({ "scope": ["read"] }), "the token's `scope` is not a string"),
        (json!({ "scp": [1] }), "the token's `scp` is neither a string nor an array of strings"),
        (json!({ "email": ["a@b"] }), "the token's `email` is not a string"),
        (json!({ "cnf": { "jkt": "x" } }), "the token's `cnf` holds something that is no SHA-256 hash in base64url"),
        (
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            "this is a logout token, not an access token",
        ),
    ];
    for (changes, why) in cases {
        check(&Signer::usual().token(changes), why);
    }
}

#[test]
fn refuses_a_null_claim_and_a_repeated_one() {
    let cases = [
        (r#"{"iss":"a","iss":"b"}"#, "a claim is repeated"),
        (r#"{"iss":"a","x":{"y":[{"z":1,"z":2}]}}"#, "a claim is repeated"),
        (r#"{"iss":null}"#, "the token's `iss` is not a string"),
        (r#"{"iss":"a","aud":"b","exp":17e8}"#, "the token's `exp` is not a whole number of seconds"),
        (r#"{"iss":"a","aud":"b","exp":1,"nbf":null}"#, "the token's `nbf` is not a whole number of seconds"),
        (r#"{"iss":"a"} x"#, "the token's payload is not a JSON object"),
        ("{\"iss\":\"\u{0}\"}", "the token's payload is not a JSON object"),
        ("\u{feff}{}", "the token's payload is not a JSON object"),
        ("7", "the token's payload is not a JSON object"),
    ];
    for (payload, why) in cases {
        check(&unsigned(HEADER, payload), why);
    }
}

#[test]
fn survives_bottomless_nesting() {
    check(&unsigned(HEADER, &"[".repeat(10_000)), "the token's payload is not a JSON object");
}

#[test]
fn reads_scopes_in_all_three_spellings_and_types_in_any_case() {
    let token = Signer::usual().token_with(
        json!({ "typ": "application/AT+JWT" }),
        json!({ "scope": "a  b", "scp": ["c"], "aud": ["x", "y"] }),
    );
    let read = Token::parse(&token).unwrap();
    assert_eq!(read.claims.scopes, ["a", "b", "c"]);
    assert_eq!(read.terms.typ.as_deref(), Some("at+jwt"));
    assert_eq!(read.terms.audience, ["x", "y"]);
}

#[test]
fn keeps_an_address_only_if_the_issuer_has_verified_it() {
    for (verified, email) in [(json!(true), Some("a@b.example")), (json!("true"), None), (json!(false), None)] {
        let token = Signer::usual().token(json!({ "email": "a@b.example", "email_verified": verified }));
        let read = Token::parse(&token).unwrap();
        assert_eq!(read.claims.email.as_deref(), email);
        assert_eq!(read.claims.others.contains_key("email"), email.is_some());
    }
}
