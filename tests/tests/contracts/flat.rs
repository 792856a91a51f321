//! Does one more key cost nothing to the others? Counted in what the server is asked for, not in time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::config::StoreConfig;
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use portcullis_core::units::Span;
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::store::{Commit, Draft, Expect, Kind, Store, Stored, Write};
use portcullis_server::world::{self};
use portcullis_tests::redis::Redis;

/// As every other, but in no hurry: here it is counted what is asked, not how fast it is answered.
fn config(url: &str) -> StoreConfig {
    StoreConfig { timeout: Span(Duration::from_secs(5)), ..super::store::config(url) }
}

const LOOK_UPS: u64 = 20;

async fn fill(store: &dyn Store, ids: std::ops::Range<u32>) {
    let put = |id: u32| Write::Put {
        record: Draft {
            kind: Kind::ApiKey,
            id: format!("{id:012}").into(),
            body: Bytes::from_static(b"{}"),
            tags: vec!["owner:o".into()],
            created_at: Moment::from_seconds(i64::from(id)),
            expires_at: None,
        },
        expect: Expect::Absent,
    };
    let ids: Vec<u32> = ids.collect();
    for ids in ids.chunks(Commit::MOST_WRITES) {
        let writes = ids.iter().map(|id| put(*id)).collect();
        store.commit(Commit { writes, audit: None }).await.unwrap();
    }
}

/// How often each command was called, but for those by which changes are followed all the time.
async fn asked(server: &Redis) -> Vec<String> {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut server.behind().await).await.unwrap();
    let calls = info.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some(format!("{name} {}", rest.split(',').next()?))
    });
    let followed = ["get ", "zrangebyscore ", "subscribe ", "info ", "config|resetstat "];
    let connecting = ["client|", "hello ", "ping "];
    let ours = calls.filter(|call| !followed.iter().chain(&connecting).any(|other| call.starts_with(other)));
    let mut ours: Vec<String> = ours.collect();
    ours.sort();
    ours
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_is_one_question_among_a_hundred_and_among_ten_thousand_and_a_start_asks_for_none() {
    let server = Redis::start().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let mut there = 0;
    let mut told = Vec::new();
    for count in [100_u32, 10_000] {
        let filling = world::open(&config(&server.url()), Path::new("."), &clock).await.unwrap();
        fill(&*filling, there..count).await;
        there = count;
        filling.close().await;
        let reset = async || {
            let mut reset = redis::cmd("CONFIG");
            reset.arg("RESETSTAT").query_async::<()>(&mut server.behind().await).await.unwrap();
        };
        reset().await;
        let opened = world::open(&config(&server.url()), Path::new("."), &clock).await.unwrap();
        let stored = Stored::open(Arc::clone(&opened)).await.unwrap();
        let start = asked(&server).await;
        reset().await;
        for look_up in 0..LOOK_UPS {
            let id = format!("{:012}", look_up * u64::from(count) / LOOK_UPS);
            assert!(opened.read(Kind::ApiKey, &id).await.unwrap().is_some(), "{id}");
        }
        let look_ups = asked(&server).await;
        assert_eq!(look_ups, [format!("hmget {LOOK_UPS}")], "of {count}");
        told.push(start);
        stored.close().await;
    }
    assert_eq!(told[0], told[1], "a start asks no more of many keys than of few");
}
