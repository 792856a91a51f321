use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb};
use serde_json::json;

use super::super::samples::{AUDIENCE, FakeKeySets, FakeKeys, FakeWorld, ISSUER, NOW, Signer, now, request};
use super::super::{
    Authenticate, Bearer, Caller, Certificates, Demands, Identify, Judges, LoginDemands, Method, Providers, StepUp,
};
use super::{Session, SessionHash, SessionId, Shown, shown};
use crate::moment::Moment;
use crate::refusal::{Code, LoginOffer, LoginStyle, Refusal};
use crate::request::Request;

const COOKIE: &str = "__Host-portcullis";
const ORIGIN: &str = "https://app.example";

struct Setting {
    judges: Arc<Judges>,
    world: FakeWorld,
}

impl Setting {
    fn new() -> Self {
        let config = |issuer: &str| {
            serde_json::from_value(json!({ "issuer": issuer, "client_id": "c", "client_secret": "s" })).unwrap()
        };
        let providers = BTreeMap::from([
            ("demo".to_owned(), config(ISSUER)),
            ("other".to_owned(), config("https://other.example")),
        ]);
        let source = serde_json::from_value(json!({ "issuer": ISSUER, "audiences": [AUDIENCE] })).unwrap();
        let bearer = Bearer::compile(&BTreeMap::from([("demo".to_owned(), source)])).unwrap();
        let judges = Judges::new(bearer, Certificates::NeverAsked);
        let judges = judges.with_logins(Providers::compile(&providers).unwrap(), COOKIE, ORIGIN);
        let world = FakeWorld::default();
        world.sessions.lock().unwrap().insert(alice().hash(), Arc::new(session()));
        Self { judges: Arc::new(judges), world }
    }

