use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::json;

use super::{Charge, Desks, Leases, Limit, LimitConfig, LimitFault, MemoryCounters, Quota, Verdict};
use crate::answer::{Answer, StoreDown};
use crate::identify::{Identity, Principal};
use crate::limit::Counters;
use crate::mode::Mode;
use crate::moment::Now;
use crate::refusal::{Code, LimitState, Refusal};
use crate::request::{CanonicalPath, DeclaredBody, Request, Scheme};

/// Notes what is charged; answers as memory would, or not at all.
struct Notes {
    inner: MemoryCounters,
    down: bool,
    charged: Mutex<Vec<Charge>>,
}

impl Notes {
    fn new(down: bool) -> Self {
        Self { inner: MemoryCounters::new(100), down, charged: Mutex::default() }
    }

    fn keys(&self) -> Vec<String> {
        self.charged.lock().unwrap().iter().map(|charge| charge.key.to_string()).collect()
    }

    fn quotas(&self) -> Vec<(u64, u64)> {
        self.charged.lock().unwrap().iter().map(|charge| (charge.quota.requests, charge.quota.burst)).collect()
    }
}

impl Counters for Notes {
    fn charge<'a>(&'a self, charges: &'a [Charge], now: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
        if self.down {
            return Answer::Ready(Err(StoreDown { what: "counters: away" }));
        }
        self.charged.lock().unwrap().extend_from_slice(charges);
        self.inner.charge(charges, now)
    }
}

