use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;

use super::Leases;
use crate::answer::{Answer, StoreDown};
use crate::limit::{Charge, Counters, MemoryCounters, Quota, Verdict};
use crate::moment::Now;

const HOUR: Duration = Duration::from_hours(1);

/// The store, who notes what it was asked to take.
#[derive(Default)]
struct Store {
    counters: MemoryCounters,
    asked: Mutex<Vec<u64>>,
    down: AtomicBool,
    hangs: AtomicBool,
}

impl Store {
    /// What it was asked to take since the last look.
    fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Counters for Store {
    fn charge<'a>(&'a self, charges: &'a [Charge], now: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
        self.asked.lock().unwrap().extend(charges.iter().map(|charge| charge.take));
        if self.down.load(Ordering::SeqCst) {
            return Answer::Ready(Err(StoreDown { what: "away" }));
        }
        if self.hangs.load(Ordering::SeqCst) {
            return Answer::Wait(Box::pin(std::future::pending()));
        }
        self.counters.charge(charges, now)
    }
}

fn charge(key: &str, requests: u64, lease: u64) -> Charge {
    Charge { key: key.into(), quota: Quota { requests, window: HOUR, burst: requests }, take: lease }
}

fn at(micros: u64) -> Now {
    Now { steady: Duration::from_micros(micros), ..Now::default() }
}

fn ask(leases: &Leases, store: &Store, charges: &[Charge], micros: u64) -> Result<Vec<Verdict>, StoreDown> {
    leases.charge(store, charges, at(micros)).get().now_or_never().expect("the store answers at once")
}

fn passes(leases: &Leases, store: &Store, charges: &[Charge], micros: u64) -> bool {
    ask(leases, store, charges, micros).unwrap().iter().all(|verdict| verdict.allowed)
}

#[test]
fn refuses_as_soon_as_the_store_does_and_does_not_ask_again_before_the_wait_is_over() {
    let (leases, store) = (Leases::new(10), Store::default());
    let charges = [charge("k", 60, 10)];
    let passed = (0..100).filter(|_| passes(&leases, &store, &charges, 0)).count();
    assert_eq!(passed, 60, "one replica alone is exact");
    store.asked();
    let refused = ask(&leases, &store, &charges, 1_000_000).unwrap();
    assert_eq!(refused[0].retry_after, Duration::from_secs(59));
    assert!(!passes(&leases, &store, &charges, 59_999_999));
    assert_eq!(store.asked(), [0; 0]);
    assert!(passes(&leases, &store, &charges, 60_000_000), "to the microsecond");
}

#[test]
fn asks_for_more_the_faster_it_is_spent() {
    let (leases, store) = (Leases::new(10), Store::default());
    let charges = [charge("k", 1000, 10)];
    for _ in 0..35 {
        assert!(passes(&leases, &store, &charges, 0));
    }
    assert_eq!(store.asked(), [1, 2, 4, 8, 10, 10]);
    for second in 1..60 {
        assert!(passes(&leases, &store, &charges, second * 1_000_000));
    }
    let asked = store.asked();
    assert!(asked.starts_with(&[5, 2]) && asked.iter().skip(2).all(|taken| *taken == 1), "{asked:?}");
}

#[test]
fn tells_how_many_are_left_here_and_there() {
    let (leases, store) = (Leases::new(10), Store::default());
    let charges = [charge("k", 100, 10)];
    let left: Vec<u64> = (0..20).map(|_| ask(&leases, &store, &charges, 0).unwrap()[0].remaining).collect();
    assert_eq!(left, (80..100).rev().collect::<Vec<_>>());
}

#[test]
fn what_is_held_is_void_when_the_burst_is_whole_again() {
    let (leases, store) = (Leases::new(10), Store::default());
    let charges = [charge("k", 60, 10)];
    for _ in 0..4 {
        assert!(passes(&leases, &store, &charges, 0));
    }
    assert_eq!(store.asked(), [1, 2, 4], "three are held");
    let hour = 3_600_000_000;
    let passed = (0..100).filter(|_| passes(&leases, &store, &charges, hour)).count();
    assert_eq!(passed, 60, "and not 63");
}

