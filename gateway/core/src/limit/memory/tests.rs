use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{MemoryCounters, Verdict};
use crate::answer::Answer;
use crate::limit::Counters;
use crate::limit::{Charge, Quota};
use crate::moment::Now;

fn at(millis: u64) -> Now {
    Now { steady: Duration::from_millis(millis), ..Now::default() }
}

fn charge(key: &str, requests: u64, burst: u64) -> Charge {
    Charge::one(key.into(), Quota { requests, window: Duration::from_secs(requests), burst })
}

/// One request a second.
fn ask(counters: &MemoryCounters, charges: &[Charge], now: Now) -> Vec<Verdict> {
    match counters.charge(charges, now) {
        Answer::Ready(verdicts) => verdicts.unwrap(),
        Answer::Wait(_) => panic!("memory does not wait"),
    }
}

fn allowed(counters: &MemoryCounters, charges: &[Charge], now: Now) -> Vec<bool> {
    ask(counters, charges, now).into_iter().map(|verdict| verdict.allowed).collect()
}

#[test]
fn charges_none_when_one_refuses() {
    let counters = MemoryCounters::new(100);
    let both = [charge("wide", 10, 10), charge("narrow", 1, 1)];
    assert_eq!(allowed(&counters, &both, at(0)), [true, true]);
    let verdicts = ask(&counters, &both, at(0));
    assert_eq!(
        verdicts.iter().map(|verdict| (verdict.allowed, verdict.remaining)).collect::<Vec<_>>(),
        [(true, 9), (false, 0)]
    );
    assert_eq!(ask(&counters, &both[..1], at(0))[0].remaining, 8);
}

#[test]
fn charges_a_key_that_comes_twice_in_one_call_twice() {
    let counters = MemoryCounters::new(100);
    let twice = [charge("key", 1, 3), charge("key", 1, 3)];
    assert_eq!(allowed(&counters, &twice, at(0)), [true, true]);
    assert_eq!(allowed(&counters, &twice, at(0)), [true, false]);
    assert_eq!(allowed(&counters, &twice[..1], at(0)), [true]);
    assert_eq!(allowed(&counters, &twice[..1], at(0)), [false]);
}

#[test]
fn never_opens_to_a_reading_of_the_clock_that_comes_late() {
    let counters = MemoryCounters::new(100);
    let one = [charge("key", 1, 1)];
    assert_eq!(allowed(&counters, &one, at(5_000)), [true]);
    assert_eq!(allowed(&counters, &one, at(0)), [false]);
    assert_eq!(allowed(&counters, &one, at(5_999)), [false]);
    assert_eq!(allowed(&counters, &one, at(6_000)), [true]);
}

#[test]
fn stays_within_its_bound_and_refuses_sooner_when_full() {
    let counters = MemoryCounters::new(MemoryCounters::SHARDS);
    for number in 0..10_000 {
        ask(&counters, &[charge(&format!("key {number}"), 1, 2)], at(0));
    }
    assert!(counters.len() <= MemoryCounters::SHARDS, "{}", counters.len());
    assert!(counters.overflowed() > 0);
    // Every shard is full, its shared cell used up: whoever has no cell of its own is refused.
    assert_eq!(allowed(&counters, &[charge("new", 1, 2)], at(0)), [false]);
}

#[test]
fn gives_no_fresh_burst_to_a_key_that_was_counted_in_the_shared_cell() {
    let counters = MemoryCounters::new(1);
    // One cell a shard; this key is alone in its shard, or shares it and then finds the shared cell.
    let holder = charge("holder", 1, 1);
    assert_eq!(allowed(&counters, std::slice::from_ref(&holder), at(0)), [true]);
    let home = counters.home("holder");
    let other = (0..100_000).map(|number| format!("key {number}")).find(|key| counters.home(key) == home).unwrap();
    let other = charge(&other, 1, 5);
    for _ in 0..5 {
        assert_eq!(allowed(&counters, std::slice::from_ref(&other), at(0)), [true]);
    }
    assert_eq!(allowed(&counters, std::slice::from_ref(&other), at(0)), [false]);
    assert_eq!(counters.overflowed(), 5);
    // The holder's cell has expired: there is room now, but the five still count.
    assert_eq!(ask(&counters, std::slice::from_ref(&other), at(1_000))[0].remaining, 0);
    assert_eq!(allowed(&counters, std::slice::from_ref(&other), at(1_000)), [false]);
    assert_eq!(counters.overflowed(), 5);
}

#[test]
fn sweeps_what_has_expired() {
    let counters = MemoryCounters::new(10_000);
    for number in 0..5_000 {
        ask(&counters, &[charge(&format!("key {number}"), 1, 1)], at(0));
    }
    assert_eq!(counters.len(), 5_000);
    for number in 0..5_000 {
        ask(&counters, &[charge(&format!("late {}", number % 640), 1, 1)], at(2_000 + number));
    }
    assert!(counters.len() < 2_000, "{}", counters.len());
}

#[test]
fn admits_exactly_the_limit_to_many_threads() {
    let counters = MemoryCounters::new(1_000);
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (counters, admitted) = (&counters, &admitted);
            scope.spawn(move || {
                // Each names the keys in another order: a fixed order of locks keeps them from waiting in a ring.
                let mut charges: Vec<_> = (0..8).map(|key| charge(&format!("key {key}"), 100, 100)).collect();
                charges.rotate_left(thread * 2);
                for _ in 0..500 {
                    let all = ask(counters, &charges, at(0)).iter().all(|verdict| verdict.allowed);
                    admitted.fetch_add(u64::from(all), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::Relaxed), 100);
}
