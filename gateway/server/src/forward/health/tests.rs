use std::time::Duration;

use super::{Failed, Health};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A target that failed so many times, at one instant.
fn failed(times: u32, at: Duration) -> Health {
    let health = Health::default();
    (0..times).for_each(|_| health.failed(Failed::Answering, at));
    health
}

#[test]
fn is_left_alone_after_three_failures_in_a_row() {
    for (failures, away) in [(0, false), (1, false), (2, false), (3, true)] {
        let health = failed(failures, ms(0));
        assert_eq!((health.away(), health.usable(ms(500))), (away, !away), "{failures}");
    }
    let recovered = failed(2, ms(0));
    recovered.succeeded();
    recovered.failed(Failed::Answering, ms(0));
    assert!(!recovered.away());
}

#[test]
fn stays_away_longer_with_each_failure_up_to_half_a_minute() {
    for (failures, seconds) in [(3, 1), (4, 2), (5, 4), (7, 16), (8, 30), (100, 30)] {
        let health = failed(failures, ms(0));
        assert!(!health.usable(ms(seconds * 1000 - 1)), "{failures}");
        assert!(health.usable(ms(seconds * 1000)), "{failures}");
    }
}

#[test]
fn one_request_at_a_time_tries_a_target_that_was_away() {
    let health = failed(3, ms(0));
    assert_eq!([ms(1000), ms(1001), ms(1999)].map(|now| health.usable(now)), [true, false, false]);
    assert!(health.usable(ms(2000)));
    health.succeeded();
    assert!(!health.away() && health.usable(ms(2000)) && health.usable(ms(2000)));
}

#[test]
fn is_gone_only_when_nobody_took_the_last_connection() {
    let health = failed(3, ms(0));
    assert_eq!((health.away(), health.gone()), (true, false));
    health.failed(Failed::Connecting, ms(0));
    assert_eq!((health.away(), health.gone()), (true, true));
    health.failed(Failed::Answering, ms(0));
    assert_eq!((health.away(), health.gone()), (true, false));
    let refused_once = Health::default();
    refused_once.failed(Failed::Connecting, ms(0));
    assert!(!refused_once.gone(), "one refused connection is no absence");
}
