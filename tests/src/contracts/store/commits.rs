//! All or nothing, and only where what was expected stands there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use portcullis_core::ports::Clock;
use portcullis_server::world::store::{AuditVerdict, Commit, Draft, Expect, Kind, StoreError, Write, audit};

use super::{Replicas, at, body, draft, put, read, word};

pub async fn writes_only_what_was_expected(replicas: Replicas) {
    let (one, two) = (&*replicas.one, &*replicas.two);
    assert_eq!(one.commit(put("a", "1", Expect::Version(1))).await, Err(StoreError::Conflict));
    let first = one.commit(put("a", "1", Expect::Absent)).await.unwrap();
    assert_eq!(two.commit(put("a", "2", Expect::Absent)).await, Err(StoreError::Conflict));
    let second = two.commit(put("a", "2", Expect::Version(first))).await.unwrap();
    assert!(second > first);
    assert_eq!(one.commit(put("a", "3", Expect::Version(first))).await, Err(StoreError::Conflict));
    assert_eq!(body(one, "a").await.as_deref(), Some("2"));
    let id: Arc<str> = Arc::from("a");
    let remove = |expect| Commit::remove(Kind::Session, Arc::clone(&id), expect);
    assert_eq!(one.commit(remove(Expect::Version(first))).await, Err(StoreError::Conflict));
    two.commit(remove(Expect::Version(second))).await.unwrap();
    assert_eq!(read(one, "a").await, None);
    one.commit(remove(Expect::Any)).await.unwrap();
    let third = one.commit(put("a", "4", Expect::Any)).await.unwrap();
    assert!(third > second, "a version is never given twice");
    let record = read(two, "a").await.unwrap();
    assert_eq!((record.version, &*record.body), (third, &b"4"[..]));
    assert_eq!(two.read(Kind::Lease, "a").await, Ok(None), "ids are of a kind");
}

pub async fn makes_all_of_a_commit_or_nothing(replicas: Replicas) {
    let (one, two) = (&*replicas.one, &*replicas.two);
    one.commit(put("taken", "old", Expect::Any)).await.unwrap();
    let before = one.audit_head().await.unwrap();
    let write = |id: &str, expect| Write::Put { record: Draft { tags: vec!["t".into()], ..draft(id, "new") }, expect };
    for at_place in 0..3 {
        let mut writes = vec![write("a", Expect::Any), write("b", Expect::Absent)];
        writes.insert(at_place, write("taken", Expect::Absent));
        let commit = Commit { writes, audit: Some(word("never")) };
        assert_eq!(one.commit(commit).await, Err(StoreError::Conflict));
    }
    for id in ["a", "b"] {
        assert_eq!(read(two, id).await, None);
    }
    assert_eq!(body(two, "taken").await.as_deref(), Some("old"));
    assert_eq!(two.audit_head().await, Ok(before));
    let writes = vec![write("a", Expect::Any), write("taken", Expect::Any), write("b", Expect::Absent)];
    let version = one.commit(Commit { writes, audit: Some(word("once")) }).await.unwrap();
    for id in ["a", "b", "taken"] {
        assert_eq!(read(two, id).await.map(|record| record.version), Some(version));
    }
    assert_eq!(two.audit(before.seq, 10).await.unwrap().len(), 1);
}

pub async fn keeps_bodies_and_ids_as_they_are(replicas: Replicas) {
    let (one, two) = (&*replicas.one, &*replicas.two);
    let tags: Vec<Arc<str>> = ["user:a|b", "sid:\u{1F511} \n", "\"'%{}:"].map(Arc::from).to_vec();
    for id in ["x", "with space", "ü:{store}:*", "\"quoted\"", "a|b\n", &"l".repeat(Draft::LONGEST_ID)] {
        let record = Draft {
            body: Bytes::from(vec![0xff; 3]),
            tags: tags.clone(),
            created_at: at(-5),
            expires_at: Some(replicas.clock.now().wall.plus(Duration::from_secs(1))),
            ..draft(id, "")
        };
        let version = one.commit(Commit::put(record.clone(), Expect::Absent)).await.unwrap();
        let kept = read(two, id).await.unwrap();
        assert_eq!((kept.version, kept.with(kept.body.clone())), (version, record));
    }
    let large = Draft { body: Bytes::from(vec![b'x'; Draft::LARGEST_BODY]), ..draft("large", "") };
    one.commit(Commit::put(large.clone(), Expect::Any)).await.unwrap();
    assert_eq!(read(two, "large").await.unwrap().body, large.body);
    let ids = ["large", "none", "x"].map(Arc::from);
    let found: Vec<bool> = two.read_all(Kind::Session, &ids).await.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(found, [true, false, true]);
    assert_eq!(two.read_all(Kind::Session, &[]).await, Ok(vec![]));
}