#[test]
fn a_limit_without_a_lease_is_asked_for_each_time_even_beside_one_with() {
    let (leases, store) = (Leases::new(10), Store::default());
    let exact = [charge("exact", 60, 1)];
    for _ in 0..3 {
        assert!(passes(&leases, &store, &exact, 0));
    }
    assert_eq!(store.asked(), [1, 1, 1]);
    let both = [charge("k", 60, 10), charge("other", 2, 1)];
    for _ in 0..2 {
        assert!(passes(&leases, &store, &both, 0));
    }
    assert_eq!(store.asked(), [1, 1, 2, 1]);
    assert!(!passes(&leases, &store, &both, 0), "the exact one is used up");
    assert!(passes(&leases, &store, &both[..1], 0), "the other was given back");
    assert_eq!(store.asked(), [1], "and was there");
}

#[test]
fn another_quota_begins_anew() {
    let (leases, store) = (Leases::new(10), Store::default());
    for _ in 0..4 {
        assert!(passes(&leases, &store, &[charge("k", 60, 10)], 0));
    }
    store.asked();
    assert!(passes(&leases, &store, &[charge("k", 30, 10)], 0));
    assert_eq!(store.asked(), [1]);
}

#[test]
fn a_store_that_is_down_is_reported_and_what_is_held_goes_on() {
    let (leases, store) = (Leases::new(10), Store::default());
    let charges = [charge("k", 60, 10)];
    for _ in 0..2 {
        assert!(passes(&leases, &store, &charges, 0));
    }
    store.down.store(true, Ordering::SeqCst);
    assert!(passes(&leases, &store, &charges, 0), "held");
    assert!(ask(&leases, &store, &charges, 0).is_err());
    store.down.store(false, Ordering::SeqCst);
    store.asked();
    assert!(passes(&leases, &store, &charges, 0));
    assert!(store.asked()[0] > 1, "nobody else is asking any more");
}

#[test]
fn of_many_who_find_it_spent_one_asks_for_more() {
    let (leases, store) = (Leases::new(10), Store::default());
    let charges = [charge("k", 100, 10)];
    for _ in 0..7 {
        assert!(passes(&leases, &store, &charges, 0));
    }
    store.asked();
    store.hangs.store(true, Ordering::SeqCst);
    let mut first = Box::pin(leases.charge(&store, &charges, at(0)).get());
    assert!(first.as_mut().now_or_never().is_none(), "it waits for the store");
    store.hangs.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        assert!(passes(&leases, &store, &charges, 0));
    }
    assert_eq!(store.asked(), [8, 1, 1, 1]);
    drop(first);
    assert!(passes(&leases, &store, &charges, 0));
    assert_eq!(store.asked(), [10], "who went away asks for nothing any more");
}

proptest! {
    /// In every stretch of time: the quota, and what each replica held when it began.
    #[test]
    fn replicas_together_pass_no_more_than_the_quota_and_what_they_hold(
        requests in 4u64..40,
        lease in 2u64..20,
        steps in prop::collection::vec((0usize..3, 0u64..400_000_000), 1..300),
    ) {
        let store = Store::default();
        let replicas: Vec<Leases> = (0..3).map(|_| Leases::new(10)).collect();
        let lease = lease.min(requests / 2);
        let charges = [charge("k", requests, lease)];
        let (mut now, mut passed) = (0, Vec::new());
        for (replica, step) in steps {
            // Half of them come in bursts.
            now += if step % 2 == 0 { 0 } else { step };
            if passes(&replicas[replica], &store, &charges, now) {
                passed.push(now);
            }
        }
        let interval = HOUR.as_micros().div_ceil(requests.into());
        for (first, from) in passed.iter().enumerate() {
            for (last, until) in passed.iter().enumerate().skip(first) {
                let earned = u128::from(until - from) / interval;
                let most = u128::from(requests) + earned + 3 * u128::from(lease - 1);
                prop_assert!((last - first + 1) as u128 <= most, "{} from {from} until {until}", last - first + 1);
            }
        }
    }
}
