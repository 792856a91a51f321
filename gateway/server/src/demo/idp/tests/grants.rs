use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{AUDIENCE, BEGIN, CALLBACK, ISSUER, assert_uncached, check_error, part, stage};

/// Names and values.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const STALE: (u16, &str) = (400, "invalid_grant");

#[test]
fn a_code_is_for_its_client_its_place_and_its_verifier() {
    let stage = stage();
    let cases: [(Pairs, (u16, &str)); 9] = [
        (&[("code", "")], (400, "invalid_request")),
        (&[("code", "invented")], STALE),
        (&[("code_verifier", "")], (400, "invalid_request")),
        (&[("code_verifier", "another-verifier-of-at-least-forty-three-chars")], STALE),
        (&[("redirect_uri", "")], (400, "invalid_request")),
        (&[("redirect_uri", "https://127.0.0.1:8443/")], STALE),
        (&[("client_secret", "wrong")], (401, "invalid_client")),
        (&[("client_secret", "")], (401, "invalid_client")),
        (&[("client_id", "other"), ("client_secret", "other")], STALE),
    ];
    for (more, expected) in cases {
        let (code, _) = stage.code("alice", &[]);
        check_error(&stage.redeem(&code, more), expected);
    }
}

#[test]
fn a_code_is_good_once_and_for_a_minute() {
    let stage = stage();
    let (code, _) = stage.code("alice", &[]);
    stage.pass(60);
    check_error(&stage.redeem(&code, &[]), STALE);

    let (code, _) = stage.code("alice", &[]);
    check_error(&stage.redeem(&code, &[("code_verifier", "wrong-verifier-wrong-verifier-wrong-verifier-0")]), STALE);
    check_error(&stage.redeem(&code, &[]), STALE);

    let (code, _) = stage.code("alice", &[]);
    stage.pass(59);
    let tokens = stage.redeem(&code, &[]).json();
    check_error(&stage.redeem(&code, &[]), STALE);
    // Somebody else has it: what came of it is worthless too.
    check_error(&stage.refresh(tokens["refresh_token"].as_str().unwrap(), &[]), STALE);
    let bearer = format!("authorization: Bearer {}\r\n", tokens["access_token"].as_str().unwrap());
    assert_eq!(stage.get("/userinfo", &bearer).status, 401);
}

#[test]
fn a_code_becomes_tokens_about_the_login() {
    let stage = stage();
    let (code, _) = stage.code("alice", &[("scope", "openid email profile unheard-of orders:read")]);
    stage.pass(30);
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode("portcullis:demo"));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", super::VERIFIER),
    ];
    let answer = stage.post("/token", &basic, &form);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_uncached(&answer);
    let said = answer.json();
    let scope = "openid email profile orders:read";
    assert_eq!(
        (&said["token_type"], &said["expires_in"], &said["scope"]),
        (&json!("Bearer"), &json!(3600), &json!(scope))
    );

    let mut access = stage.verified(&said["access_token"]);
    access["jti"].take();
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": BEGIN + 3630, "iat": BEGIN + 30, "jti": null,
        "client_id": "portcullis", "scope": scope, "auth_time": BEGIN, "groups": ["writers"],
        "email": "alice@example.com", "email_verified": true,
    });
    assert_eq!(access, expected);

    let id_token = said["id_token"].as_str().unwrap();
    assert_eq!((&part(id_token, 0)["typ"], &part(id_token, 0)["alg"]), (&json!("JWT"), &json!("ES256")));
    let mut id = stage.verified(&said["id_token"]);
    assert_eq!(id["sid"].take().as_str().unwrap().len(), 43);
    let half = &digest(&SHA256, said["access_token"].as_str().unwrap().as_bytes()).as_ref()[..16].to_vec();
    let expected = json!({
        "iss": ISSUER, "aud": ["portcullis"], "exp": BEGIN + 3630, "iat": BEGIN + 30, "auth_time": BEGIN,
        "nonce": "n0nce", "at_hash": URL_SAFE_NO_PAD.encode(half), "sub": "alice", "name": "Alice",
        "preferred_username": "alice", "email": "alice@example.com", "email_verified": true, "groups": ["writers"],
        "sid": null,
    });
    let stripped: Value = id
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| !value.is_null() || *name == "sid")
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    assert_eq!(stripped, expected);
}

#[test]
fn a_client_without_a_secret_proves_by_its_verifier() {
    let stage = stage();
    let redirect = ("redirect_uri", "http://localhost:3000/cb?keep=1");
    let (code, _) = stage.code("carol", &[("client_id", "spa"), redirect]);
    check_error(&stage.redeem(&code, &[("client_id", "spa"), redirect]), (401, "invalid_client"));
    let answer = stage.redeem(&code, &[("client_id", "spa"), ("client_secret", ""), redirect]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let machine = stage.post("/token", "", &[("grant_type", "client_credentials"), ("client_id", "spa")]);
    check_error(&machine, (400, "unauthorized_client"));
}

#[test]
fn a_refresh_token_is_good_once_and_its_reuse_ends_the_family() {
    let stage = stage();
    let (tokens, _) = stage.tokens("alice");
    let first = tokens["refresh_token"].as_str().unwrap().to_owned();
    stage.pass(10);
    let next = stage.refresh(&first, &[]).json();
    let second = next["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let (before, after) = (stage.verified(&tokens["id_token"]), stage.verified(&next["id_token"]));
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!((after["iat"].clone(), after.get("nonce").and_then(Value::as_str)), (json!(BEGIN + 10), None));
    check_error(&stage.refresh(&first, &[]), STALE);
    check_error(&stage.refresh(&second, &[]), STALE);
}

#[test]
fn a_refresh_token_is_for_its_client_and_its_scope() {
    let stage = stage();
    check_error(&stage.refresh("", &[]), (400, "invalid_request"));
    for invented in ["invented", "invented.too", "."] {
        check_error(&stage.refresh(invented, &[]), STALE);
    }
    let (tokens, _) = stage.tokens("alice");
    let token = tokens["refresh_token"].as_str().unwrap();
    check_error(&stage.refresh(token, &[("client_secret", "wrong")]), (401, "invalid_client"));
    check_error(&stage.refresh(token, &[("client_id", "other"), ("client_secret", "other")]), STALE);
    // None of that ended it; and less may be asked for.
    let less = stage.refresh(token, &[("scope", "openid")]).json();
    assert_eq!(less["scope"], "openid");
    let token = less["refresh_token"].as_str().unwrap();
    check_error(&stage.refresh(token, &[("scope", "openid orders:write")]), (400, "invalid_scope"));
}

#[test]
fn a_refresh_token_that_lay_idle_for_a_month_is_worthless() {
    let stage = stage();
    let (tokens, _) = stage.tokens("alice");
    stage.pass(30 * 24 * 3600);
    check_error(&stage.refresh(tokens["refresh_token"].as_str().unwrap(), &[]), STALE);
}

#[test]
fn without_openid_there_is_no_id_token() {
    let stage = stage();
    let (code, _) = stage.code("alice", &[("scope", "orders:read")]);
    let said = stage.redeem(&code, &[]).json();
    assert_eq!((said.get("id_token"), &said["scope"]), (None, &json!("orders:read")));
}
