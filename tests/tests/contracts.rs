//! The contract suites, run on every implementation.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests, and what they share")]

#[path = "contracts/counted_elsewhere.rs"]
mod counted_elsewhere;
#[path = "contracts/flat.rs"]
mod flat;
#[path = "contracts/outages.rs"]
mod outages;
#[path = "contracts/store.rs"]
mod store;
#[path = "contracts/tampered.rs"]
mod tampered;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::config::CountersConfig;
use portcullis_core::identify::Secret;
use portcullis_core::limit::{Charge, MemoryCounters, Quota, Verdict};
use portcullis_core::moment::Now;
use portcullis_core::ports::{Answer, Counters, StoreDown};
use portcullis_core::units::Span;
use portcullis_server::world::redis::{BreakerState, RedisCounters, TimeSource};
use portcullis_tests::contracts::counters::{
    STARTS, Steps, admits_exactly_the_limit, admits_the_limit_less_what_lies_unused, keeps_to_the_algorithm,
};
use portcullis_tests::redis::Redis;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// More than any loaded machine needs: these tests are about answers, not about time.
const PATIENT: Duration = Duration::from_secs(10);

/// What the configuration says when nothing is written.
const BUDGET: Duration = Duration::from_millis(50);

const SEEDS: u64 = 20;

fn open(server: &Redis, budget: Duration, time: TimeSource) -> RedisCounters {
    let config = CountersConfig { url: Secret::new(server.url()), timeout: Span(budget), ..CountersConfig::default() };
    RedisCounters::open(&config, Path::new(""), time, Handle::current()).unwrap()
}

/// One a second, three at once.
fn charges(key: &str) -> [Charge; 1] {
    let quota = Quota { requests: 60, window: Duration::from_mins(1), burst: 3 };
    [Charge::one(key.into(), quota)]
}

fn at(micros: u64) -> Now {
    Now { steady: Duration::from_micros(micros), ..Now::default() }
}

async fn ask(counters: &RedisCounters, key: &str, now: Now) -> Result<Verdict, StoreDown> {
    counters.charge(&charges(key), now).get().await.map(|verdicts| *verdicts.first().unwrap())
}

#[tokio::test]
async fn memory_keeps_to_the_algorithm() {
    for seed in 0..SEEDS {
        for start in STARTS {
            keeps_to_the_algorithm(&MemoryCounters::default(), seed, start, Steps::Forward).await;
        }
    }
}

