use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use openidconnect::ProviderMetadataWithLogout;
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::json;

use super::super::{IdpError, LocalIdp, NotAPerson, Person, Settings, Uri, refuse_the_outside};
use super::{AUDIENCE, BEGIN, FORM, Hand, ISSUER, alice, assert_uncached, check_error, open, part, stage, verified};
use crate::demo::testing::Running;

#[test]
fn refuses_addresses_others_can_reach() {
    for address in ["0.0.0.0:9444", "192.0.2.1:80", "[::]:9444"] {
        let refused = refuse_the_outside(address.parse().unwrap());
        assert!(matches!(refused, Err(IdpError::NotLoopback(_))), "{address}");
    }
    for address in ["127.0.0.1:9444", "127.9.9.9:1", "[::1]:9444"] {
        assert!(refuse_the_outside(address.parse().unwrap()).is_ok(), "{address}");
    }
}

#[test]
fn refuses_names_that_are_not_loopback() {
    let stage = stage();
    let idp = &stage.idp;
    let ask = |host: &str| idp.raw(format!("GET /jwks HTTP/1.1\r\n{host}connection: close\r\n\r\n").as_bytes()).status;
    for host in ["host: rebound.example\r\n", "host: localhost.example:9444\r\n", "host: a b\r\n"] {
        assert_eq!(ask(host), 421, "{host}");
    }
    for host in ["host: localhost\r\n", "host: LOCALHOST:1\r\n", "host: 127.0.0.1:9444\r\n", "host: [::1]:9444\r\n"] {
        assert_eq!(ask(host), 200, "{host}");
    }
}

#[test]
fn refuses_an_issuer_that_is_no_url() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::demo("localhost", AUDIENCE, "demo");
    let refused = LocalIdp::open(dir.path(), settings, Arc::new(Hand(AtomicI64::new(BEGIN))));
    assert!(matches!(refused, Err(IdpError::Issuer { .. })));
}

fn check_refused(idp: &Running, fields: &str, form: &str, expected: (u16, &str)) {
    let answer = idp.send("POST /token", fields, form);
    check_error(&answer, expected);
    assert_eq!(answer.head.contains("www-authenticate: basic"), expected.0 == 401, "{}", answer.head);
}

#[test]
fn answers_errors_as_rfc_6749_says() {
    let stage = stage();
    let idp = &stage.idp;
    let invalid = (400, "invalid_request");
    check_refused(idp, "", "grant_type=client_credentials", invalid);
    check_refused(idp, "content-type: application/json\r\n", "{}", invalid);
    check_refused(idp, FORM, "a=b", invalid);
    check_refused(idp, FORM, "grant_type=password&username=alice", invalid);
    check_refused(idp, FORM, "grant_type=password&grant_type=password&username=alice&password=demo", invalid);
    check_refused(idp, FORM, "grant_type=implicit", (400, "unsupported_grant_type"));
    for wrong in ["username=mallory&password=demo", "username=alice&password=wrong", "username=Alice&password=demo"] {
        check_refused(idp, FORM, &format!("grant_type=password&{wrong}"), (400, "invalid_grant"));
    }
    for wrong in ["", "&client_id=demo-machine", "&client_id=demo-machine&client_secret=x", "&client_secret=demo"] {
        check_refused(idp, FORM, &format!("grant_type=client_credentials{wrong}"), (401, "invalid_client"));
    }
    // demo-machine:x, and no Basic at all
    for shown in ["Basic ZGVtby1tYWNoaW5lOng=", "Basic !", "Bearer x"] {
        let fields = format!("{FORM}authorization: {shown}\r\n");
        check_refused(idp, &fields, "grant_type=client_credentials", (401, "invalid_client"));
    }
    let fields = format!("{FORM}authorization: Basic ZGVtby1tYWNoaW5lOmRlbW8=\r\n");
    check_refused(idp, &fields, "grant_type=client_credentials&client_secret=demo", invalid);
    assert_eq!(idp.send("GET /token", "", "").status, 405);
    assert_eq!(idp.send("POST /token", FORM, &"a".repeat(20_000)).status, 413);
}

#[test]
fn gives_users_their_token() {
    let stage = stage();
    let idp = &stage.idp;
    let set = idp.send("GET /jwks", "", "").body;
    for (user, groups) in [("alice", json!(["writers"])), ("bob", json!(["readers"])), ("carol", json!([]))] {
        let form = format!("grant_type=password&username={user}&password=demo");
        let answer = idp.send("POST /token", FORM, &form);
        assert_uncached(&answer);
        let said = answer.json();
        assert_eq!((answer.status, &said["token_type"], &said["expires_in"]), (200, &json!("Bearer"), &json!(3600)));
        let token = said["access_token"].as_str().unwrap();
        assert_eq!((&part(token, 0)["typ"], &part(token, 0)["alg"]), (&json!("at+jwt"), &json!("ES256")));
        let mut claims = verified(token, &set);
        assert_eq!(claims["jti"].take().as_str().unwrap().len(), 22);
        let expected = json!({
            "iss": ISSUER, "sub": user, "aud": AUDIENCE, "exp": BEGIN + 3600, "iat": BEGIN, "jti": null,
            "client_id": "portcullis-demo", "groups": groups, "email": format!("{user}@example.com"),
            "email_verified": true,
        });
        assert_eq!(claims, expected);
    }
}

