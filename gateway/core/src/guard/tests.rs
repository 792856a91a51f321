use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, Method, Version};

use super::{Guard, GuardConfig};
use crate::answer::{Answer, StoreDown};
use crate::limit::Counters;
use crate::limit::{Charge, MemoryCounters, Verdict};
use crate::moment::Now;
use crate::refusal::Code;
use crate::request::{CanonicalPath, DeclaredBody, Request, Scheme};

fn config(text: &str) -> GuardConfig {
    toml::from_str(text).unwrap()
}

fn guard(text: &str) -> Guard {
    Guard::compile(&config(text)).unwrap()
}

fn admit(guard: &Guard, client: &str, body: DeclaredBody, counters: &dyn Counters) -> Result<(), Code> {
    let client: IpAddr = client.parse().unwrap();
    let headers = HeaderMap::new();
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
        body,
    };
    guard.admit(&request, counters, Now::default()).map_err(|refusal| refusal.code)
}

#[test]
fn refuses_by_list_and_lets_deny_win() {
    let check = |config: &str, client: &str, expected: Result<(), Code>| {
        let outcome = admit(&guard(config), client, DeclaredBody::Absent, &MemoryCounters::default());
        assert_eq!(outcome, expected, "{config} {client}");
    };
    let denied = Err(Code::AddressDenied);
    check("deny = ['10.0.0.0/8']", "10.1.2.3", denied);
    check("deny = ['10.0.0.0/8']", "::ffff:10.1.2.3", denied);
    check("deny = ['::ffff:10.0.0.0/104']", "10.1.2.3", denied);
    check("deny = ['10.0.0.0/8']", "11.0.0.0", Ok(()));
    check("deny = ['10.0.0.0/8']", "9.255.255.255", Ok(()));
    check("deny = ['10.0.0.0/8', '10.1.0.0/16']", "10.200.0.1", denied);
    check("deny = ['2001:db8::/32']", "2001:db8:ffff::1", denied);
    check("deny = ['2001:db8::/32']", "2001:db9::1", Ok(()));
    check("allow = ['192.0.2.7']", "192.0.2.8", denied);
    check("allow = ['192.0.2.7']", "2001:db8::1", denied);
    check("allow = ['192.0.2.7']", "192.0.2.7", Ok(()));
    check("allow = ['192.0.2.0/24']\ndeny = ['192.0.2.7']", "192.0.2.7", denied);
    check("allow = ['0.0.0.0/0']", "255.255.255.255", Ok(()));
    check("allow = []\ndeny = []", "192.0.2.8", Ok(()));
}

#[test]
fn refuses_an_address_over_its_rate_and_only_that() {
    let (guard, counters) = (guard("rate = '2/min'"), MemoryCounters::default());
    let check =
        |client, expected| assert_eq!(admit(&guard, client, DeclaredBody::Absent, &counters), expected, "{client}");
    check("192.0.2.1", Ok(()));
    check("::ffff:192.0.2.1", Ok(()));
    check("192.0.2.1", Err(Code::RateLimited));
    check("192.0.2.2", Ok(()));
    check("2001:db8::1", Ok(()));
    check("2001:db8::ffff:1", Ok(()));
    check("2001:db8::2", Err(Code::RateLimited));
    check("2001:db8:0:1::1", Ok(()));
}

#[test]
fn does_not_count_who_is_denied_but_counts_whose_body_is_too_large() {
    let counters = MemoryCounters::default();
    let large = DeclaredBody::Length(2);
    let denies = guard("deny = ['192.0.2.1']\nrate = '1/min'\nmax_body = '1B'");
    let open = guard("rate = '1/min'\nmax_body = '1B'");
    assert_eq!(admit(&denies, "192.0.2.1", large, &counters), Err(Code::AddressDenied));
    assert_eq!(admit(&open, "192.0.2.1", large, &counters), Err(Code::BodyTooLarge));
    assert_eq!(admit(&open, "192.0.2.1", large, &counters), Err(Code::RateLimited));
}

#[test]
fn refuses_a_declared_length_over_the_bound() {
    let check = |body, expected| {
        assert_eq!(admit(&guard("max_body = '10B'"), "192.0.2.1", body, &MemoryCounters::default()), expected);
    };
    check(DeclaredBody::Length(11), Err(Code::BodyTooLarge));
    check(DeclaredBody::Length(u64::MAX), Err(Code::BodyTooLarge));
    check(DeclaredBody::Length(10), Ok(()));
    check(DeclaredBody::Unknown, Ok(()));
    check(DeclaredBody::Absent, Ok(()));
}

