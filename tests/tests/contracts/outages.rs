//! The server of a Redis store goes away, changes, or asks who we are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::config::{StoreConfig, StoreMode};
use portcullis_core::identify::KeyTerms;
use portcullis_core::identify::Secret;
use portcullis_core::moment::Moment;
use portcullis_core::ports::{Clock, Keys};
use portcullis_core::units::Span;
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::store::{
    AuditEntry, AuditVerdict, Changed, Commit, Draft, Expect, Freshness, Kind, NewKey, Store, StoreError, Stored, audit,
};
use portcullis_server::world::{self};
use portcullis_tests::clock::TestClock;
use portcullis_tests::redis::Redis;
use portcullis_tests::redis::topology::{Cluster, Watched};
use portcullis_tests::within;

use super::store::{config, replicas};

async fn open(config: &StoreConfig) -> Arc<dyn Store> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    world::open(config, Path::new("."), &clock).await.unwrap()
}

/// A number that is written as one more, with a word in the log.
fn next(id: &str, number: u64, expect: Expect) -> Commit {
    let record = Draft {
        kind: Kind::Session,
        id: id.into(),
        body: Bytes::from(number.to_string()),
        tags: vec!["t".into()],
        created_at: Moment::from_seconds(1),
        expires_at: None,
    };
    let (actor, subject, at) = ("test".to_owned(), format!("{id} {number}"), Moment::from_seconds(2));
    let entry = AuditEntry { at, actor, action: "next".into(), subject, before: None, after: None };
    Commit::put(record, expect).audited(entry)
}

async fn number(store: &dyn Store, id: &str) -> Result<Option<u64>, StoreError> {
    let record = store.read(Kind::Session, id).await?;
    Ok(record.map(|record| std::str::from_utf8(&record.body).unwrap().parse().unwrap()))
}

/// What one writer has been told.
#[derive(Debug, Default)]
struct Told {
    acknowledged: u64,
    /// The number whose fate is not known.
    doubtful: Option<u64>,
}