#[test]
fn gives_the_machine_its_token() {
    let stage = stage();
    let idp = &stage.idp;
    let set = idp.send("GET /jwks", "", "").body;
    let asked = "grant_type=client_credentials&scope=orders%3Aread+admin";
    let posted = idp.send("POST /token", FORM, &format!("{asked}&client_id=demo-machine&client_secret=demo"));
    // `demo%2Dmachine:demo`: both parts are form-encoded.
    let basic = format!("{FORM}authorization: basic ZGVtbyUyRG1hY2hpbmU6ZGVtbw==\r\n");
    for answer in [posted, idp.send("POST /token", &basic, asked)] {
        let said = answer.json();
        assert_eq!((answer.status, &said["scope"]), (200, &json!("orders:read")), "{said}");
        let mut claims = verified(said["access_token"].as_str().unwrap(), &set);
        claims["jti"].take();
        let expected = json!({
            "iss": ISSUER, "sub": "demo-machine", "aud": AUDIENCE, "exp": BEGIN + 3600, "iat": BEGIN, "jti": null,
            "client_id": "demo-machine", "scope": "orders:read",
        });
        assert_eq!(claims, expected);
    }
}

#[test]
fn describes_itself() {
    let stage = stage();
    let mut idp = stage.idp;
    let answer = idp.send("GET /.well-known/openid-configuration", "", "");
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    // As a client reads it, logout included.
    serde_json::from_str::<ProviderMetadataWithLogout>(&answer.body).unwrap();
    let said = answer.json();
    let endpoints = [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("jwks_uri", "/jwks"),
        ("userinfo_endpoint", "/userinfo"),
        ("introspection_endpoint", "/introspect"),
        ("revocation_endpoint", "/revoke"),
        ("end_session_endpoint", "/logout"),
    ];
    for (name, path) in endpoints {
        assert_eq!(said[name], format!("{ISSUER}{path}"));
        let there = idp.send(&format!("OPTIONS {path}"), "", "");
        assert_eq!(there.status, 405, "{path} is there");
    }
    assert_eq!(said["issuer"], ISSUER);
    let grants = ["authorization_code", "refresh_token", "client_credentials", "password"];
    let lists = [
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query"])),
        ("grant_types_supported", json!(grants)),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("id_token_signing_alg_values_supported", json!(["ES256"])),
        ("subject_types_supported", json!(["public"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("backchannel_logout_supported", json!(true)),
        ("backchannel_logout_session_supported", json!(true)),
        ("request_uri_parameter_supported", json!(false)),
    ];
    for (name, expected) in lists {
        assert_eq!(said[name], expected, "{name}");
    }
    assert_eq!(idp.send("GET /.well-known/oauth-authorization-server", "", "").body, answer.body);
    let set = idp.send("GET /jwks", "", "").body;
    assert_eq!(serde_json::from_str::<CoreJsonWebKeySet>(&set).unwrap().keys().len(), 1, "{set}");
    assert!(!set.contains("\"d\""), "{set}");
    assert!(idp.stop());
}

#[test]
fn keeps_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let token = first.token_for(&alice()).unwrap();
    assert_eq!(verified(&token, &open(dir.path()).key_set)["sub"], "alice");
    assert_ne!(first.token_for(&alice()).unwrap(), token, "each has its own id");
    let mode = std::fs::metadata(dir.path().join("idp.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn reads_people_and_urls_as_they_are_typed() {
    let dave = Person { name: "dave".to_owned(), groups: vec!["writers".to_owned(), "staff".to_owned()] };
    assert_eq!("dave:writers,staff".parse(), Ok(dave));
    assert_eq!("eve".parse(), Ok(Person { name: "eve".to_owned(), groups: Vec::new() }));
    for wrong in ["", ":writers", "a b", "eve:<b>", "eve:a b"] {
        assert_eq!(wrong.parse::<Person>(), Err(NotAPerson), "{wrong}");
    }
    assert!(Uri::new("http://localhost:3000/cb?a=b").is_some());
    for wrong in ["", "/cb", "localhost:3000", "javascript:alert(1)", "https://a/#b", "data:text/html,x"] {
        assert!(Uri::new(wrong).is_none(), "{wrong}");
    }
}
