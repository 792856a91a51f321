//! What do many API keys cost? The start of the built program on a store that holds them, its memory, and one look-up.
//!
//! `cargo run -p portcullis-tests --example many_keys -- sqlite 10000 1000000`, or `redis`, with the program built before
//! in the same profile; docs/performance.md has the figures.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a tool for measuring"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::config::StoreConfig;
use portcullis_core::identify::{KeyRecord, KeyTerms, KeyText, Secret};
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use portcullis_server::world;
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::store::{Commit, Draft, Expect, Kind, NewKey, Stored, Write};
use portcullis_tests::binary;
use portcullis_tests::program::Program;
use portcullis_tests::random::Random;
use portcullis_tests::redis::Redis;
use portcullis_tests::site::Setup;
use tokio::net::TcpStream;

/// Keys that are asked with, spread evenly over all.
const ASKED: usize = 2_000;

/// A key to be made, and its text.
fn key(random: &mut Random, now: Moment) -> (String, NewKey) {
    let mut drawn = [0; 96];
    drawn.fill_with(|| u8::try_from(random.below(256)).expect("a byte"));
    let minted = KeyText::mint("live", &drawn[..32], &drawn[32..]).expect("a key");
    let key = NewKey {
        id: minted.id,
        name: "one of many".to_owned(),
        owner: "everybody".to_owned(),
        roles: vec!["readers".to_owned()],
        scopes: Vec::new(),
        metadata: serde_json::Map::new(),
        hash: minted.hash,
        created_at: now,
        expires_at: Some(now.plus(Duration::from_hours(24 * 90))),
        terms: KeyTerms::default(),
    };
    (minted.text.expose().to_owned(), key)
}

/// Makes one key as the admin API does, and the others like it, many to a change and without a word in the audit log: a
/// disk that is written for each would be what is measured. The texts of some.
async fn fill(stored: &Stored, count: usize) -> Vec<String> {
    let (now, mut random) = (SystemClock::start().now().wall, Random(7));
    let (text, first) = key(&mut random, now);
    let (id, mut texts) = (first.id.clone(), vec![text]);
    stored.keys.create(first, "many-keys").await.unwrap();
    let like = stored.records().read(Kind::ApiKey, &id).await.unwrap().expect("the first key");
    let like_body: KeyRecord = serde_json::from_slice(&like.body).expect("a key");
    let every = (count / ASKED).max(1);
    let mut made = 1;
    while made < count {
        let mut writes = Vec::new();
        while writes.len() < Commit::MOST_WRITES && made < count {
            let (text, NewKey { id, hash, .. }) = key(&mut random, now);
            if made % every == 0 && texts.len() < ASKED {
                texts.push(text);
            }
            let body = serde_json::to_vec(&KeyRecord { id: id.clone(), hash, ..like_body.clone() }).expect("JSON");
            let record = Draft { id: id.into(), ..like.with(body.into()) };
            writes.push(Write::Put { record, expect: Expect::Absent });
            made += 1;
        }
        stored.records().commit(Commit { writes, audit: None }).await.unwrap();
    }
    texts
}

/// Resident memory of a process, in MiB.
fn memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// Median and 99th percentile, in microseconds.
fn spread(mut times: Vec<Duration>) -> (u128, u128) {
    times.sort();
    (times[times.len() / 2].as_micros(), times[times.len() * 99 / 100].as_micros())
}

async fn measure(kind: &str, count: usize) {
    let redis = Redis::start().await;
    let setup = Setup::new()
        .server("max_requests_per_connection = 1000000")
        .section("[guard]\nmode = \"off\"\n")
        .route("api", "GET /api", "read", "authenticate = [\"api_key\"]\n");
    let url = if kind == "redis" { redis.url() } else { "sqlite:data/portcullis.db".to_owned() };
    let program = Program::lay(setup, Some(&format!("url = \"{url}\"\ntimeout = \"1s\""))).await;
    let root: &Path = program.ground.folder.path();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let config = StoreConfig { url: Secret::new(url), ..StoreConfig::default() };
    let stored = Stored::open(world::open(&config, root, &clock).await.unwrap()).await.unwrap();
    let texts = fill(&stored, count).await;
    stored.close().await;

    let began = Instant::now();
    let running = binary::spawn(root, &["run"]);
    // It listens when it is ready.
    while TcpStream::connect(program.https()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let started = began.elapsed();
    let pid = running.pid();
    let at_start = memory(pid);
    let mut client = program.client().await;
    let mut rounds = Vec::new();
    // From the store, then from memory.
    for _ in 0..2 {
        let mut times = Vec::new();
        for text in &texts {
            let began = Instant::now();
            let answer = client.get("/api", &[("x-api-key", text)]).await;
            times.push(began.elapsed());
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        rounds.push(spread(times));
    }
    let size = if kind == "redis" {
        let info: String = redis::cmd("INFO").arg("memory").query_async(&mut redis.behind().await).await.unwrap();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        used.trim().parse::<u64>().unwrap()
    } else {
        std::fs::metadata(root.join("data/portcullis.db")).unwrap().len()
    };
    println!(
        "| {kind} | {count} | {:.2} s | {at_start:.0} MiB | {:.0} MiB | {} / {} µs | {} / {} µs | {} MiB |",
        started.as_secs_f64(),
        memory(pid),
        rounds[0].0,
        rounds[0].1,
        rounds[1].0,
        rounds[1].1,
        size / 1024 / 1024,
    );
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().filter(|kind| kind == "redis" || kind == "sqlite").expect("`sqlite` or `redis`");
    println!("| store | keys | start | memory then | after all | first look-up, median / p99 | again | size |");
    println!("|---|---|---|---|---|---|---|---|");
    for count in arguments {
        measure(&kind, count.parse().expect("a number of keys")).await;
    }
}