#[test]
fn refuses_when_the_counters_do_not_answer_at_once() {
    struct Down;
    impl Counters for Down {
        fn charge<'a>(&'a self, _: &'a [Charge], _: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
            Answer::Ready(Err(StoreDown { what: "test" }))
        }
    }
    struct Waits;
    impl Counters for Waits {
        fn charge<'a>(&'a self, _: &'a [Charge], _: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
            Answer::Wait(Box::pin(std::future::pending()))
        }
    }
    for counters in [&Down as &dyn Counters, &Waits] {
        let outcome = admit(&guard(""), "192.0.2.1", DeclaredBody::Absent, counters);
        assert_eq!(outcome, Err(Code::DependencyUnavailable));
    }
}

#[test]
fn tells_how_long_to_wait() {
    let guard = guard("rate = '2/min'\nburst = 1");
    let counters = MemoryCounters::default();
    let charge = [Charge::one("k".into(), guard.quota)];
    guard.count(&charge, &counters, Now::default()).unwrap();
    let refusal = guard.count(&charge, &counters, Now::default()).unwrap_err();
    assert_eq!(refusal.extra.unwrap().retry_after, Some(Duration::from_secs(30)));
}

#[test]
fn refuses_configuration_that_cannot_be_meant() {
    let check = |text: &str, part: &str| {
        let message = match toml::from_str::<GuardConfig>(text) {
            Ok(config) => Guard::compile(&config).unwrap_err(),
            Err(error) => error.message().to_owned(),
        };
        assert!(message.contains(part), "{message}");
    };
    check("allow = ['10.0.0.1/8']", "`10.0.0.1/8` has bits set beyond its prefix: did you mean `10.0.0.0/8`?");
    check("deny = ['localhost']", "`localhost` is not a network");
    check("burst = 0", "a burst of `0` lets nothing pass");
    check("rates = '1/s'", "unknown field `rates`");
}

#[test]
fn lets_a_route_override_value_by_value() {
    let defaults = config("mode = 'shadow'\ndeny = ['10.0.0.0/8']\nrate = '600/min'\nburst = 5\nmax_body = '1KiB'");
    let check = |route: &str, expected: &str| assert_eq!(config(route).merge(&defaults), config(expected), "{route}");
    check("", "mode = 'shadow'\ndeny = ['10.0.0.0/8']\nrate = '600/min'\nburst = 5\nmax_body = '1KiB'");
    check(
        "mode = 'enforce'",
        "mode = 'enforce'\ndeny = ['10.0.0.0/8']\nrate = '600/min'\nburst = 5\nmax_body = '1KiB'",
    );
    check("deny = []\nburst = 2", "mode = 'shadow'\ndeny = []\nrate = '600/min'\nburst = 2\nmax_body = '1KiB'");
    check("rate = '1/s'", "mode = 'shadow'\ndeny = ['10.0.0.0/8']\nrate = '1/s'\nmax_body = '1KiB'");
}

#[test]
fn failures_are_counted_apart_by_address_key_and_login() {
    let guard = guard("failures = '20/min'");
    let counters = MemoryCounters::default();
    let (one, other): (IpAddr, IpAddr) = ([198, 51, 100, 1].into(), [198, 51, 100, 2].into());
    let failed = |address: IpAddr, account| guard.failed(address, account, &counters, Now::default()).is_ok();
    assert_eq!((0..21).filter(|_| failed(one, None)).count(), 20);
    assert!(failed(other, None), "another address");
    assert_eq!((0..21).filter(|at| failed([203, 0, 113, *at].into(), Some("key"))).count(), 20, "one key");
    assert!(failed([203, 0, 113, 99].into(), Some("another")));
    for _ in 0..2 {
        assert!(guard.may_log_in(one, &counters, Now::default()).is_ok(), "looking costs nothing");
        assert!(guard.may_log_in(one, &counters, Now::default()).is_ok());
        guard.login_failed(one, &counters, Now::default());
    }
    let refusal = guard.may_log_in(one, &counters, Now::default()).unwrap_err();
    let extra = refusal.extra.unwrap();
    assert_eq!((refusal.code, extra.retry_after), (Code::RateLimited, Some(Duration::from_secs(30))));
    assert!(guard.may_log_in(other, &counters, Now::default()).is_ok());
    let later = Now { steady: Duration::from_secs(31), ..Now::default() };
    assert!(guard.may_log_in(one, &counters, later).is_ok());
}
