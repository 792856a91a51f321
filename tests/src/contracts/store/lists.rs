//! Oldest first, page by page, by kind or by tag.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::ports::Clock;
use portcullis_server::world::store::{Commit, Draft, Expect, Kind, Listing, Store, StoreError};

use super::{Replicas, at, draft};

/// The ids on each page.
async fn pages(store: &dyn Store, tag: Option<&str>, limit: u32) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let listing = Listing { kind: Kind::Session, tag, limit, cursor: cursor.as_deref() };
        let page = store.list(listing).await.unwrap();
        pages.push(page.records.iter().map(|record| record.id.to_string()).collect());
        cursor = page.next;
        if cursor.is_none() {
            return pages;
        }
    }
}

async fn keep(store: &dyn Store, id: &str, created: i64, tags: &[&str]) {
    let tags = tags.iter().map(|tag| Arc::from(*tag)).collect();
    let record = Draft { tags, created_at: at(created), ..draft(id, "{}") };
    store.commit(Commit::put(record, Expect::Any)).await.unwrap();
}

pub async fn lists_in_order_page_by_page(replicas: Replicas) {
    let (one, two) = (&*replicas.one, &*replicas.two);
    assert_eq!(pages(two, None, 2).await, [Vec::<String>::new()]);
    // Three share an instant: the id orders them, by its bytes.
    for (id, created, tags) in [
        ("c", 2, &["even"][..]),
        ("Z", 2, &["even", "last"]),
        ("ä", 2, &["even"]),
        ("late", 9, &["odd"]),
        ("before 1970", -3, &["odd"]),
        ("b", 1, &["odd"]),
    ] {
        keep(one, id, created, tags).await;
    }
    assert_eq!(pages(two, None, 2).await, [vec!["before 1970", "b"], vec!["Z", "c"], vec!["ä", "late"]]);
    assert_eq!(pages(two, None, 6).await.len(), 1);
    assert_eq!(pages(two, Some("odd"), 2).await, [vec!["before 1970", "b"], vec!["late"]]);
    assert_eq!(pages(two, Some("last"), 0).await, [["Z"]]);
    assert_eq!(pages(two, Some("eve"), 9).await, [Vec::<String>::new()]);
    for cursor in ["", "1", "x.k0", ".", "99999999999999999999.k"] {
        let listing = Listing::of(Kind::Session).after(Some(cursor));
        assert_eq!(two.list(listing).await, Err(StoreError::Cursor), "{cursor}");
    }
    assert_eq!(two.list(Listing::of(Kind::Lease)).await.unwrap().records, []);

    // A page holds no more than memory should.
    for n in 0..6 {
        let record = Draft { body: Bytes::from(vec![b'x'; Draft::LARGEST_BODY]), ..draft(&format!("large {n}"), "") };
        one.commit(Commit::put(Draft { tags: vec!["large".into()], ..record }, Expect::Any)).await.unwrap();
    }
    let sizes: Vec<usize> = pages(two, Some("large"), 100).await.iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 2]);
}

pub async fn moves_a_record_with_its_tags(replicas: Replicas) {
    let (one, two) = (&*replicas.one, &*replicas.two);
    keep(one, "a", 1, &["x", "y"]).await;
    keep(one, "b", 2, &["x"]).await;
    keep(two, "a", 3, &["y", "z"]).await;
    assert_eq!(pages(one, None, 9).await, [["b", "a"]]);
    assert_eq!(pages(one, Some("x"), 9).await, [["b"]]);
    for tag in ["y", "z"] {
        assert_eq!(pages(one, Some(tag), 9).await, [["a"]], "{tag}");
    }
    two.commit(Commit::remove(Kind::Session, "a".into(), Expect::Any)).await.unwrap();
    for tag in ["y", "z"] {
        assert_eq!(pages(one, Some(tag), 9).await, [Vec::<String>::new()], "{tag}");
    }
    assert_eq!(pages(one, None, 9).await, [["b"]]);
}

pub async fn lists_nothing_that_has_expired_and_sweeps_it(replicas: Replicas) {
    let (one, two) = (&*replicas.one, &*replicas.two);
    let end = replicas.clock.now().wall.plus(Duration::from_secs(10));
    for n in 0..150 {
        let record = Draft {
            tags: vec!["t".into()],
            created_at: at(n),
            expires_at: (n % 50 != 0).then_some(end),
            ..draft(&format!("{n}"), "{}")
        };
        one.commit(Commit::put(record, Expect::Any)).await.unwrap();
    }
    assert_eq!(pages(two, None, 1_000).await.concat().len(), 150);
    assert_eq!(two.sweep().await, Ok(0), "nothing has ended yet");
    replicas.clock.advance(Duration::from_secs(10));
    assert_eq!(pages(two, None, 2).await, [vec!["0", "50"], vec!["100"]]);
    assert_eq!(pages(two, Some("t"), 1_000).await, [["0", "50", "100"]]);
    // One that has ended may be there again, and then stays.
    one.commit(Commit::put(draft("7", "again"), Expect::Absent)).await.unwrap();
    let mut swept = 0;
    loop {
        match two.sweep().await.unwrap() {
            0 => break,
            some => swept += some,
        }
    }
    assert_eq!(swept, 146);
    assert_eq!(pages(one, None, 1_000).await.concat(), ["0", "7", "50", "100"]);
}
