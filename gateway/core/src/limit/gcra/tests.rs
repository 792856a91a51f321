use std::time::Duration;

use proptest::prelude::*;

use super::{LONGEST, STRAY, Terms, uncharged};
use crate::limit::{Quota, Verdict};

const SECOND: i64 = 1_000_000;

fn quota(requests: u64, window: i64, burst: u64) -> Quota {
    Quota { requests, window: Duration::from_micros(u64::try_from(window).unwrap()), burst }
}

fn charge(tat: Option<i64>, terms: Terms, now: i64) -> (Verdict, i64) {
    super::charge(tat, terms, now, 1)
}

fn check(tat: Option<i64>, now: i64, allowed: bool, remaining: u64, retry_after: i64, reset: i64, after: i64) {
    let terms = Terms::from(quota(60, 60 * SECOND, 3));
    let span = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap());
    let verdict =
        Verdict { allowed, taken: u64::from(allowed), remaining, retry_after: span(retry_after), reset: span(reset) };
    assert_eq!(charge(tat, terms, now), (verdict, after), "tat {tat:?} now {now}");
}

#[test]
fn refuses_when_the_burst_is_used_up() {
    check(Some(13 * SECOND), 10 * SECOND, false, 0, SECOND, 3 * SECOND, 13 * SECOND);
    check(Some(13 * SECOND), 11 * SECOND - 1, false, 0, 1, 2 * SECOND + 1, 13 * SECOND);
}

#[test]
fn refuses_what_is_no_time_at_all() {
    check(Some(-1), 10 * SECOND, false, 0, SECOND, 3 * SECOND, 13 * SECOND);
    check(Some(i64::MIN), 10 * SECOND, false, 0, SECOND, 3 * SECOND, 13 * SECOND);
    check(Some(i64::MAX), 10 * SECOND, false, 0, SECOND, 3 * SECOND, 13 * SECOND);
}

#[test]
fn brings_a_stray_cell_back_to_full() {
    let far = 13 * SECOND + STRAY;
    check(Some(far), 10 * SECOND, false, 0, 1 + STRAY + SECOND - 1, 3 * SECOND + STRAY, far);
    check(Some(far + 1), 10 * SECOND, false, 0, SECOND, 3 * SECOND, 13 * SECOND);
}

#[test]
fn counts_down_and_recovers() {
    check(None, 10 * SECOND, true, 2, 0, SECOND, 11 * SECOND);
    check(Some(4 * SECOND), 10 * SECOND, true, 2, 0, SECOND, 11 * SECOND);
    check(Some(11 * SECOND), 10 * SECOND, true, 1, 0, 2 * SECOND, 12 * SECOND);
    check(Some(12 * SECOND), 10 * SECOND, true, 0, 0, 3 * SECOND, 13 * SECOND);
    check(Some(13 * SECOND), 11 * SECOND, true, 0, 0, 3 * SECOND, 14 * SECOND);
}

#[test]
fn rounds_the_interval_up_and_bounds_what_is_out_of_bounds() {
    let check = |requests, window, burst, interval, tolerance| {
        assert_eq!(Terms::from(quota(requests, window, burst)), Terms { interval, tolerance });
    };
    check(7, 60 * SECOND, 7, 8_571_429, 60_000_003);
    check(1_000_000_000, 1, 1, 1, 1);
    check(0, 0, 0, 1, 1);
    check(1, LONGEST, u64::MAX, LONGEST, LONGEST);
    check(u64::MAX, i64::MAX, u64::MAX, 1, LONGEST);
    check(1, i64::MAX, 1, LONGEST, LONGEST);
}

fn any_terms() -> impl Strategy<Value = Terms> {
    (1u64..5_000, 1i64..100 * SECOND, 1u64..50)
        .prop_map(|(requests, window, burst)| quota(requests, window, burst).into())
}

#[test]
fn takes_as_many_as_fit() {
    let terms = Terms::from(quota(60, 60 * SECOND, 3));
    let check = |tat: i64, take: u64, taken: u64, remaining: u64, after: i64| {
        let (verdict, until) = super::charge(Some(tat), terms, 10 * SECOND, take);
        assert_eq!((verdict.taken, verdict.remaining, until), (taken, remaining, after), "{tat} {take}");
        assert_eq!(verdict.allowed, taken > 0);
    };
    check(13 * SECOND, 2, 0, 0, 13 * SECOND);
    check(12 * SECOND + 1, 2, 0, 0, 12 * SECOND + 1);
    check(12 * SECOND, 2, 1, 0, 13 * SECOND);
    check(11 * SECOND, u64::MAX, 2, 0, 13 * SECOND);
    check(0, 2, 2, 1, 12 * SECOND);
    check(0, 0, 1, 2, 11 * SECOND);
}

