use super::{By, LimitConfig, OnStoreFailure, Store};
use crate::units::Rate;

fn read(text: &str) -> Result<LimitConfig, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

#[test]
fn refuses_what_it_does_not_know_and_says_what_would_do() {
    let check = |by: &str, message: &str| assert_eq!(by.parse::<By>(), Err(message.to_owned()));
    check("principle", "`principle` is nobody who can be counted: did you mean `principal`?");
    check("Address", "`Address` is nobody who can be counted: did you mean `address`?");
    check("claims:plan", "`claims:plan` is nobody who can be counted: did you mean `claim:plan`?");
    check("claim", "`claim` needs a name: write `claim:NAME`");
    check("header", "`header` needs a name: write `header:NAME`");
    check("claim:", "`claim:` names no claim: write `claim:NAME` with a name of 1 to 128 bytes");
    check("header:a b", "`header:a b` names no header field: write `header:NAME`, as in `header:x-tenant`");
    check(
        "everybody",
        "`everybody` is nobody who can be counted: write `principal`, `key`, `address`, `route`, `claim:NAME` or `header:NAME`",
    );
}

#[test]
fn refuses_keys_it_does_not_know() {
    let error = read("by = 'key'\nrate = '1/s'\nbrust = 2").unwrap_err();
    assert!(error.contains("unknown field `brust`"), "{error}");
    let error = read("by = 'key'\nrate = '1/s'\non_store_failure = 'open'").unwrap_err();
    assert!(error.contains("unknown variant `open`"), "{error}");
}

#[test]
fn reads_every_way_to_count() {
    let check = |text: &str, by: By| assert_eq!(text.parse(), Ok(by));
    check("address", By::Address);
    check("claim:https://example.com/plan", By::Claim("https://example.com/plan".to_owned()));
    check("header:X-Tenant", By::Header(http::HeaderName::from_static("x-tenant")));
    check("key", By::Key);
    check("principal", By::Principal);
    check("route", By::Route);
}

#[test]
fn fills_in_the_defaults() {
    let expected = LimitConfig {
        by: By::Principal,
        rate: Rate { requests: 60, window: std::time::Duration::from_mins(1) },
        burst: None,
        name: None,
        on_store_failure: OnStoreFailure::Local,
        store: Store::Shared,
        lease: None,
    };
    assert_eq!(read("by = 'principal'\nrate = '60/min'"), Ok(expected));
}
