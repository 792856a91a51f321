use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Kept, MOST};

const NOW: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(20);

fn connection() -> (Stream, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(64);
    (Box::new(ours), theirs)
}

/// Whether our end was given up.
async fn is_closed(theirs: &mut DuplexStream) -> bool {
    theirs.write_all(b"?").await.is_err()
}

#[tokio::test]
async fn gives_the_one_that_was_used_last() {
    let kept = Kept::default();
    let (first, _theirs) = connection();
    let (second, mut asked) = connection();
    kept.put(first, LATER);
    kept.put(second, LATER);
    let mut taken = kept.take(NOW).unwrap();
    taken.write_all(b"hi").await.unwrap();
    let mut said = [0; 2];
    asked.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hi");
    assert!(kept.take(NOW).is_some());
    assert!(kept.take(NOW).is_none());
}

#[tokio::test]
async fn passes_over_what_is_no_longer_good() {
    let kept = Kept::default();
    let (closed, gone) = connection();
    let (chatty, mut talks) = connection();
    let (stale, mut old) = connection();
    kept.put(closed, LATER);
    kept.put(chatty, LATER);
    kept.put(stale, NOW);
    drop(gone);
    talks.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    assert!(kept.take(NOW).is_none());
    assert!(is_closed(&mut old).await);
}

#[tokio::test]
async fn sweeps_away_what_nobody_took() {
    let kept = Kept::default();
    let (stale, mut old) = connection();
    let (closed, gone) = connection();
    let (good, mut open) = connection();
    kept.put(stale, NOW);
    kept.put(closed, LATER);
    kept.put(good, LATER);
    drop(gone);
    kept.sweep(NOW);
    assert!(is_closed(&mut old).await);
    assert!(!is_closed(&mut open).await);
    kept.clear();
    assert!(is_closed(&mut open).await);
}

#[tokio::test]
async fn keeps_no_more_than_it_may() {
    let kept = Kept::default();
    let mut theirs = Vec::new();
    for _ in 0..=MOST {
        let (ours, other) = connection();
        kept.put(ours, LATER);
        theirs.push(other);
    }
    assert!(is_closed(&mut theirs[MOST]).await);
    assert!(!is_closed(&mut theirs[0]).await);
}
