//! What is an operator told who asks wrongly? Always a problem document.

use portcullis_tests::site::Setup;
use serde_json::{Value, json};

use crate::api_keys::{make, operator};

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_new_key_is_told_where_it_is() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let long = "a".repeat(101);
    for (body, pointers) in [
        (json!({}), &[""][..]),
        (json!({ "name": "" }), &["/name"]),
        (json!({ "name": long, "owner": "a".repeat(201) }), &["/name", "/owner"]),
        (json!({ "name": "a\u{1b}[2J" }), &["/name"]),
        (json!({ "name": "k", "owner": "a\nb" }), &["/owner"]),
        (json!({ "name": "abc\u{202e}cba" }), &["/name"]),
        (json!({ "name": "k\u{200b}", "owner": "\u{2066}ops" }), &["/name", "/owner"]),
        (json!({ "name": 5 }), &["/name"]),
        (json!({ "name": "k", "roles": "private-word" }), &["/roles"]),
        (json!({ "name": "k", "roles": ["a", 7] }), &["/roles/1"]),
        (json!({ "name": "k", "roles": ["a b"], "scopes": [""] }), &["/roles", "/scopes"]),
        (json!({ "name": "k", "roles": vec!["r"; 33] }), &["/roles"]),
        (json!({ "name": "k", "scopes": vec!["s"; 65] }), &["/scopes"]),
        (json!({ "name": "k", "expires_in": "soon" }), &["/expires_in"]),
        (json!({ "name": "k", "expires_in": "0s" }), &["/expires_in"]),
        (json!({ "name": "k", "expires_in": "4000d" }), &["/expires_in"]),
        (json!({ "name": "k", "expires_in": 90 }), &["/expires_in"]),
        (json!({ "name": "k", "metadata": ["private-word"] }), &["/metadata"]),
        (json!({ "name": "k", "role": ["readers"] }), &["/role"]),
    ] {
        let answer = admin.post_json("/v1/keys", auth, &body).await;
        assert_eq!(answer.problem(), (422, "schema_violation".to_owned()), "{body}");
        let problem = answer.json();
        let mut told: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
        told.sort_by_key(|pointer| pointer.as_str());
        assert_eq!(told, pointers.iter().collect::<Vec<_>>(), "{body}: {problem:#}");
        assert!(!problem.to_string().contains("private-word"), "{problem:#}");
    }
    assert_eq!(site.gateway.store().keys.list(None, 10, None).await.unwrap().keys, []);
    let key = make(&site, &json!({ "name": "Schlüssel für می‌خواهم", "owner": "élodie" })).await;
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    let body = json!({ "name": "abc\u{2069}" }).to_string();
    let answer = admin.send("PATCH", &path, auth, body).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/name", "{answer:#?}");
    let entry = json!({ "issuer": "test", "jti": "t", "reason": "a\u{202d}b" });
    let answer = admin.post_json("/v1/revocations", auth, &entry).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/reason", "{answer:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_fault_has_its_code() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut ids = std::collections::BTreeSet::new();
    // Nobody's ids are believed.
    let auth = &[auth, &[("x-request-id", "somebody-elses")]].concat()[..];
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(300 * 1024));
    for (method, path, body, status, code) in [
        ("POST", "/v1/keys", "", 400, "invalid_json"),
        ("POST", "/v1/keys", "{\"name\":", 400, "invalid_json"),
        ("POST", "/v1/keys", "{\"name\":\"k\"} x", 400, "invalid_json"),
        ("POST", "/v1/keys", &*large, 413, "body_too_large"),
        ("GET", "/v1/keys?limit=many", "", 400, "invalid_parameter"),
        ("GET", "/v1/keys?page=2", "", 400, "invalid_parameter"),
        ("GET", "/v1/keys?cursor=x", "", 400, "invalid_parameter"),
        ("GET", "/v1/sessions?user=alice", "", 400, "invalid_parameter"),
        ("GET", "/v1/keys/nobody", "", 404, "key_not_found"),
        ("GET", "/v1/keys/%FF", "", 400, "malformed_request"),
        ("DELETE", "/v1/keys/nobody", "", 404, "key_not_found"),
        ("GET", "/v1/nothing", "", 404, "route_not_found"),
        ("GET", "/", "", 404, "route_not_found"),
        ("PUT", "/v1/keys", "", 405, "method_not_allowed"),
        ("POST", "/v1/status", "", 405, "method_not_allowed"),
        ("GET", "/v1/config/reload", "", 405, "method_not_allowed"),
        ("POST", "/readyz", "", 405, "method_not_allowed"),
    ] {
        let answer = admin.send(method, path, auth, body.to_owned()).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{method} {path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}");
        let problem = answer.json();
        let kind = format!("/_portcullis/refusals/{code}");
        assert_eq!((&problem["status"], &problem["type"]), (&json!(status), &json!(kind)), "{method} {path}");
        // By what the operator finds it in the log.
        let id = problem["instance"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{method} {path}: {problem:#}");
        assert_eq!((&problem["request_id"], answer.header("x-request-id")), (&json!(id), Some(id)), "{method} {path}");
        assert!(ids.insert(id.to_owned()), "{method} {path}: {id} was another's");
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{method} {path}: {answer:#?}");
        }
        if status == 413 {
            // The rest of the body was left unread.
            admin = site.admin().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_page_by_page_and_by_owner() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut made = Vec::new();
    for (name, owner) in [("a", "one"), ("b", "two"), ("c", "one")] {
        let key = make(&site, &json!({ "name": name, "owner": owner })).await;
        made.push(key["id"].clone());
    }
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect::<Vec<_>>();
    let first = admin.get("/v1/keys?limit=2", auth).await.json();
    assert_eq!(ids(&first), made[..2]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = admin.get(&format!("/v1/keys?limit=2&cursor={cursor}"), auth).await.json();
    assert_eq!((ids(&second), &second["next_cursor"]), (made[2..].to_vec(), &Value::Null));
    assert_eq!(ids(&admin.get("/v1/keys?owner=one", auth).await.json()), [made[0].clone(), made[2].clone()]);
    assert_eq!(ids(&admin.get("/v1/keys?limit=0", auth).await.json()), made[..1]);
}