pub async fn refuses_what_is_beyond_its_bounds(replicas: Replicas) {
    let one = &*replicas.one;
    let many = (0..65).map(|n| Write::Put { record: draft(&n.to_string(), ""), expect: Expect::Any }).collect();
    let twice = vec![Write::Put { record: draft("a", ""), expect: Expect::Any }; 2];
    let record = |record| Commit::put(record, Expect::Any);
    for commit in [
        Commit { writes: many, audit: None },
        Commit { writes: twice, audit: None },
        record(draft("", "")),
        record(draft("a\0b", "")),
        record(draft(&"l".repeat(Draft::LONGEST_ID + 1), "")),
        record(Draft { body: Bytes::from(vec![0; Draft::LARGEST_BODY + 1]), ..draft("a", "") }),
        record(Draft { tags: (0..9).map(|n| n.to_string().into()).collect(), ..draft("a", "") }),
        record(Draft { tags: vec!["t".into(); 2], ..draft("a", "") }),
        record(Draft { tags: vec!["".into()], ..draft("a", "") }),
    ] {
        assert!(matches!(one.commit(commit).await, Err(StoreError::Unfit(_))));
    }
    assert_eq!(read(one, "a").await, None);
}

/// Two replicas, each with many at once, on one number.
pub async fn counts_without_a_lost_update(replicas: Replicas) {
    replicas.one.commit(put("n", "0", Expect::Absent)).await.unwrap();
    let add = async |store: Arc<dyn portcullis_server::world::store::Store>| {
        for _ in 0..10 {
            loop {
                let record = read(&*store, "n").await.unwrap();
                let number: u32 = std::str::from_utf8(&record.body).unwrap().parse().unwrap();
                let next = put("n", &(number + 1).to_string(), Expect::Version(record.version));
                match store.commit(next.audited(word("add"))).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let writers = (0..8).map(|n| add(Arc::clone(if n % 2 == 0 { &replicas.one } else { &replicas.two })));
    join_all(writers).await;
    assert_eq!(body(&*replicas.one, "n").await.as_deref(), Some("80"));
    assert_eq!(replicas.two.audit_head().await.unwrap().seq, 80);
}

pub async fn keeps_one_chain_whoever_writes(replicas: Replicas) {
    let empty = audit::verify(&*replicas.one).await;
    assert_eq!(empty, Ok(AuditVerdict::Whole { rows: 0, head: [0; 32] }));
    let writes = (0..60).map(|n| {
        let store = if n % 2 == 0 { &replicas.one } else { &replicas.two };
        let mut entry = word("write");
        // Every length of a padded block.
        entry.subject = "s".repeat(n);
        entry.before = (n % 3 == 0).then_some([9; 32]);
        store.commit(put(&n.to_string(), "x", Expect::Absent).audited(entry))
    });
    assert!(join_all(writes).await.into_iter().all(|written| written.is_ok()));
    for store in [&replicas.one, &replicas.two] {
        assert!(matches!(audit::verify(&**store).await, Ok(AuditVerdict::Whole { rows: 60, .. })));
        let rows = store.audit(57, 2).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [58, 59]);
        assert_eq!((&*rows[0].actor, &*rows[0].action, rows[0].after), ("alice ü", "write", Some([3; 32])));
    }
}

pub async fn gives_a_lease_to_one_and_again_when_it_ends(replicas: Replicas) {
    let claim = |holder: &str| {
        let now = replicas.clock.now().wall;
        let end = Some(now.plus(Duration::from_secs(10)));
        let record = Draft { kind: Kind::Lease, created_at: now, expires_at: end, ..draft("refresh", holder) };
        Commit::put(record, Expect::Absent)
    };
    for round in 0..3 {
        let claims = (0..10).map(|n| {
            let store = if n % 2 == 0 { &replicas.one } else { &replicas.two };
            store.commit(claim("holder"))
        });
        let won = join_all(claims).await.into_iter().flatten().count();
        assert_eq!(won, 1, "round {round}");
        replicas.clock.advance(Duration::from_millis(9_999));
        assert_eq!(replicas.two.commit(claim("early")).await, Err(StoreError::Conflict));
        replicas.clock.advance(Duration::from_millis(1));
        assert_eq!(replicas.two.read(Kind::Lease, "refresh").await, Ok(None), "it is gone at its end");
    }
}

pub async fn stops_when_it_is_closed(replicas: Replicas) {
    replicas.one.commit(put("a", "1", Expect::Any)).await.unwrap();
    replicas.one.close().await;
    assert_eq!(replicas.one.commit(put("a", "2", Expect::Any)).await, Err(StoreError::Stopped));
    assert_eq!(replicas.one.read(Kind::Session, "a").await, Err(StoreError::Stopped));
    assert_eq!(body(&*replicas.two, "a").await.as_deref(), Some("1"), "the other goes on");
}