#[tokio::test]
async fn redis_keeps_to_the_algorithm() {
    let server = Redis::start().await;
    let counters = open(&server, PATIENT, TimeSource::Caller);
    for seed in 0..SEEDS {
        for start in STARTS {
            keeps_to_the_algorithm(&counters, seed, start, Steps::Forward).await;
            keeps_to_the_algorithm(&counters, seed + SEEDS, start, Steps::BothWays).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_admits_exactly_the_limit() {
    let replicas: Vec<Arc<dyn Counters>> = vec![Arc::new(MemoryCounters::default())];
    admits_exactly_the_limit(&replicas, "key", 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_replicas_on_one_redis_admit_exactly_the_limit() {
    let server = Redis::start().await;
    let replica = || Arc::new(open(&server, PATIENT, TimeSource::Server)) as Arc<dyn Counters>;
    let replicas: Vec<_> = std::iter::repeat_with(replica).take(4).collect();
    for round in 0..3 {
        admits_exactly_the_limit(&replicas, &format!("round {round}"), 250).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_replicas_that_take_in_advance_never_admit_more_than_the_limit() {
    let server = Redis::start().await;
    let replica = || Arc::new(open(&server, PATIENT, TimeSource::Server)) as Arc<dyn Counters>;
    let replicas: Vec<_> = std::iter::repeat_with(replica).take(4).collect();
    for lease in [2, 10] {
        admits_the_limit_less_what_lies_unused(&replicas, &format!("by {lease}"), 250, lease).await;
    }
}

#[tokio::test]
async fn goes_by_the_time_of_the_server() {
    let server = Redis::start().await;
    let counters = open(&server, PATIENT, TimeSource::Server);
    for _ in 0..3 {
        assert!(ask(&counters, "key", at(0)).await.unwrap().allowed);
    }
    // A caller whose clock is an hour ahead earns nothing by it.
    let verdict = ask(&counters, "key", at(3_600_000_000)).await.unwrap();
    assert!(!verdict.allowed && verdict.retry_after <= Duration::from_secs(1), "{verdict:?}");
}

#[tokio::test]
async fn leaves_no_key_behind_for_longer_than_it_says_something() {
    let server = Redis::start().await;
    let counters = open(&server, PATIENT, TimeSource::Server);
    ask(&counters, "key", at(0)).await.unwrap();
    let left: i64 = redis::cmd("PTTL").arg("ptcl:{limit}:key").query_async(&mut server.behind().await).await.unwrap();
    assert!((1..=1_000).contains(&left), "{left}");
}

#[tokio::test]
async fn counts_a_cell_that_holds_nonsense_as_full() {
    let server = Redis::start().await;
    let counters = open(&server, PATIENT, TimeSource::Caller);
    let mut behind = server.behind().await;
    for nonsense in ["", "abc", "nan", "-nan", "inf", "-1", "1e300"] {
        let _: () = redis::cmd("SET").arg("ptcl:{limit}:key").arg(nonsense).query_async(&mut behind).await.unwrap();
        let refused = Verdict {
            allowed: false,
            taken: 0,
            remaining: 0,
            retry_after: Duration::from_secs(1),
            reset: Duration::from_secs(3),
        };
        assert_eq!(ask(&counters, "key", at(5_000_000)).await, Ok(refused), "{nonsense}");
        assert!(ask(&counters, "key", at(6_000_000)).await.unwrap().allowed, "{nonsense}");
    }
    let _: () = redis::cmd("DEL").arg("ptcl:{limit}:key").query_async(&mut behind).await.unwrap();
    let _: () = redis::cmd("RPUSH").arg("ptcl:{limit}:key").arg("1").query_async(&mut behind).await.unwrap();
    assert!(ask(&counters, "key", at(7_000_000)).await.is_err());
}

#[tokio::test]
async fn brings_its_script_along_when_the_server_has_lost_it() {
    let server = Redis::start().await;
    let counters = open(&server, PATIENT, TimeSource::Caller);
    assert_eq!(ask(&counters, "key", at(0)).await.unwrap().remaining, 2);
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut server.behind().await).await.unwrap();
    assert_eq!(ask(&counters, "key", at(0)).await.unwrap().remaining, 1);
}

/// Fails five times, then at once; then comes back by itself when `restore` has made the server answer.
async fn gives_up_and_recovers(counters: &RedisCounters, restore: impl AsyncFnOnce()) {
    for failure in 0..5 {
        assert!(ask(counters, "key", at(0)).await.is_err(), "failure {failure}");
    }
    assert_eq!(counters.state(), BreakerState::Open);
    let charges = charges("key");
    assert!(matches!(counters.charge(&charges, at(0)), Answer::Ready(Err(_))), "it waits while open");
    restore().await;
    // Time moves a second with each question; probes run beside.
    let recovered = async {
        let mut seconds = 1;
        while ask(counters, "key", at(seconds * 1_000_000)).await.is_err() {
            tokio::task::yield_now().await;
            seconds += 1;
        }
    };
    timeout(PATIENT, recovered).await.unwrap();
    assert_eq!(counters.state(), BreakerState::Closed);
}

#[tokio::test]
async fn starts_without_a_server_and_finds_it_later() {
    let mut server = Redis::start().await;
    server.kill().await;
    let counters = open(&server, BUDGET, TimeSource::Server);
    assert!(counters.reach().await.is_err());
    gives_up_and_recovers(&counters, async || server.restart().await).await;
    assert_eq!(counters.reach().await, Ok(()));
}

#[tokio::test]
async fn fails_within_its_budget_when_the_server_is_gone_and_recovers() {
    let mut server = Redis::start().await;
    let counters = open(&server, Duration::from_secs(1), TimeSource::Server);
    assert!(ask(&counters, "key", at(0)).await.unwrap().allowed);
    server.kill().await;
    gives_up_and_recovers(&counters, async || server.restart().await).await;
}

#[tokio::test]
async fn fails_within_its_budget_when_the_server_hangs_and_recovers() {
    let server = Redis::start().await;
    let counters = open(&server, BUDGET, TimeSource::Server);
    counters.reach().await.unwrap();
    server.pause().await;
    // Five times 50 ms, with room for a loaded machine; without a budget it would hang.
    timeout(Duration::from_secs(5), gives_up_and_recovers(&counters, async || server.resume().await)).await.unwrap();
}