struct Asked {
    client: &'static str,
    headers: Vec<(&'static str, String)>,
    identity: Identity,
}

fn alice() -> Asked {
    let principal = Principal::User(Arc::from("demo|alice"));
    let identity = Identity { principal, ..Identity::anonymous() };
    Asked { client: "192.0.2.1", headers: Vec::new(), identity }
}

fn compile(text: &str) -> Limit {
    Limit::compile("getOrder", &configs(text), Mode::Enforce).unwrap()
}

fn configs(text: &str) -> Vec<LimitConfig> {
    #[derive(serde::Deserialize)]
    struct Route {
        limits: Vec<LimitConfig>,
    }
    toml::from_str::<Route>(&format!("limits = [{text}]")).unwrap().limits
}

fn charge(
    limit: &Limit,
    asked: &Asked,
    local: &dyn Counters,
    shared: &dyn Counters,
    replicas: u32,
) -> Result<Vec<LimitState>, Refusal> {
    let client: IpAddr = asked.client.parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in &asked.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let request = Request {
        method: &Method::GET,
        scheme: Scheme::Https,
        host: Cow::Borrowed("app.example.com"),
        path: CanonicalPath::parse("/").unwrap(),
        query: None,
        headers: &headers,
        version: Version::HTTP_11,
        client,
        peer: client,
        certificate: None,
        body: DeclaredBody::Absent,
    };
    let desks = Desks { local, shared, leases: &Leases::new(100), replicas };
    limit
        .charge(&request, &asked.identity, desks, Now::default())
        .now_or_never()
        .expect("these counters answer at once")
}

fn state(name: &str, quota: u64, window: u64, remaining: u64, reset: u64) -> LimitState {
    let [window, reset] = [window, reset].map(Duration::from_secs);
    LimitState { name: name.into(), quota, window, remaining, reset }
}

#[test]
fn refuses_what_is_used_up_and_tells_only_that() {
    let limit = compile("{ by = 'principal', rate = '60/min', burst = 1 }, { by = 'route', rate = '10/h' }");
    let (local, shared) = (Notes::new(false), Notes::new(false));
    let passed = vec![state("principal", 60, 60, 0, 1), state("route", 10, 3600, 9, 360)];
    assert_eq!(charge(&limit, &alice(), &local, &shared, 1), Ok(passed));
    let refused = Refusal::new(Code::RateLimited)
        .because("used up: `principal`")
        .retry_after(Duration::from_secs(1))
        .limits(vec![state("principal", 60, 60, 0, 1)]);
    assert_eq!(charge(&limit, &alice(), &local, &shared, 1), Err(refused));
    let bob = Asked {
        identity: Identity { principal: Principal::User("demo|bob".into()), ..Identity::anonymous() },
        ..alice()
    };
    let passed = vec![state("principal", 60, 60, 0, 1), state("route", 10, 3600, 8, 720)];
    assert_eq!(charge(&limit, &bob, &local, &shared, 1), Ok(passed));
    assert_eq!(local.keys(), [""; 0]);
}

#[test]
fn does_what_each_limit_declares_when_the_store_is_down() {
    let check = |limits: &str, replicas, expected: Result<Vec<LimitState>, Code>, quotas: &[(u64, u64)]| {
        let local = Notes::new(false);
        let outcome = charge(&compile(limits), &alice(), &local, &Notes::new(true), replicas);
        assert_eq!(outcome.map_err(|refusal| refusal.code), expected, "{limits}");
        assert_eq!(local.quotas(), quotas, "{limits}");
    };
    let down = Err(Code::DependencyUnavailable);
    check("{ by = 'route', rate = '6/min', on_store_failure = 'deny' }", 1, down.clone(), &[]);
    check("{ by = 'route', rate = '6/min' }, { by = 'key', rate = '6/min', on_store_failure = 'deny' }", 1, down, &[]);
    check("{ by = 'route', rate = '6/min', on_store_failure = 'allow' }", 1, Ok(vec![]), &[]);
    check("{ by = 'route', rate = '6/min' }", 2, Ok(vec![state("route", 3, 60, 2, 20)]), &[(3, 3)]);
    check("{ by = 'route', rate = '6/min', burst = 1 }", 4, Ok(vec![state("route", 1, 60, 0, 60)]), &[(1, 1)]);
    check("{ by = 'route', rate = '6/min' }", 0, Ok(vec![state("route", 6, 60, 5, 10)]), &[(6, 6)]);
    check(
        "{ by = 'route', rate = '6/min', store = 'memory', on_store_failure = 'deny' }",
        2,
        Ok(vec![state("route", 6, 60, 5, 10)]),
        &[(6, 6)],
    );
}

#[test]
fn says_which_limit_could_not_be_counted_and_when_to_return() {
    let limit = compile("{ by = 'route', rate = '6/min', name = 'all', on_store_failure = 'deny' }");
    let refusal = Refusal::new(Code::DependencyUnavailable)
        .because("limit `all` cannot be counted: counters: away")
        .retry_after(Duration::from_secs(1));
    assert_eq!(charge(&limit, &alice(), &Notes::new(false), &Notes::new(true), 1), Err(refusal));
}

#[test]
fn refuses_in_local_mode_what_is_over_the_share() {
    let (limit, local) = (compile("{ by = 'principal', rate = '4/min' }"), Notes::new(false));
    let ask = || charge(&limit, &alice(), &local, &Notes::new(true), 2).map_err(|refusal| refusal.code);
    assert!(ask().is_ok() && ask().is_ok());
    assert_eq!(ask(), Err(Code::RateLimited));
}

#[test]
fn asks_memory_first_and_the_shared_store_only_if_memory_lets_it_pass() {
    let limit = compile("{ by = 'route', rate = '5/min' }, { by = 'address', rate = '1/min', store = 'memory' }");
    let (local, shared) = (Notes::new(false), Notes::new(false));
    assert!(charge(&limit, &alice(), &local, &shared, 1).is_ok());
    assert!(charge(&limit, &alice(), &local, &shared, 1).is_err());
    assert_eq!((local.keys().len(), shared.keys().len()), (2, 1));
}

#[test]
fn charges_all_in_one_stroke_where_one_store_is_both() {
    let limit = compile("{ by = 'route', rate = '1/min' }, { by = 'address', rate = '5/min', store = 'memory' }");
    let both = Notes::new(false);
    assert!(charge(&limit, &alice(), &both, &both, 1).is_ok());
    assert!(charge(&limit, &alice(), &both, &both, 1).is_err());
    let alone = compile("{ by = 'address', rate = '5/min', store = 'memory' }");
    let remaining = charge(&alone, &alice(), &both, &both, 1).unwrap()[0].remaining;
    assert_eq!(remaining, 3, "the refused request was not charged");
}

#[test]
fn counts_under_keys_that_cannot_be_taken_for_each_other() {
    let check = |by: &str, asked: Asked, key: &str| {
        let shared = Notes::new(false);
        let limit = compile(&format!("{{ by = '{by}', rate = '5/min' }}"));
        charge(&limit, &asked, &Notes::new(false), &shared, 1).unwrap();
        assert_eq!(shared.keys(), [key]);
    };
    let with = |principal| Asked { identity: Identity { principal, ..Identity::anonymous() }, ..alice() };
    let claim = |value: serde_json::Value| {
        let mut asked = alice();
        asked.identity.attributes.insert("plan".to_owned(), value);
        asked
    };
    let header = |values: &[&str]| Asked {
        headers: values.iter().map(|value| ("x-tenant", (*value).to_owned())).collect(),
        ..alice()
    };
    let hash_of_gold = "JNfwPY3Dw2Zpaeb6W7H6xHNtPxNTwoMH7VGzIPncQtM";

    check("principal", alice(), "r:getOrder:principal:User=demo|alice");
    check("principal", with(Principal::Anonymous), "r:getOrder:principal:Anonymous=anonymous");
    check("principal", with(Principal::Client("demo|alice".into())), "r:getOrder:principal:Client=demo|alice");
    check(
        "principal",
        with(Principal::User("u".repeat(97).into())),
        "r:getOrder:principal:User#Wo2bNZ1tWye3v0dJW7anb0l7HCCpue5yJarDrtS7C8I",
    );
    check("key", with(Principal::ApiKey("k1".into())), "r:getOrder:key:=k1");
    check("key", alice(), "r:getOrder:key:-");
    check("route", alice(), "r:getOrder:route:");
    check("address", alice(), "r:getOrder:address:=192.0.2.1");
    check("address", Asked { client: "::ffff:192.0.2.1", ..alice() }, "r:getOrder:address:=192.0.2.1");
    check("address", Asked { client: "2001:db8:1:2:3:4:5:6", ..alice() }, "r:getOrder:address:=2001:db8:1:2::/64");
    check("claim:plan", alice(), "r:getOrder:claim:-");
    check("claim:plan", claim(json!(null)), "r:getOrder:claim:-");
    check("claim:plan", claim(json!("gold")), &format!("r:getOrder:claim:s#{hash_of_gold}"));
    check("claim:plan", claim(json!(1)), "r:getOrder:claim:#a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s");
    check("claim:plan", claim(json!("1")), "r:getOrder:claim:s#a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s");
    check("header:x-tenant", header(&["gold"]), &format!("r:getOrder:header:#{hash_of_gold}"));
    check("header:x-tenant", header(&[]), "r:getOrder:header:-");
    check("header:x-tenant", header(&["gold", "silver"]), "r:getOrder:header:-");
}

#[test]
fn keeps_every_key_within_its_bound() {
    let long = "x".repeat(64);
    let text = format!(
        "{{ by = 'principal', rate = '5/min', name = '{long}' }}, {{ by = 'claim:{}', rate = '5/min' }}",
        "c".repeat(128)
    );
    let limit = Limit::compile(&"route/".repeat(100), &configs(&text), Mode::Enforce).unwrap();
    let shared = Notes::new(false);
    let identity = Identity { principal: Principal::ApiKey("k".repeat(10_000).into()), ..Identity::anonymous() };
    charge(&limit, &Asked { identity, ..alice() }, &Notes::new(false), &shared, 1).unwrap();
    let keys = shared.keys();
    assert!(keys.iter().all(|key| key.len() <= 256), "{keys:?}");
    assert!(keys[0].len() > 100 && keys[1].ends_with(":claim:-"), "{keys:?}");
}

#[test]
fn refuses_limits_that_cannot_be_kept_all_at_once() {
    let text = "{ by = 'route', rate = '5/min', burst = 0 }, { by = 'key', rate = '5/min', name = 'a b' },
        { by = 'key', rate = '5/min', name = 'a' }, { by = 'route', rate = '5/min', name = 'a' },
        { by = 'route', rate = '1/300d', burst = 100 }, { by = 'route', rate = '100/min', lease = 51 },
        { by = 'route', rate = '3/min', lease = 2 }, { by = 'route', rate = '9/min', store = 'memory', lease = 2 }";
    let fault = |at, field, message: &str| LimitFault { at, field, message: message.to_owned() };
    let expected = vec![
        fault(0, "burst", "a burst of `0` lets nothing pass: leave `burst` out, or write 1 or more"),
        fault(1, "name", "`a b` cannot name a limit: use letters, digits, `.`, `_` and `-`, at most 64"),
        fault(3, "name", "two limits of this route are named `a`: give each a name of its own"),
        fault(
            4,
            "burst",
            "a burst of `100` takes more than ten years to recover at this rate: write a smaller `burst`",
        ),
        fault(5, "lease", "a lease of 51 is more than half of the burst of 100: write 50 or less, better a tenth"),
        fault(6, "lease", "a lease of 2 is more than half of the burst of 3: leave `lease` out"),
        fault(7, "lease", "a limit in `memory` asks nobody: leave `lease` out"),
    ];
    assert_eq!(Limit::compile("r", &configs(text), Mode::Enforce).unwrap_err(), expected);
    let many = "{ by = 'route', rate = '5/min' },".repeat(9);
    let expected = vec![fault(8, "by", "a route has at most 8 limits, not 9")];
    assert_eq!(Limit::compile("r", &configs(&many), Mode::Enforce).unwrap_err(), expected);
}

#[test]
fn names_each_limit_once() {
    let limit = compile(
        "{ by = 'route', rate = '5/s' }, { by = 'route', rate = '50/min' }, { by = 'route', rate = '500/h', name = 'route-3' }",
    );
    let memory = MemoryCounters::default();
    let states = charge(&limit, &alice(), &memory, &memory, 1).unwrap();
    assert_eq!(states.iter().map(|state| &*state.name).collect::<Vec<_>>(), ["route", "route-2", "route-3"]);
}

#[test]
fn notices_two_routes_that_say_different_things_of_one_limit() {
    let check = |one: &str, two: &str, expected: Option<&str>| {
        assert_eq!(compile(one).clash(&compile(two)), expected, "{one} {two}");
    };
    check("{ by = 'key', rate = '5/s', name = 'a' }", "{ by = 'key', rate = '6/s', name = 'a' }", Some("a"));
    check("{ by = 'key', rate = '5/s', name = 'a' }", "{ by = 'route', rate = '5/s', name = 'a' }", Some("a"));
    check("{ by = 'key', rate = '5/s', name = 'a' }", "{ by = 'key', rate = '5/s', name = 'a' }", None);
    check("{ by = 'key', rate = '5/s' }", "{ by = 'key', rate = '6/s' }", None);
}

#[test]
fn charges_nothing_without_limits() {
    let none = Notes::new(true);
    assert_eq!(charge(&compile(""), &alice(), &none, &none, 1), Ok(vec![]));
}

#[test]
fn divides_but_never_to_nothing() {
    let window = Duration::from_mins(1);
    let check = |requests, burst, replicas, expected: (u64, u64)| {
        let share = Quota { requests, window, burst }.share(replicas);
        assert_eq!((share.requests, share.burst, share.window), (expected.0, expected.1, window));
    };
    check(5, 5, 2, (2, 2));
    check(1, 1, 3, (1, 1));
    check(5, 5, 0, (5, 5));
}
