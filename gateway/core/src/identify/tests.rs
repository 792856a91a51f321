use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, json};

use super::samples::{AUDIENCE, FakeKeySets, FakeKeys, ISSUER, NOW, Signer, now};
use super::{Asked, Authenticate, Bearer, Identify, Identity, Judges, KeyRecord, KeyText, Method, Minted};
use crate::moment::Moment;
use crate::refusal::{Code, Refusal};

struct Setting {
    judges: Arc<Judges>,
    key: Minted,
    keys: FakeKeys,
    key_sets: FakeKeySets,
}

impl Setting {
    fn new() -> Self {
        let source = serde_json::from_value(json!({ "issuer": ISSUER, "audiences": [AUDIENCE] })).unwrap();
        let bearer = Bearer::compile(&BTreeMap::from([("demo".to_owned(), source)])).unwrap();
        let key = KeyText::mint("test", &[1; 12], &[2; 27]).unwrap();
        let record = KeyRecord {
            id: key.id.clone(),
            name: "ci".into(),
            owner: "team".into(),
            roles: vec![],
            scopes: vec!["orders:read".into()],
            metadata: Map::new(),
            hash: key.hash,
            created_at: Moment::default(),
            expires_at: Some(Moment::from_seconds(NOW + 60)),
            revoked_at: None,
        };
        let keys = FakeKeys { records: [(key.id.clone(), Arc::new(record))].into(), ..FakeKeys::default() };
        Self { judges: Arc::new(Judges::new(bearer)), key, keys, key_sets: FakeKeySets::usual() }
    }

    fn stage(&self, demand: &Authenticate, scopes: &[&str]) -> Identify {
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        Identify::compile(demand, &scopes, &self.judges).unwrap()
    }

    fn ask(&self, stage: &Identify, fields: &[(&'static str, &str)]) -> Result<Arc<Identity>, Refusal> {
        let headers = headers(fields);
        stage.caller(&headers, Asked { keys: &self.keys, key_sets: &self.key_sets, now: now() }).now_or_never().unwrap()
    }

    /// What `fields` come to, in words: the principal's type, or the code.
    fn outcome(&self, demand: &Authenticate, fields: &[(&'static str, &str)]) -> String {
        match self.ask(&self.stage(demand, &[]), fields) {
            Ok(identity) => identity.principal.kind().to_owned(),
            Err(refusal) => refusal.code.name().to_owned(),
        }
    }
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        .collect()
}

fn any() -> Authenticate {
    Authenticate::AnyOf(vec![Method::Jwt, Method::ApiKey])
}

fn all() -> Authenticate {
    Authenticate::AllOf(vec![Method::Jwt, Method::ApiKey])
}

fn only(method: Method) -> Authenticate {
    Authenticate::AnyOf(vec![method])
}

const AUTHORIZATION: &str = "authorization";
const X_API_KEY: &str = "x-api-key";

#[test]
fn a_bad_credential_never_falls_through() {
    let setting = Setting::new();
    let token = format!("Bearer {}", Signer::usual().token(json!({})));
    let key = setting.key.text.expose();
    for demand in [any(), all(), Authenticate::Optional, Authenticate::AnyOf(vec![Method::ApiKey, Method::Jwt])] {
        let check = |fields: &[(&'static str, &str)], expected| {
            assert_eq!(setting.outcome(&demand, fields), expected, "{demand:?} {fields:?}");
        };
        check(&[(AUTHORIZATION, "Bearer a.b.c"), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, "Bearer"), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, "Bearer "), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, "bearer a b"), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, "Bearer:a"), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, "BEARER é"), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, "Bearer a, Bearer b"), (X_API_KEY, key)], "invalid_token");
        check(&[(AUTHORIZATION, &token), (X_API_KEY, "ptcl_x")], "invalid_api_key");
        check(&[(AUTHORIZATION, &token), (X_API_KEY, "")], "invalid_api_key");
        check(&[(AUTHORIZATION, &token), (X_API_KEY, "é")], "invalid_api_key");
    }
}

