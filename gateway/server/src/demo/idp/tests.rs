use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::Clock;
use serde_json::{Value, json};

use super::{IdpError, LocalIdp, User, refuse_the_outside};
use crate::demo::testing::{Answer, Running};

const ISSUER: &str = "http://localhost:9444";
const AUDIENCE: &str = "https://127.0.0.1:8443";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const BEGIN: i64 = 1_800_000_000;

struct Still;

impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: Moment::from_seconds(BEGIN), ..Now::default() }
    }
}

fn open(dir: &Path) -> LocalIdp {
    LocalIdp::open(dir, ISSUER, AUDIENCE, Arc::new(Still)).unwrap()
}

fn idp() -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let idp = open(dir.path());
    let serve =
        |listener, stop: tokio::sync::oneshot::Receiver<()>| idp.serve(listener, async move { drop(stop.await) });
    let running = Running::start(|listener, stop| {
        let served = serve(listener, stop);
        async move { served.await.is_ok() }
    });
    (dir, running)
}

fn part(token: &str, n: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The claims of `token`, once its signature was checked with the keys in `set`.
fn verified(token: &str, set: &str) -> Value {
    let set: JwkSet = serde_json::from_str(set).unwrap();
    let key = set.find(part(token, 0)["kid"].as_str().unwrap()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = DecodingKey::from_jwk(key).unwrap();
    assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::ES256).unwrap());
    part(token, 1)
}

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
    let (_dir, idp) = idp();
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
    let refused = LocalIdp::open(dir.path(), "localhost", AUDIENCE, Arc::new(Still));
    assert!(matches!(refused, Err(IdpError::Issuer { .. })));
}

fn check_refused(idp: &Running, fields: &str, form: &str, expected: (u16, &str)) {
    let answer = idp.send("POST /token", fields, form);
    assert_eq!((answer.status, answer.json()["error"].as_str().unwrap()), expected, "{fields}{form}");
    assert_eq!(answer.head.contains("www-authenticate: basic"), expected.0 == 401, "{}", answer.head);
    assert_uncached(&answer);
}

fn assert_uncached(answer: &Answer) {
    assert!(answer.head.contains("cache-control: no-store") && answer.head.contains("pragma: no-cache"));
}

#[test]
fn answers_errors_as_rfc_6749_says() {
    let (_dir, idp) = idp();
    let invalid = (400, "invalid_request");
    check_refused(&idp, "", "grant_type=client_credentials", invalid);
    check_refused(&idp, "content-type: application/json\r\n", "{}", invalid);
    check_refused(&idp, FORM, "a=b", invalid);
    check_refused(&idp, FORM, "grant_type=password&username=alice", invalid);
    check_refused(&idp, FORM, "grant_type=password&grant_type=password&username=alice&password=demo", invalid);
    check_refused(&idp, FORM, "grant_type=authorization_code&code=x", (400, "unsupported_grant_type"));
    for wrong in ["username=mallory&password=demo", "username=alice&password=", "username=Alice&password=demo"] {
        check_refused(&idp, FORM, &format!("grant_type=password&{wrong}"), (400, "invalid_grant"));
    }
    for wrong in ["", "&client_id=demo-machine", "&client_id=demo-machine&client_secret=x", "&client_secret=demo"] {
        check_refused(&idp, FORM, &format!("grant_type=client_credentials{wrong}"), (401, "invalid_client"));
    }
    // demo-machine:x, and no Basic at all
    for shown in ["Basic ZGVtby1tYWNoaW5lOng=", "Basic !", "Bearer x"] {
        let fields = format!("{FORM}authorization: {shown}\r\n");
        check_refused(&idp, &fields, "grant_type=client_credentials", (401, "invalid_client"));
    }
    let fields = format!("{FORM}authorization: Basic ZGVtby1tYWNoaW5lOmRlbW8=\r\n");
    check_refused(&idp, &fields, "grant_type=client_credentials&client_secret=demo", invalid);
    assert_eq!(idp.send("GET /token", "", "").status, 405);
    assert_eq!(idp.send("POST /token", FORM, &"a".repeat(20_000)).status, 413);
}

#[test]
fn gives_users_their_token() {
    let (_dir, idp) = idp();
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
    let (_dir, idp) = idp();
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
    let (_dir, mut idp) = idp();
    let answer = idp.send("GET /.well-known/openid-configuration", "", "");
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let read: CoreProviderMetadata = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(read.issuer().as_str(), ISSUER);
    assert_eq!(answer.json()["jwks_uri"], format!("{ISSUER}/jwks"));
    assert_eq!(answer.json()["token_endpoint"], format!("{ISSUER}/token"));
    assert_eq!(answer.json()["grant_types_supported"], json!(["client_credentials", "password"]));
    assert_eq!(idp.send("GET /.well-known/oauth-authorization-server", "", "").body, answer.body);
    let set = idp.send("GET /jwks", "", "").body;
    assert_eq!(serde_json::from_str::<CoreJsonWebKeySet>(&set).unwrap().keys().len(), 1, "{set}");
    assert!(!set.contains("\"d\""), "{set}");
    assert_eq!(idp.send("GET /authorize", "", "").status, 501);
    assert!(idp.stop());
}

#[test]
fn keeps_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let token = first.token_for(User::Bob).unwrap();
    assert_eq!(verified(&token, &open(dir.path()).key_set)["sub"], "bob");
    assert_ne!(first.token_for(User::Bob).unwrap(), token, "each has its own id");
    let mode = std::fs::metadata(dir.path().join("idp.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