    fn demands<'a>(authenticate: &'a Authenticate, providers: &[&str]) -> Demands<'a> {
        let providers = providers.iter().map(|alias| (*alias).to_owned()).collect();
        let login = LoginDemands { providers, style: LoginStyle::Auto };
        Demands { authenticate, scopes: &[], issuers: &[], audiences: &[], step_up: StepUp::default(), login }
    }

    fn ask_by(&self, stage: &Identify, verb: &Verb, fields: &[(&'static str, &str)]) -> Result<Caller, Refusal> {
        let headers = headers(fields);
        let (keys, key_sets) = (FakeKeys::default(), FakeKeySets::usual());
        let request = Request { method: verb, ..request(&headers) };
        stage.caller(&request, self.world.sources(&keys, &key_sets), now()).now_or_never().unwrap()
    }

    fn ask(&self, authenticate: &Authenticate, fields: &[(&'static str, &str)]) -> Result<Caller, Refusal> {
        let stage = Identify::compile(&Self::demands(authenticate, &[]), &self.judges).unwrap();
        self.ask_by(&stage, &Verb::GET, fields)
    }
}

fn alice() -> SessionId {
    SessionId::new([7; 32])
}

fn session() -> Session {
    Session {
        provider: "demo".into(),
        issuer: ISSUER.into(),
        subject: "alice".into(),
        groups: vec!["writers".into()],
        claims: json!({ "role": "writer" }).as_object().unwrap().clone(),
        scopes: vec!["openid".into()],
        email: Some("alice@example.test".into()),
        authenticated_at: Some(Moment::from_seconds(NOW - 5)),
        sid: None,
        nonce: None,
        created_at: Moment::from_seconds(NOW - 5),
        ends_at: Moment::from_seconds(NOW + 60),
        fresh_until: None,
        read_at: Moment::from_seconds(NOW - 5),
        tokens: String::new(),
        address: String::new(),
        agent: String::new(),
    }
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn cookie(id: &SessionId) -> String {
    format!("theme=dark; {COOKIE}={}; a=b", id.text())
}

fn session_only() -> Authenticate {
    Authenticate::AnyOf(vec![Method::Session])
}

#[test]
fn two_ids_in_one_request_are_nobodys() {
    let (one, other) = (alice().text(), SessionId::new([8; 32]).text());
    for (lines, expected) in [
        (vec![format!("{COOKIE}={one}")], Shown::Id(alice())),
        (vec![format!("{COOKIE}={one}; {COOKIE}={one}")], Shown::Id(alice())),
        (vec![format!("{COOKIE}={one}; {COOKIE}={other}")], Shown::Garbled),
        (vec![format!("{COOKIE}={one}"), format!("{COOKIE}={other}")], Shown::Garbled),
        (vec![format!("{COOKIE}=")], Shown::Garbled),
        (vec![format!("{COOKIE}={one}x")], Shown::Garbled),
        (vec![format!("{COOKIE}=\"{one}\"")], Shown::Garbled),
        (vec![format!("{COOKIE}2={one}")], Shown::Absent),
        (vec![format!("x{COOKIE}={one}")], Shown::Absent),
        (vec![], Shown::Absent),
    ] {
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append("cookie", line.parse().unwrap());
        }
        assert_eq!(shown(&headers, COOKIE), expected, "{lines:?}");
    }
}

#[test]
fn an_id_is_shown_to_nobody_and_its_hash_is_another_text() {
    let id = alice();
    assert_eq!(format!("{id:?}"), "SessionId(secret)");
    assert_ne!(id.text(), id.hash().text());
    assert_eq!(SessionHash::parse(&id.hash().text()), Some(id.hash()));
}

#[test]
fn a_live_session_says_who_somebody_is() {
    let setting = Setting::new();
    let caller = setting.ask(&session_only(), &[("cookie", &cookie(&alice()))]).unwrap();
    let identity = caller.identity;
    assert_eq!(identity.principal.to_string(), r#"User::"demo|alice""#);
    assert_eq!((identity.method.name(), &*identity.groups), ("session", &["demo|writers".into()][..]));
    assert_eq!(identity.expires_at, Some(Moment::from_seconds(NOW + 60)));
    assert_eq!((identity.attributes["role"].as_str(), caller.ended_session), (Some("writer"), false));
    assert_eq!(identity.session.as_ref().unwrap().hash, alice().hash());
}

#[test]
fn a_session_that_is_over_counts_as_none_and_its_cookie_is_taken_away() {
    let setting = Setting::new();
    let dead = cookie(&SessionId::new([9; 32]));
    let refusal = setting.ask(&session_only(), &[("cookie", &dead)]).unwrap_err();
    let extra = refusal.extra.as_ref().unwrap();
    assert_eq!((refusal.code, extra.ended_session), (Code::AuthenticationRequired, true));
    assert_eq!(extra.login, Some(LoginOffer::default()));

    let caller = setting.ask(&Authenticate::Optional, &[("cookie", &dead)]).unwrap();
    assert_eq!((caller.identity.principal.kind(), caller.ended_session), ("Anonymous", true));
    let caller = setting.ask(&Authenticate::Optional, &[]).unwrap();
    assert_eq!((caller.identity.principal.kind(), caller.ended_session), ("Anonymous", false));
    let token = format!("Bearer {}", Signer::usual().token(json!({})));
    let caller = setting.ask(&Authenticate::Optional, &[("cookie", &dead), ("authorization", &token)]).unwrap();
    assert_eq!((caller.identity.principal.kind(), caller.ended_session), ("User", true));
    let bad = [("cookie", &*cookie(&alice())), ("authorization", "Bearer x")];
    assert_eq!(setting.ask(&Authenticate::Optional, &bad).unwrap_err().code, Code::InvalidToken, "no way around it");

    for change in [
        |session: &mut Session| session.ends_at = Moment::from_seconds(NOW),
        |session: &mut Session| session.provider = "gone".into(),
        |session: &mut Session| session.issuer = "https://before.example".into(),
    ] {
        let mut changed = session();
        change(&mut changed);
        setting.world.sessions.lock().unwrap().insert(alice().hash(), Arc::new(changed));
        let refusal = setting.ask(&session_only(), &[("cookie", &cookie(&alice()))]).unwrap_err();
        assert!(refusal.extra.as_ref().unwrap().ended_session, "{refusal:?}");
    }
}

#[test]
fn changed_groups_count_at_the_next_request() {
    let setting = Setting::new();
    let ask = || setting.ask(&session_only(), &[("cookie", &cookie(&alice()))]).unwrap().identity;
    assert!(Arc::ptr_eq(&ask(), &ask()), "made once");
    let changed = Session { groups: vec!["readers".into()], ..session() };
    setting.world.sessions.lock().unwrap().insert(alice().hash(), Arc::new(changed));
    assert_eq!(&*ask().groups, &["demo|readers".into()]);
}

#[test]
fn a_store_that_is_away_is_503() {
    let setting = Setting::new();
    setting.world.sessions_down.store(true, Ordering::Relaxed);
    let refusal = setting.ask(&session_only(), &[("cookie", &cookie(&alice()))]).unwrap_err();
    assert_eq!(refusal.code, Code::DependencyUnavailable);
    assert_eq!(setting.ask(&session_only(), &[]).unwrap_err().code, Code::AuthenticationRequired);
}

#[test]
fn a_route_takes_sessions_of_its_own_providers() {
    let setting = Setting::new();
    let session_only = session_only();
    let demands = Setting::demands(&session_only, &["other"]);
    let stage = Identify::compile(&demands, &setting.judges).unwrap();
    let refusal = setting.ask_by(&stage, &Verb::GET, &[("cookie", &cookie(&alice()))]).unwrap_err();
    let extra = refusal.extra.unwrap();
    assert_eq!((refusal.code, extra.ended_session), (Code::AuthenticationRequired, false), "it lives on elsewhere");
    assert_eq!(extra.login.clone().unwrap().providers, ["other".into()]);

    let jwt = Authenticate::AnyOf(vec![Method::Jwt]);
    for (demands, key) in [
        (Setting::demands(&session_only, &["nobody"]), "providers"),
        (Setting::demands(&jwt, &["demo"]), "providers"),
        (
            Demands {
                login: LoginDemands { providers: vec![], style: LoginStyle::Api },
                ..Setting::demands(&jwt, &[])
            },
            "login",
        ),
    ] {
        assert_eq!(Identify::compile(&demands, &setting.judges).unwrap_err().0, key);
    }
}

#[test]
fn a_weaker_login_is_offered_a_stronger_one() {
    let setting = Setting::new();
    let authenticate = session_only();
    let step_up = StepUp { acr: vec!["mfa".into(), "hw".into()], max_age: None };
    let demands = Demands { step_up, ..Setting::demands(&authenticate, &[]) };
    let stage = Identify::compile(&demands, &setting.judges).unwrap();
    let refusal = setting.ask_by(&stage, &Verb::GET, &[("cookie", &cookie(&alice()))]).unwrap_err();
    assert_eq!(refusal.code, Code::InsufficientUserAuthentication);
    assert_eq!(refusal.extra.unwrap().login.clone().unwrap().acr_values.as_deref(), Some("mfa hw"));
}

#[test]
fn another_site_cannot_ride_on_the_cookie() {
    let setting = Setting::new();
    let authenticate = Authenticate::AnyOf(vec![Method::Session, Method::Jwt]);
    let stage = Identify::compile(&Setting::demands(&authenticate, &[]), &setting.judges).unwrap();
    let cookie = cookie(&alice());
    let check = |verb: Verb, more: &[(&'static str, &str)], good: bool| {
        let fields = [&[("cookie", &*cookie)], more].concat();
        let found = setting.ask_by(&stage, &verb, &fields).map(|_| ()).map_err(|refusal| refusal.code);
        assert_eq!(found, if good { Ok(()) } else { Err(Code::CrossSiteRequest) }, "{verb} {more:?}");
    };
    for verb in [Verb::GET, Verb::HEAD, Verb::OPTIONS] {
        check(verb, &[("sec-fetch-site", "cross-site")], true);
    }
    for verb in [Verb::POST, Verb::PUT, Verb::PATCH, Verb::DELETE] {
        for (more, good) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("origin", ORIGIN)], true),
            (&[("sec-fetch-site", "same-site"), ("origin", ORIGIN)], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "https://app.example.evil.example")], false),
            (&[("origin", "http://app.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", ORIGIN), ("origin", ORIGIN)], false),
            (&[], false),
        ] {
            check(verb.clone(), more, good);
        }
    }
    let upgrade = ("upgrade", "websocket");
    check(Verb::GET, &[upgrade, ("origin", "https://evil.example")], false);
    check(Verb::GET, &[upgrade], false);
    check(Verb::GET, &[upgrade, ("origin", ORIGIN)], true);
    let token = format!("Bearer {}", Signer::usual().token(json!({})));
    let fields = [("authorization", &*token), ("sec-fetch-site", "cross-site")];
    assert!(setting.ask_by(&stage, &Verb::POST, &fields).is_ok(), "a token is not sent by itself");
}