/// Writes 1, 2, 3 … and reads each back, until it shall end; every answer must fit what was told before.
async fn count_up(store: Arc<dyn Store>, id: String, end: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    while !end.load(Ordering::Acquire) {
        match number(&*store, &id).await {
            Ok(found) => {
                let found = found.unwrap_or_default();
                let possible = found == told.acknowledged || Some(found) == told.doubtful;
                assert!(possible, "{id}: found {found}, and was told {told:?}");
                told = Told { acknowledged: found, doubtful: told.doubtful.filter(|doubt| *doubt > found) };
            }
            Err(StoreError::Away(_)) => continue,
            Err(error) => panic!("{id}: {error}"),
        }
        let wanted = told.acknowledged + 1;
        match store.commit(next(&id, wanted, Expect::Any)).await {
            Ok(_) => told = Told { acknowledged: wanted, doubtful: None },
            Err(StoreError::Away(_)) => {}
            Err(StoreError::Doubtful(_)) => told.doubtful = Some(wanted),
            Err(error) => panic!("{id}: {error}"),
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_on_the_move_loses_nothing_and_answers_nothing_wrong() {
    let cluster = Cluster::start().await;
    // Not about time: a loaded machine may take more than 50 ms.
    let timeout = Span(Duration::from_secs(5));
    let config = StoreConfig { mode: StoreMode::Cluster, timeout, ..config(&cluster.nodes[0].url()) };
    let store = open(&config).await;
    for n in 0..30 {
        store.commit(next(&format!("still {n}"), n, Expect::Absent)).await.unwrap();
    }
    let end = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..4).map(|n| tokio::spawn(count_up(Arc::clone(&store), format!("writer {n}"), Arc::clone(&end)))).collect();
    for _ in 0..2 {
        let mut turn = 0_u64;
        cluster
            .move_slot("ptcl:{store}:seq", async || {
                turn += 1;
                // Wherever it is now, what stands there is found.
                let n = turn % 30;
                assert_eq!(number(&*store, &format!("still {n}")).await, Ok(Some(n)));
            })
            .await;
        within("a write after the move", async { while store.commit(next("after", 1, Expect::Any)).await.is_err() {} })
            .await;
    }
    end.store(true, Ordering::Release);
    for (n, writer) in writers.into_iter().enumerate() {
        let told = writer.await.unwrap();
        let found = number(&*store, &format!("writer {n}")).await.unwrap().unwrap();
        assert!(found > 1 && (found == told.acknowledged || Some(found) == told.doubtful), "{found}: {told:?}");
    }
    assert!(matches!(audit::verify(&*store).await, Ok(AuditVerdict::Whole { .. })));
    let (one, two) = (open(&config).await, open(&config).await);
    one.commit(next("seen by both", 1, Expect::Absent)).await.unwrap();
    assert_eq!(number(&*two, "seen by both").await, Ok(Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_name_another_server_and_the_store_goes_on_there() {
    let mut watched = Watched::start().await;
    let config = StoreConfig {
        mode: StoreMode::Sentinel,
        master: Some(Watched::NAME.to_owned()),
        // The first knows nothing: the second is asked.
        nodes: vec![format!("127.0.0.1:{}", watched.sentinel.port())],
        ..config("redis://127.0.0.1:1")
    };
    let store = open(&config).await;
    for n in 1..=20 {
        store.commit(next("n", n, Expect::Any)).await.unwrap();
    }
    within("the replica to have it all", async {
        loop {
            let mut replica = watched.replica.behind().await;
            let seq: Option<u64> = redis::cmd("GET").arg("ptcl:{store}:seq").query_async(&mut replica).await.unwrap();
            if seq == Some(20) {
                break;
            }
        }
    })
    .await;
    watched.server.kill().await;
    let found = async {
        loop {
            match store.commit(next("n", 21, Expect::Any)).await {
                Ok(_) => break,
                Err(StoreError::Away(_) | StoreError::Doubtful(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
    let read = async {
        loop {
            match number(&*store, "n").await {
                Err(StoreError::Away(_)) => tokio::task::yield_now().await,
                other => break other,
            }
        }
    };
    assert_eq!(within("an answer", read).await, Ok(Some(21)));
    assert!(matches!(audit::verify(&*store).await, Ok(AuditVerdict::Whole { rows, .. }) if rows >= 21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_keys_go_on_for_the_declared_time_and_a_revocation_shows_when_the_server_is_back() {
    let mut server = Redis::durable().await;
    let clock = Arc::new(TestClock::default());
    let config = StoreConfig { stale_for: Span(Duration::from_mins(1)), ..config(&server.url()) };
    let opened = world::open(&config, Path::new("."), &(Arc::clone(&clock) as Arc<dyn Clock>)).await.unwrap();
    let stored = Stored::open(Arc::clone(&opened)).await.unwrap();
    let key = NewKey {
        id: "abc".to_owned(),
        name: "k".to_owned(),
        owner: "o".to_owned(),
        roles: vec![],
        scopes: vec![],
        metadata: serde_json::Map::new(),
        hash: [1; 32],
        created_at: clock.now().wall,
        expires_at: None,
        terms: KeyTerms::default(),
    };
    let told = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&told);
    opened.hear(Box::new(move |changed| {
        let of_it = matches!(changed, Changed::One(_, id) if **id == *"abc");
        // Before it is made, all may have changed of which nobody knows yet.
        if of_it || count.load(Ordering::Acquire) > 0 {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }));
    stored.keys.create(key, "test").await.unwrap();
    // By whoever made it, and by the log of changes: what is read between the two is forgotten at the second.
    within("word of the key", async {
        while told.load(Ordering::Acquire) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ask = async |id: &str| stored.keys.key(id).get().await.map(|key| key.is_some());
    assert_eq!(ask("abc").await, Ok(true));
    server.kill().await;
    let becomes = async |freshness: Freshness| {
        within("another freshness", async {
            while opened.freshness() != freshness {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    clock.advance(Duration::from_secs(59));
    becomes(Freshness::Stale).await;
    assert_eq!(ask("abc").await, Ok(true), "it is known");
    assert!(ask("abd").await.is_err(), "nobody can say");
    clock.advance(Duration::from_secs(1));
    becomes(Freshness::Gone).await;
    assert!(ask("abc").await.is_err(), "it was known too long ago");
    server.restart().await;
    // Time moves a second with each look; the breaker asks once a second.
    within("the store to be back", async {
        while opened.freshness() != Freshness::Fresh {
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(ask("abc").await, Ok(true));
    stored.keys.revoke("abc", "test", clock.now().wall).await.unwrap().unwrap();
    let record = stored.keys.key("abc").get().await.unwrap().unwrap();
    assert!(record.revoked_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_a_user_over_tls_and_refuses_servers_that_nobody_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, leaf, key) = portcullis_tests::redis::certificates(folder.path());
    let (cert, key) = (leaf.display().to_string(), key.display().to_string());
    let authority = ca.display().to_string();
    let settings = [
        "--save",
        "",
        "--tls-port",
        "{port}",
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "no",
        "--user",
        "gateway",
        "on",
        ">hunter2",
        "~ptcl:*",
        "&ptcl:*",
        "+@all",
        "--user",
        "default",
        "off",
    ];
    let server = Redis::start_with(&settings).await;
    let url = format!("rediss://gateway:hunter2@127.0.0.1:{}", server.tls_port());
    let config = StoreConfig { ca: Some(ca.clone()), ..config(&url) };
    let replicas = replicas(&config, Path::new(".")).await;
    replicas.one.commit(next("a", 1, Expect::Absent)).await.unwrap();
    assert_eq!(number(&*replicas.two, "a").await, Ok(Some(1)));

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let wrong = StoreConfig { url: Secret::new(url.replace("hunter2", "hunter3")), ..config.clone() };
    let nobody = StoreConfig { ca: None, ..config };
    for config in [wrong, nobody] {
        let error = world::open(&config, Path::new("."), &clock).await.map(|_| ()).unwrap_err();
        assert!(error.starts_with("cannot use the store at `127.0.0.1:"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_version_has_written_is_refused_and_left_alone() {
    let server = Redis::start().await;
    let mut behind = server.behind().await;
    redis::cmd("SET").arg("ptcl:{store}:format").arg(99).query_async::<()>(&mut behind).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let error = world::open(&config(&server.url()), Path::new("."), &clock).await.map(|_| ()).unwrap_err();
    assert!(error.contains("it has format 99, and this version knows no format above 1"), "{error}");
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut behind).await.unwrap();
    assert_eq!(keys, ["ptcl:{store}:format"]);
}