#[test]
fn refuses_credentials_that_contradict_each_other() {
    let setting = Setting::new();
    let key = setting.key.text.expose();
    let other = KeyText::mint("test", &[3; 12], &[4; 27]).unwrap();
    let in_authorization = format!("Bearer {key}");
    let check = |fields: &[(&'static str, &str)]| {
        for demand in [any(), Authenticate::Optional, only(Method::Jwt)] {
            assert_eq!(setting.outcome(&demand, fields), "credentials_conflict");
        }
    };
    check(&[(AUTHORIZATION, &in_authorization), (X_API_KEY, other.text.expose())]);
    check(&[(AUTHORIZATION, &in_authorization), (X_API_KEY, "é")]);
    check(&[(X_API_KEY, key), (X_API_KEY, key)]);
    check(&[(AUTHORIZATION, "Bearer a.b.c"), (AUTHORIZATION, "Bearer a.b.c")]);
    check(&[(AUTHORIZATION, "Basic a"), (AUTHORIZATION, &in_authorization)]);
    assert_eq!(setting.outcome(&any(), &[(AUTHORIZATION, &in_authorization), (X_API_KEY, key)]), "ApiKey");
}

#[test]
fn each_demand_has_its_outcomes() {
    let setting = Setting::new();
    let key = setting.key.text.expose();
    let token = format!("bEARER  {}", Signer::usual().token(json!({})));
    let bearer_key = format!("Bearer {key}");
    let check = |demand: Authenticate, fields: &[(&'static str, &str)], expected: &str| {
        assert_eq!(setting.outcome(&demand, fields), expected, "{demand:?} {fields:?}");
    };
    let required = "authentication_required";

    check(any(), &[], required);
    check(any(), &[(AUTHORIZATION, "Basic YTpi")], required);
    check(any(), &[(AUTHORIZATION, &token)], "User");
    check(any(), &[(AUTHORIZATION, &bearer_key)], "ApiKey");
    check(any(), &[(X_API_KEY, key)], "ApiKey");
    check(any(), &[(AUTHORIZATION, &token), (X_API_KEY, key)], "User");
    check(
        Authenticate::AnyOf(vec![Method::ApiKey, Method::Jwt]),
        &[(AUTHORIZATION, &token), (X_API_KEY, key)],
        "ApiKey",
    );

    // What the route does not list is not judged and counts for nothing, good or bad.
    check(only(Method::Jwt), &[(X_API_KEY, key)], required);
    check(only(Method::Jwt), &[(AUTHORIZATION, &bearer_key)], required);
    check(only(Method::ApiKey), &[(AUTHORIZATION, &token)], required);
    check(only(Method::ApiKey), &[(AUTHORIZATION, "Bearer a.b.c"), (X_API_KEY, key)], "ApiKey");

    check(all(), &[], required);
    check(all(), &[(AUTHORIZATION, &token)], required);
    check(all(), &[(X_API_KEY, key)], required);
    check(all(), &[(AUTHORIZATION, &token), (X_API_KEY, key)], "User");

    check(Authenticate::Optional, &[], "Anonymous");
    check(Authenticate::Optional, &[(AUTHORIZATION, "Basic YTpi")], "Anonymous");
    check(Authenticate::Optional, &[(AUTHORIZATION, &token)], "User");
    check(Authenticate::Public, &[(AUTHORIZATION, "Bearer a.b.c"), (X_API_KEY, "x")], "Anonymous");
}

#[test]
fn challenges_without_an_error_where_nothing_was_shown() {
    let setting = Setting::new();
    let refusal = setting.ask(&setting.stage(&any(), &["a", "b"]), &[]).unwrap_err();
    let challenge = refusal.extra.unwrap().challenge.unwrap();
    assert_eq!((challenge.error, challenge.scope.as_deref()), (None, Some("a b")));
}

#[test]
fn demands_the_scopes_of_the_route() {
    let setting = Setting::new();
    let key = setting.key.text.expose();
    let stage = setting.stage(&any(), &["orders:read"]);
    assert!(setting.ask(&stage, &[(X_API_KEY, key)]).is_ok());

    let stage = setting.stage(&any(), &["orders:read", "orders:write"]);
    let refusal = setting.ask(&stage, &[(X_API_KEY, key)]).unwrap_err();
    assert_eq!((refusal.code, refusal.reason.as_ref()), (Code::Forbidden, "the scope `orders:write` is missing"));
    let challenge = refusal.extra.unwrap().challenge.unwrap();
    assert_eq!(
        (challenge.error, challenge.scope.as_deref()),
        (Some("insufficient_scope"), Some("orders:read orders:write"))
    );

    let stage = setting.stage(&Authenticate::Optional, &["orders:read"]);
    assert_eq!(setting.ask(&stage, &[]).unwrap_err().code, Code::AuthenticationRequired);
}

#[test]
fn an_identity_of_two_credentials_ends_with_the_first_of_them() {
    let setting = Setting::new();
    let token = format!("Bearer {}", Signer::usual().token(json!({})));
    let identity = setting
        .ask(&setting.stage(&all(), &[]), &[(AUTHORIZATION, &token), (X_API_KEY, setting.key.text.expose())])
        .unwrap();
    assert_eq!(identity.expires_at, Some(Moment::from_seconds(NOW + 60)));
}

#[test]
fn names_the_fields_the_application_must_not_see() {
    let setting = Setting::new();
    let key = setting.key.text.expose();
    let bearer_key = format!("Bearer {key}");
    let check = |demand: Authenticate, fields: &[(&'static str, &str)], expected: &[&str]| {
        let headers = headers(fields);
        let stage = setting.stage(&demand, &[]);
        assert_eq!(stage.consumed_headers(&headers), expected, "{demand:?} {fields:?}");
    };
    check(any(), &[(AUTHORIZATION, "Bearer a.b.c")], &[AUTHORIZATION]);
    check(any(), &[(AUTHORIZATION, "Bearer a.b.c"), (X_API_KEY, key)], &[AUTHORIZATION, X_API_KEY]);
    check(any(), &[(AUTHORIZATION, &bearer_key)], &[AUTHORIZATION]);
    check(any(), &[(AUTHORIZATION, &bearer_key), (X_API_KEY, key)], &[AUTHORIZATION, X_API_KEY]);
    check(Authenticate::Optional, &[(X_API_KEY, key)], &[X_API_KEY]);
    check(only(Method::ApiKey), &[(AUTHORIZATION, "Bearer a.b.c")], &[]);
    check(any(), &[(AUTHORIZATION, "Basic YTpi")], &[]);
    check(Authenticate::Public, &[(AUTHORIZATION, "Bearer a.b.c")], &[]);
}

#[test]
fn refuses_demands_this_build_cannot_meet() {
    let setting = Setting::new();
    let check = |demand: Authenticate, scopes: &[&str], judges: &Arc<Judges>, why: &str| {
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        assert_eq!(Identify::compile(&demand, &scopes, judges).unwrap_err(), why);
    };
    check(
        only(Method::Session),
        &[],
        &setting.judges,
        "`session` needs [providers.*], which this build does not offer; use `jwt` or `api_key`",
    );
    check(
        only(Method::Mtls),
        &[],
        &setting.judges,
        "`mtls` needs client certificates, which this build does not offer; use `jwt` or `api_key`",
    );
    let no_issuer = Arc::new(Judges::new(Bearer::compile(&BTreeMap::new()).unwrap()));
    check(any(), &[], &no_issuer, "`jwt` needs an issuer to trust: add [tokens.<alias>] with `issuer` and `audiences`");
    check(
        Authenticate::Public,
        &["a"],
        &setting.judges,
        "`scopes` need a caller, and this route is `public`; drop one of the two",
    );
    check(
        any(),
        &["a b"],
        &setting.judges,
        "`a b` is not a scope: use visible ASCII without spaces, `\"` and `\\` (RFC 6749 §3.3)",
    );
}
