use std::time::Duration;

use super::{rate_limit, rate_limit_policy, retry_after};
use crate::refusal::LimitState;

fn state(name: &str, quota: u64, window: u64, remaining: u64, reset: u64) -> LimitState {
    let [window, reset] = [window, reset].map(Duration::from_millis);
    LimitState { name: name.into(), quota, window, remaining, reset }
}

fn check(states: &[LimitState], limit: &str, policy: &str, retry: &str) {
    let text = |value: Option<http::HeaderValue>| value.map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(text(rate_limit(states)).as_deref(), (!limit.is_empty()).then_some(limit));
    assert_eq!(text(rate_limit_policy(states)).as_deref(), (!policy.is_empty()).then_some(policy));
    assert_eq!(text(Some(retry_after(Duration::from_millis(1500), states))).as_deref(), Some(retry));
}

#[test]
fn says_nothing_without_limits() {
    check(&[], "", "", "2");
}

#[test]
fn rounds_up_and_never_calls_back_before_the_reset() {
    check(&[state("orders", 60, 60_000, 9, 6_000)], r#""orders";r=9;t=6"#, r#""orders";q=60;w=60"#, "6");
    check(&[state("orders", 60, 60_000, 0, 6_001)], r#""orders";r=0;t=7"#, r#""orders";q=60;w=60"#, "7");
    check(&[state("fast", 10, 500, 10, 0)], r#""fast";r=10;t=0"#, r#""fast";q=10;w=1"#, "2");
}

#[test]
fn lists_every_limit() {
    check(
        &[state("address", 600, 60_000, 599, 100), state("principal", 1000, 3_600_000, 0, 3_600)],
        r#""address";r=599;t=1, "principal";r=0;t=4"#,
        r#""address";q=600;w=60, "principal";q=1000;w=3600"#,
        "4",
    );
}

#[test]
fn stays_a_structured_field_whatever_the_name_and_the_numbers() {
    check(
        &[state("a\"\\\r\nü", u64::MAX, 60_000, u64::MAX, 0)],
        r#""a\"\\";r=999999999999999;t=0"#,
        r#""a\"\\";q=999999999999999;w=60"#,
        "2",
    );
}

#[test]
fn asks_for_a_second_at_least() {
    assert_eq!(retry_after(Duration::ZERO, &[]), "1");
}
