use std::time::Duration;

use super::{Breaker, BreakerState, Gate};

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn opened() -> Breaker {
    let breaker = Breaker::default();
    for _ in 0..5 {
        assert_eq!(breaker.gate(at(0)), Gate::Ask);
        breaker.failed(at(0));
    }
    breaker
}

#[test]
fn opens_after_five_failures_in_a_row_only() {
    let breaker = Breaker::default();
    for _ in 0..4 {
        breaker.failed(at(0));
    }
    breaker.succeeded();
    for _ in 0..4 {
        breaker.failed(at(0));
    }
    assert_eq!(breaker.gate(at(0)), Gate::Ask);
    breaker.failed(at(0));
    assert_eq!(breaker.gate(at(0)), Gate::Down);
}

#[test]
fn sends_one_probe_a_second_and_nothing_else() {
    let breaker = opened();
    assert_eq!(breaker.gate(at(999)), Gate::Down);
    assert_eq!(breaker.gate(at(1_000)), Gate::Probe);
    assert_eq!(breaker.gate(at(1_000)), Gate::Down);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker.still_down();
    assert_eq!(breaker.gate(at(1_999)), Gate::Down);
    assert_eq!(breaker.gate(at(2_000)), Gate::Probe);
}

#[test]
fn closes_when_the_probe_comes_back_and_not_by_a_late_answer() {
    let breaker = opened();
    breaker.succeeded();
    assert_eq!(breaker.gate(at(10)), Gate::Down);
    assert_eq!(breaker.gate(at(1_000)), Gate::Probe);
    breaker.recovered();
    assert_eq!((breaker.gate(at(1_001)), breaker.state()), (Gate::Ask, BreakerState::Closed));
}

#[test]
fn sends_another_probe_when_one_is_lost() {
    let breaker = opened();
    assert_eq!(breaker.gate(at(1_000)), Gate::Probe);
    assert_eq!(breaker.gate(at(5_999)), Gate::Down);
    assert_eq!(breaker.gate(at(6_000)), Gate::Probe);
}