proptest! {
    /// To take many is to take one many times.
    #[test]
    fn taking_many_is_taking_one_many_times(
        terms in any_terms(), tat in 0i64..4 * STRAY, now in 0i64..2 * STRAY, take in 1u64..60,
    ) {
        let (many, after) = super::charge(Some(tat), terms, now, take);
        let (mut cell, mut passed) = (tat, 0);
        for _ in 0..take {
            let (verdict, next) = charge(Some(cell), terms, now);
            passed += u64::from(verdict.allowed);
            cell = next;
        }
        prop_assert_eq!((many.taken, after), (passed, cell));
    }

    /// In every stretch of the trace: at most the burst and what its time has earned.
    #[test]
    fn never_admits_more_than_the_quota_in_any_window(
        terms in any_terms(),
        steps in prop::collection::vec(0i64..3_000_000, 1..200),
    ) {
        let (mut now, mut tat, mut admitted) = (0, None, Vec::new());
        for step in steps {
            now += step % (3 * terms.interval);
            let (verdict, after) = charge(tat, terms, now);
            tat = Some(after);
            if verdict.allowed {
                admitted.push(now);
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, until) in admitted.iter().enumerate().skip(first) {
                let count = i64::try_from(last - first + 1).unwrap();
                prop_assert!((count - 1) * terms.interval <= terms.tolerance - terms.interval + (until - from));
            }
        }
    }

    /// Whatever the clock does within the stray bound, no more passes than at its latest instant.
    #[test]
    fn never_opens_when_the_clock_runs_back(
        terms in any_terms(),
        nows in prop::collection::vec(STRAY..2 * STRAY, 1..200),
    ) {
        let latest = *nows.iter().max().unwrap();
        let earliest = *nows.iter().min().unwrap();
        let mut tat = None;
        let mut admitted = 0;
        for now in nows {
            let (verdict, after) = charge(tat, terms, now);
            prop_assert!(tat.is_none_or(|tat| after >= tat), "the cell ran back");
            tat = Some(after);
            admitted += i64::from(verdict.allowed);
        }
        prop_assert!((admitted - 1) * terms.interval <= terms.tolerance - terms.interval + latest - earliest);
    }

    #[test]
    fn is_refused_at_every_earlier_instant_and_by_every_fuller_cell(
        terms in any_terms(), tat in 0i64..4 * STRAY, now in 0i64..2 * STRAY, back in 0i64..2 * STRAY, more in 0i64..STRAY,
    ) {
        let (verdict, _) = charge(Some(tat), terms, now);
        if !verdict.allowed {
            prop_assert!(!charge(Some(tat), terms, now - back).0.allowed);
            prop_assert!(!charge(Some(tat + more), terms, now).0.allowed);
        }
    }

    /// The two promises a caller acts on: not a microsecond too early, not one too late.
    #[test]
    fn keeps_its_word_about_when_to_return(terms in any_terms(), tat in 0i64..4 * STRAY, now in 0i64..2 * STRAY) {
        let (verdict, after) = charge(Some(tat), terms, now);
        let wait = super::micros(verdict.retry_after);
        if !verdict.allowed {
            prop_assert!(wait > 0);
            prop_assert!(charge(Some(after), terms, now + wait).0.allowed);
            prop_assert!(!charge(Some(after), terms, now + wait - 1).0.allowed);
        }
        let full = uncharged(None, terms, 0).remaining;
        let whole = now + super::micros(verdict.reset);
        prop_assert_eq!(uncharged(Some(after), terms, whole).remaining, full);
    }

    #[test]
    fn never_panics_and_stays_exact_in_a_double(
        requests: u64, window: u64, burst: u64, tat: Option<i64>, now: i64,
    ) {
        let terms = Terms::from(Quota { requests, window: Duration::from_micros(window), burst });
        let (_, after) = charge(tat, terms, now);
        prop_assert!(0 <= after && after + terms.interval + terms.tolerance + STRAY < 1 << 53);
        let _ = uncharged(tat, terms, now);
    }
}
