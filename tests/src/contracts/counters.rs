//! What every implementation of `ports::Counters` must do: exactly what the algorithm says, all or none.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use portcullis_core::limit::gcra::{self, Terms};
use portcullis_core::limit::{Charge, Leases, Quota, Verdict};
use portcullis_core::moment::Now;
use portcullis_core::ports::Counters;

use crate::random::Random;

/// How time goes in a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Steps {
    /// Now and then back, by more than any burst needs to recover.
    BothWays,
    Forward,
}

/// The microseconds at which traces begin: the start of a process, and a wall clock of our days, where a double
/// has only two bits to spare.
pub const STARTS: [u64; 2] = [0, 1_790_000_000_000_000];

/// Runs a random trace and holds every verdict to the algorithm: decision, remaining, retry and reset.
///
/// # Panics
/// With the seed and the step, at the first difference.
pub async fn keeps_to_the_algorithm(counters: &dyn Counters, seed: u64, start: u64, steps: Steps) {
    let (mut random, mut model) = (Random(seed), Model::default());
    let mut micros = start;
    for step in 0..300 {
        let scale = random_scale(&mut random);
        micros += random.below(scale);
        if steps == Steps::BothWays && random.below(20) == 0 {
            micros = start.max(micros.saturating_sub(random.below(200_000_000)));
        }
        let now = Now { steady: Duration::from_micros(micros), ..Now::default() };
        let charges: Vec<Charge> = (0..=random.below(4)).map(|_| charge(seed, start, &mut random)).collect();
        let expected = model.charge(&charges, i64::try_from(micros).unwrap_or(i64::MAX));
        let told = counters.charge(&charges, now).get().await;
        assert_eq!(told, Ok(expected), "seed {seed} start {start} {steps:?} step {step} at {micros}: {charges:?}");
    }
}

/// Sends `calls` charges through each of `replicas`, all at once, in a window too long to earn anything: together
/// they admit exactly the limit, and a wider limit charged beside it is charged for those alone.
///
/// # Panics
/// When they do not.
pub async fn admits_exactly_the_limit(replicas: &[Arc<dyn Counters>], key: &str, calls: u64) {
    const LIMIT: u64 = 100;
    let window = Duration::from_hours(24);
    let quota = |requests| Quota { requests, window, burst: requests };
    let narrow = Charge::one(format!("{key} narrow").into(), quota(LIMIT));
    let wide = Charge::one(format!("{key} wide").into(), quota(LIMIT * 2));
    let admitted = Arc::new(AtomicU64::new(0));
    let tasks = replicas.iter().flat_map(|replica| (0..calls).map(move |call| (Arc::clone(replica), call)));
    let tasks = tasks.map(|(replica, call)| {
        let (narrow, wide, admitted) = (narrow.clone(), wide.clone(), Arc::clone(&admitted));
        tokio::spawn(async move {
            // In either order: whoever takes locks takes them in one.
            let charges = if call % 2 == 0 { [narrow, wide] } else { [wide, narrow] };
            let verdicts = replica.charge(&charges, Now::default()).get().await;
            let all = verdicts.map(|verdicts| verdicts.iter().all(|verdict| verdict.allowed));
            if all == Ok(true) {
                admitted.fetch_add(1, Ordering::Relaxed);
            }
            all
        })
    });
    for outcome in join_all(tasks).await {
        assert!(matches!(outcome, Ok(Ok(_))), "a charge failed: {outcome:?}");
    }
    assert_eq!(admitted.load(Ordering::Relaxed), LIMIT);
    let Some(replica) = replicas.first() else { return };
    let left = replica.charge(&[wide], Now::default()).get().await;
    let left = left.map(|verdicts| verdicts.iter().map(|verdict| verdict.remaining).collect::<Vec<_>>());
    assert_eq!(left, Ok(vec![LIMIT - 1]), "the wide limit was charged for refused requests");
}

