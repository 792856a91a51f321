use serde_json::json;

use super::{AUDIENCE, BEGIN, ISSUER, alice, assert_uncached, check_error, stage};

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

#[test]
fn userinfo_is_for_whoever_holds_a_token() {
    let stage = stage();
    for fields in ["", "authorization: Basic abc\r\n", "authorization: Bearer a.b.c\r\n", "authorization: Bearer\r\n"] {
        let answer = stage.get("/userinfo", fields);
        check_error(&answer, (401, "invalid_token"));
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    let (tokens, _) = stage.tokens("alice");
    let access = tokens["access_token"].as_str().unwrap();
    check_error(&stage.get("/userinfo", &bearer(tokens["id_token"].as_str().unwrap())), (401, "invalid_token"));
    let answer = stage.get("/userinfo", &bearer(access));
    assert_uncached(&answer);
    let expected =
        json!({ "sub": "alice", "email": "alice@example.com", "email_verified": true, "groups": ["writers"] });
    assert_eq!((answer.status, answer.json()), (200, expected));
    stage.pass(3600);
    check_error(&stage.get("/userinfo", &bearer(access)), (401, "invalid_token"));

    let scopeless = stage.post("/token", "", &[("grant_type", "password"), ("username", "bob"), ("password", "demo")]);
    let poor = stage.get("/userinfo", &bearer(scopeless.json()["access_token"].as_str().unwrap()));
    check_error(&poor, (403, "insufficient_scope"));
}

#[test]
fn introspection_is_for_clients_with_a_secret() {
    let stage = stage();
    let (tokens, _) = stage.tokens("alice");
    let access = tokens["access_token"].as_str().unwrap();
    let worth =
        |client: &[(&str, &str)], token: &str| stage.post("/introspect", "", &[client, &[("token", token)]].concat());
    let gateway = [("client_id", "portcullis"), ("client_secret", "demo")];
    check_error(&worth(&[], access), (401, "invalid_client"));
    check_error(&worth(&[("client_id", "spa")], access), (401, "invalid_client"));
    check_error(&stage.post("/introspect", "", &gateway), (400, "invalid_request"));

    let said = worth(&gateway, access).json();
    let names = ["active", "sub", "client_id", "iss", "aud", "exp", "token_type"];
    let expected = [
        json!(true),
        json!("alice"),
        json!("portcullis"),
        json!(ISSUER),
        json!(AUDIENCE),
        json!(BEGIN + 3600),
        json!("Bearer"),
    ];
    assert_eq!(names.map(|name| said[name].clone()), expected);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(worth(&gateway, refresh).json()["active"], true);
    let other = [("client_id", "other"), ("client_secret", "other")];
    for nothing in
        [worth(&gateway, "invented"), worth(&gateway, tokens["id_token"].as_str().unwrap()), worth(&other, refresh)]
    {
        assert_eq!((nothing.status, nothing.json()), (200, json!({ "active": false })));
    }
    stage.pass(3600);
    assert_eq!(worth(&gateway, access).json(), json!({ "active": false }));
}

#[test]
fn what_is_revoked_is_worthless_and_nobody_learns_what_was() {
    let stage = stage();
    let (tokens, _) = stage.tokens("alice");
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let revoke = |id: &str, secret: &str, token: &str| {
        stage.post("/revoke", "", &[("client_id", id), ("client_secret", secret), ("token", token)])
    };
    check_error(&revoke("portcullis", "wrong", refresh), (401, "invalid_client"));
    assert_eq!(revoke("other", "other", refresh).status, 200, "as of every token");
    assert_eq!(stage.get("/userinfo", &bearer(access)).status, 200);
    assert_eq!(revoke("portcullis", "demo", refresh).status, 200);
    assert_eq!(stage.get("/userinfo", &bearer(access)).status, 401);
    check_error(&stage.refresh(refresh, &[]), (400, "invalid_grant"));
    assert_eq!(alice().name, "alice");
}
