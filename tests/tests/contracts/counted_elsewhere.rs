//! The server of shared counters changes: Sentinels name another, a cluster moves the slot.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::config::{CountersConfig, StoreMode};
use portcullis_core::identify::Secret;
use portcullis_core::limit::{Charge, Quota};
use portcullis_core::moment::Now;
use portcullis_core::ports::{Clock, Counters};
use portcullis_core::units::Span;
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::redis::{RedisCounters, TimeSource};
use portcullis_tests::redis::Redis;
use portcullis_tests::redis::topology::{Cluster, Watched};
use portcullis_tests::within;
use tokio::runtime::Handle;

/// What may be had of one key in all; nothing comes back while a test runs.
const MOST: u64 = 500;

fn quota() -> Quota {
    Quota { requests: MOST, window: Duration::from_hours(24), burst: MOST }
}

fn open(config: &CountersConfig) -> Arc<RedisCounters> {
    Arc::new(RedisCounters::open(config, Path::new(""), TimeSource::Server, Handle::current()).unwrap())
}

/// Whether one more was had; `None` where the server could not be asked.
async fn one(counters: &RedisCounters, keys: &[&str], now: Now) -> Option<bool> {
    let charges: Vec<Charge> = keys.iter().map(|key| Charge::one((*key).into(), quota())).collect();
    let verdicts = counters.charge(&charges, now).get().await.ok()?;
    Some(verdicts.iter().all(|verdict| verdict.allowed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_on_the_move_gives_nobody_more_than_the_limit() {
    let cluster = Cluster::start().await;
    let config = CountersConfig {
        url: Secret::new(cluster.nodes[0].url()),
        mode: StoreMode::Cluster,
        timeout: Span(Duration::from_secs(5)),
        ..CountersConfig::default()
    };
    let clock = Arc::new(SystemClock::start());
    let (replicas, end) = ([open(&config), open(&config)], Arc::new(AtomicBool::new(false)));
    let had: Arc<[AtomicU64; 3]> = Arc::default();
    let mut writers = Vec::new();
    for (writer, counters) in replicas.iter().cycle().take(4).enumerate() {
        let (counters, end, had, clock) =
            (Arc::clone(counters), Arc::clone(&end), Arc::clone(&had), Arc::clone(&clock));
        writers.push(tokio::spawn(async move {
            let mut turn = writer;
            while !end.load(Ordering::Acquire) {
                turn += 1;
                let keys: &[&str] = if turn % 3 == 0 { &["a", "b"] } else { &["a"] };
                if one(&counters, keys, clock.now()).await == Some(true) {
                    had[0].fetch_add(1, Ordering::AcqRel);
                    had[1].fetch_add(u64::from(keys.len() > 1), Ordering::AcqRel);
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    // Keys enough that the move takes its time.
    for n in 0..50 {
        assert_eq!(one(&replicas[0], &[&format!("still {n}")], clock.now()).await, Some(true));
    }
    for _ in 0..2 {
        let mut turn = 0_u32;
        let moving = cluster.move_slot("ptcl:{limit}:probe", async || {
            turn += 1;
            let (moved, new) = (format!("still {}", turn % 50), format!("new {turn}"));
            // Wherever it is now, and one that is nowhere yet.
            for key in [moved, new] {
                assert_eq!(one(&replicas[1], &[&key], clock.now()).await, Some(true), "{key}");
            }
            had[2].fetch_add(1, Ordering::AcqRel);
        });
        moving.await;
        for counters in &replicas {
            within("both keys after the move", async {
                while one(counters, &["c", "d"], clock.now()).await.is_none() {}
            })
            .await;
        }
    }
    within("the limit to be reached", async {
        while had[0].load(Ordering::Acquire) < MOST {
            tokio::task::yield_now().await;
        }
    })
    .await;
    end.store(true, Ordering::Release);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(had[0].load(Ordering::Acquire), MOST, "what had been had was known wherever the key went");
    assert!(had[1].load(Ordering::Acquire) <= MOST && had[2].load(Ordering::Acquire) > 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_name_another_server_and_counting_goes_on_there() {
    let mut watched = Watched::start().await;
    let config = CountersConfig {
        // The first knows nothing: the second is asked.
        url: Secret::new("redis://127.0.0.1:1"),
        mode: StoreMode::Sentinel,
        nodes: vec![format!("127.0.0.1:{}", watched.sentinel.port())],
        master: Some(Watched::NAME.to_owned()),
        timeout: Span(Duration::from_millis(200)),
        ..CountersConfig::default()
    };
    let (counters, clock) = (open(&config), SystemClock::start());
    let mut had = 0;
    within("a first answer", async { while one(&counters, &["key"], clock.now()).await.is_none() {} }).await;
    for _ in 1..MOST / 2 {
        had += u64::from(one(&counters, &["key"], clock.now()).await == Some(true));
    }
    within("the replica to have it all", async {
        loop {
            let (mut server, mut replica) = (watched.server.behind().await, watched.replica.behind().await);
            let mut read = redis::cmd("GET");
            read.arg("ptcl:{limit}:key");
            let there: Option<String> = read.query_async(&mut server).await.unwrap();
            if there.is_some() && there == read.query_async(&mut replica).await.unwrap() {
                break;
            }
        }
    })
    .await;
    watched.server.kill().await;
    let mut failed = false;
    within("the limit to be reached elsewhere", async {
        loop {
            match one(&counters, &["key"], clock.now()).await {
                None => failed = true,
                Some(true) => had += 1,
                Some(false) => break,
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(failed, "nobody could be asked while the servers changed");
    // The first answer was one more; each failure may have been one that nobody was told of.
    assert!((MOST / 2..MOST).contains(&had), "{had}: the new server knows what had been had");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_over_tls_as_a_user_and_trusts_no_server_that_nobody_vouches_for() {
    portcullis_server::world::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let (ca, cert, key) = portcullis_tests::redis::certificates(folder.path());
    let [authority, cert, key] = [&ca, &cert, &key].map(|path| path.display().to_string());
    let settings = ["--save", "", "--tls-port", "{port}", "--tls-cert-file", &cert, "--tls-key-file", &key];
    let settings = [&settings[..], &["--tls-ca-cert-file", &authority, "--tls-auth-clients", "no"]].concat();
    let user = ["--user", "gateway", "on", ">hunter2", "~ptcl:*", "+@all", "--user", "default", "off"];
    let server = Redis::start_with(&[&settings[..], &user].concat()).await;
    let url = format!("rediss://gateway:hunter2@127.0.0.1:{}", server.tls_port());
    let timeout = Span(Duration::from_secs(5));
    let config = CountersConfig { url: Secret::new(&url), ca: Some(ca), timeout, ..CountersConfig::default() };
    let now = SystemClock::start().now();
    assert_eq!(one(&open(&config), &["key"], now).await, Some(true));
    let wrong = CountersConfig { url: Secret::new(url.replace("hunter2", "hunter3")), ..config.clone() };
    let nobody = CountersConfig { ca: None, ..config };
    for config in [wrong, nobody] {
        let counters = open(&config);
        assert!(counters.reach().await.is_err());
        assert_eq!(one(&counters, &["key"], now).await, None);
    }
}