/// As [`admits_exactly_the_limit`], where each of `replicas` takes up to `lease` requests in advance: never more than
/// the limit, and all of it but what lies unused.
///
/// # Panics
/// When they do not.
pub async fn admits_the_limit_less_what_lies_unused(replicas: &[Arc<dyn Counters>], key: &str, calls: u64, lease: u64) {
    const LIMIT: u64 = 100;
    let quota = Quota { requests: LIMIT, window: Duration::from_hours(24), burst: LIMIT };
    let charge = Charge { key: key.into(), quota, take: lease };
    let tasks = replicas.iter().flat_map(|replica| {
        let leases = Arc::new(Leases::new(100));
        (0..calls).map(move |_| (Arc::clone(replica), Arc::clone(&leases)))
    });
    let tasks = tasks.map(|(replica, leases)| {
        let charges = [charge.clone()];
        tokio::spawn(async move {
            let verdicts = leases.charge(&*replica, &charges, Now::default()).get().await;
            verdicts.map(|verdicts| verdicts.iter().all(|verdict| verdict.allowed))
        })
    });
    let mut admitted = 0;
    for outcome in join_all(tasks).await {
        assert!(matches!(outcome, Ok(Ok(_))), "a charge failed: {outcome:?}");
        admitted += u64::from(matches!(outcome, Ok(Ok(true))));
    }
    let unused = (lease - 1) * u64::try_from(replicas.len()).unwrap_or(u64::MAX);
    assert!((LIMIT - unused..=LIMIT).contains(&admitted), "{admitted}");
}

/// The algorithm over a plain map: all or none, a key that comes twice charged twice.
#[derive(Default)]
struct Model(HashMap<Arc<str>, i64>);

impl Model {
    fn charge(&mut self, charges: &[Charge], now: i64) -> Vec<Verdict> {
        let mut after: HashMap<Arc<str>, i64> = HashMap::new();
        let steps: Vec<(Verdict, i64)> = charges
            .iter()
            .map(|charge| {
                let before = after.get(&charge.key).or(self.0.get(&charge.key)).copied();
                let (verdict, tat) = gcra::charge(before, charge.quota.into(), now, charge.take);
                after.insert(Arc::clone(&charge.key), tat);
                (verdict, tat)
            })
            .collect();
        if steps.iter().all(|(verdict, _)| verdict.allowed) {
            self.0.extend(after);
            return steps.into_iter().map(|(verdict, _)| verdict).collect();
        }
        let before: Vec<Option<i64>> = charges.iter().map(|charge| self.0.get(&charge.key).copied()).collect();
        let mut verdicts = Vec::new();
        for ((charge, before), (verdict, tat)) in charges.iter().zip(before).zip(steps) {
            if verdict.allowed {
                verdicts.push(gcra::uncharged(before, Terms::from(charge.quota), now));
                continue;
            }
            if before.is_some_and(|before| before > tat) {
                self.0.insert(Arc::clone(&charge.key), tat);
            }
            verdicts.push(verdict);
        }
        verdicts
    }
}

/// Few keys and quotas of many sizes, each key under any of them: bursts fill up, and quotas shrink on reload.
fn charge(seed: u64, start: u64, random: &mut Random) -> Charge {
    let (requests, micros, burst) = match random.below(8) {
        0 => (1, 1, 1),
        1 => (1_000_000_000, 1_000_000, 50),
        2 => (7, 60_000_000, 7),
        3 => (60, 60_000_000, 10),
        4 => (3, 1_000, 5),
        5 => (1, 3650 * 86_400_000_000, 1),
        6 => (600, 60_000_000, 600),
        _ => (1 + random.below(1_000), 1 + random.below(100_000_000), 1 + random.below(20)),
    };
    let quota = Quota { requests, window: Duration::from_micros(micros), burst };
    let take = if random.below(2) == 0 { 1 } else { 1 + random.below(2 * burst) };
    Charge { key: format!("{seed}:{start}:{}", random.below(5)).into(), quota, take }
}

/// Steps of microseconds, milliseconds, seconds, and now and then of minutes.
fn random_scale(random: &mut Random) -> u64 {
    match random.below(10) {
        0..3 => 3,
        3..6 => 3_000,
        6..9 => 3_000_000,
        _ => 300_000_000,
    }
}
