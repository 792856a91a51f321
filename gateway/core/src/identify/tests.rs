use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, json};

use super::samples::{AUDIENCE, FakeKeySets, FakeKeys, FakeWorld, ISSUER, NOW, Signer, now, request};
use super::{
    Authenticate, Bearer, Certificates, Demands, Identify, Identity, Judges, KeyRecord, KeyTerms, KeyText,
    LoginDemands, Method, Minted, StepUp,
};
use crate::moment::Moment;
use crate::refusal::{Code, Refusal};
use crate::request::{ClientCertificate, Request};

struct Setting {
    judges: Arc<Judges>,
    key: Minted,
    keys: FakeKeys,
    key_sets: FakeKeySets,
    world: FakeWorld,
}

/// What a route demands that says nothing of tokens.
fn demands<'a>(authenticate: &'a Authenticate, scopes: &'a [String]) -> Demands<'a> {
    Demands {
        authenticate,
        scopes,
        issuers: &[],
        audiences: &[],
        step_up: StepUp::default(),
        login: LoginDemands::default(),
    }
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
            terms: KeyTerms::default(),
        };
        let keys = FakeKeys { records: [(key.id.clone(), Arc::new(record))].into(), ..FakeKeys::default() };
        Self {
            judges: Arc::new(Judges::new(bearer, Certificates::Asked)),
            key,
            keys,
            key_sets: FakeKeySets::usual(),
            world: FakeWorld::default(),
        }
    }

    fn stage(&self, demand: &Authenticate, scopes: &[&str]) -> Identify {
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        Identify::compile(&demands(demand, &scopes), &self.judges).unwrap()
    }

    fn ask(&self, stage: &Identify, fields: &[(&'static str, &str)]) -> Result<Arc<Identity>, Refusal> {
        let headers = headers(fields);
        let sources = self.world.sources(&self.keys, &self.key_sets);
        stage.identify(&request(&headers), sources, now()).now_or_never().unwrap()
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
    let challenge = refusal.extra.unwrap().challenge.clone().unwrap();
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
    let challenge = refusal.extra.unwrap().challenge.clone().unwrap();
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
        let (_, told) = Identify::compile(&demands(&demand, &scopes), judges).unwrap_err();
        assert_eq!(told, why);
    };
    check(
        only(Method::Session),
        &[],
        &setting.judges,
        "`session` needs somewhere to log in: add [providers.<alias>] with `issuer`, `client_id` and `client_secret`",
    );
    let no_certificates = Arc::new(Judges::new(Bearer::compile(&BTreeMap::new()).unwrap(), Certificates::NeverAsked));
    check(
        only(Method::Mtls),
        &[],
        &no_certificates,
        "`mtls` needs `client_certificates` in one of [[tls.certificates]], or no client is asked for one",
    );
    check(
        any(),
        &[],
        &no_certificates,
        "`jwt` needs an issuer to trust: add [tokens.<alias>] with `issuer` and `audiences`",
    );
    check(
        Authenticate::Public,
        &["a"],
        &setting.judges,
        "`scopes` needs a caller, and this route is `public`; drop one of the two",
    );
    check(
        any(),
        &["a b"],
        &setting.judges,
        "`a b` is not a scope: use visible ASCII without spaces, `\"` and `\\` (RFC 6749 §3.3)",
    );
}

#[test]
fn demands_on_tokens_need_a_route_that_takes_some() {
    let setting = Setting::new();
    let (jwt, key) = (only(Method::Jwt), only(Method::ApiKey));
    let (known, unknown) = (["demo".to_owned()], ["dmo".to_owned()]);
    let with = |authenticate, issuers, audiences| Demands { issuers, audiences, ..demands(authenticate, &[]) };
    for (asked, at) in [
        (with(&key, &known, &[]), "issuers"),
        (with(&key, &[], &known), "audiences"),
        (with(&jwt, &unknown, &[]), "issuers"),
        (
            Demands { step_up: StepUp { acr: known.to_vec(), max_age: None }, ..demands(&Authenticate::Public, &[]) },
            "acr",
        ),
    ] {
        assert_eq!(Identify::compile(&asked, &setting.judges).unwrap_err().0, at, "{asked:?}");
    }
    assert!(Identify::compile(&with(&jwt, &known, &unknown), &setting.judges).is_ok());
}

#[test]
fn a_route_takes_tokens_of_its_own_issuers_for_its_own_audiences() {
    let setting = Setting::new();
    let bearer = format!("Bearer {}", Signer::usual().token(json!({ "aud": ["https://api.example", AUDIENCE] })));
    let other = format!("Bearer {}", Signer::usual().token(json!({})));
    let jwt = only(Method::Jwt);
    let audiences = ["https://api.example".to_owned()];
    let narrow = Identify::compile(&Demands { audiences: &audiences, ..demands(&jwt, &[]) }, &setting.judges).unwrap();
    assert!(setting.ask(&narrow, &[(AUTHORIZATION, &bearer)]).is_ok());
    // Remembered by another route, and still judged by this one.
    assert!(setting.ask(&setting.stage(&jwt, &[]), &[(AUTHORIZATION, &other)]).is_ok());
    let refused = setting.ask(&narrow, &[(AUTHORIZATION, &other)]).unwrap_err();
    assert_eq!(refused.reason, "the token's `aud` names none of the route's `audiences`");
}

#[test]
fn a_caller_that_falls_short_is_told_what_would_do() {
    let setting = Setting::new();
    let jwt = only(Method::Jwt);
    let step_up =
        StepUp { acr: vec!["urn:mfa".into(), "urn:hw".into()], max_age: Some(std::time::Duration::from_mins(5)) };
    let stage = Identify::compile(&Demands { step_up, ..demands(&jwt, &[]) }, &setting.judges).unwrap();
    let outcome = |claims| {
        let token = format!("Bearer {}", Signer::usual().token(claims));
        setting.ask(&stage, &[(AUTHORIZATION, &token)]).map(|_| ()).map_err(|refusal| {
            let challenge = refusal.extra.unwrap().challenge.clone().unwrap();
            (refusal.code.name(), challenge.error, challenge.acr_values, challenge.max_age.map(|age| age.as_secs()))
        })
    };
    let short = Err((
        "insufficient_user_authentication",
        Some("insufficient_user_authentication"),
        Some("urn:mfa urn:hw".to_owned()),
        Some(300),
    ));
    assert_eq!(outcome(json!({ "acr": "urn:hw", "auth_time": NOW - 300 })), Ok(()));
    for claims in [
        json!({ "auth_time": NOW }),
        json!({ "acr": "urn:pwd", "auth_time": NOW }),
        json!({ "acr": "urn:hw" }),
        json!({ "acr": "urn:hw", "auth_time": NOW - 301 }),
    ] {
        assert_eq!(outcome(claims.clone()), short, "{claims}");
    }
    let any = Authenticate::AnyOf(vec![Method::ApiKey]);
    let step_up = StepUp { acr: Vec::new(), max_age: Some(std::time::Duration::from_mins(5)) };
    let keys = Identify::compile(&Demands { step_up, ..demands(&any, &[]) }, &setting.judges).unwrap();
    let refused = setting.ask(&keys, &[(X_API_KEY, setting.key.text.expose())]).unwrap_err();
    assert_eq!(refused.code, Code::InsufficientUserAuthentication, "a key was never authenticated at any time");
}

#[test]
fn a_certificate_names_its_holder_while_it_holds() {
    let setting = Setting::new();
    let certificate = |name: Option<&str>, ends: i64| ClientCertificate {
        name: name.map(Arc::from),
        subject: "CN=worker".into(),
        issuer: "CN=authority".into(),
        serial: "0a".into(),
        sans: vec!["uri:spiffe://a/worker".into()],
        spki: [1; 32],
        thumbprint: [2; 32],
        not_after: Moment::from_seconds(ends),
    };
    let ask = |demand: &Authenticate, shown: Option<&ClientCertificate>| {
        let headers = HeaderMap::new();
        let request = Request { certificate: shown, ..request(&headers) };
        let sources = setting.world.sources(&setting.keys, &setting.key_sets);
        setting.stage(demand, &[]).identify(&request, sources, now()).now_or_never().unwrap()
    };
    let (mtls, good) = (only(Method::Mtls), certificate(Some("spiffe://a/worker"), NOW + 1));
    let identity = ask(&mtls, Some(&good)).unwrap();
    assert_eq!(identity.principal.to_string(), r#"Certificate::"spiffe://a/worker""#);
    assert_eq!((identity.method.name(), identity.expires_at), ("mtls", Some(good.not_after)));
    assert_eq!(identity.attributes["subject"], "CN=worker");
    assert_eq!(identity.attributes["sans"], json!(["uri:spiffe://a/worker"]));
    assert_eq!(identity.attributes["spki"], json!("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"));

    let code = |demand: &Authenticate, shown: Option<&ClientCertificate>| ask(demand, shown).unwrap_err().code;
    assert_eq!(code(&mtls, None), Code::AuthenticationRequired);
    assert_eq!(code(&mtls, Some(&certificate(None, NOW + 1))), Code::InvalidCertificate);
    assert_eq!(code(&mtls, Some(&certificate(Some("a"), NOW))), Code::InvalidCertificate);
    assert_eq!(code(&only(Method::Jwt), Some(&good)), Code::AuthenticationRequired, "not one of the route's ways");
    assert_eq!(code(&Authenticate::AllOf(vec![Method::Mtls, Method::Jwt]), Some(&good)), Code::AuthenticationRequired);
    assert!(ask(&Authenticate::Optional, Some(&good)).is_ok());
}
