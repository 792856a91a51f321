use std::io::ErrorKind;
use std::time::Duration;

use futures::FutureExt;
use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::Wire;
use crate::outbox::MOST;

fn wired(buffer: usize) -> (Stream, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    (Wire::wrap(Box::new(ours)), theirs)
}

fn arrived(theirs: &mut DuplexStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1024];
    let read = theirs.read(&mut bytes).now_or_never()?.unwrap();
    bytes.truncate(read);
    Some(bytes)
}

#[tokio::test]
async fn sends_head_and_body_in_one_piece() {
    let (mut wire, mut theirs) = wired(1024);
    Wire::hold(&wire, true);
    wire.write_all(b"head ").await.unwrap();
    wire.flush().await.unwrap();
    assert_eq!(arrived(&mut theirs), None, "the head waits for the body");
    wire.write_all(b"body").await.unwrap();
    Wire::hold(&wire, false);
    wire.flush().await.unwrap();
    assert_eq!(arrived(&mut theirs).unwrap(), b"head body");
}

#[tokio::test]
async fn sends_at_once_where_nothing_follows() {
    let (mut wire, mut theirs) = wired(1024);
    wire.write_all(b"head").await.unwrap();
    wire.flush().await.unwrap();
    assert_eq!(arrived(&mut theirs).unwrap(), b"head");
}

#[tokio::test]
async fn keeps_the_order_where_the_body_is_too_long_to_wait() {
    let (mut wire, mut theirs) = wired(100);
    let body = vec![b'b'; MOST * 2];
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        all
    });
    Wire::hold(&wire, true);
    wire.write_all(b"head").await.unwrap();
    wire.write_all(&body).await.unwrap();
    wire.write_all(b"end").await.unwrap();
    Wire::hold(&wire, false);
    wire.flush().await.unwrap();
    drop(wire);
    let all = reader.await.unwrap();
    assert!(all == [&b"head"[..], &body, b"end"].concat());
}

#[tokio::test(start_paused = true)]
async fn ends_each_reading_in_which_nothing_comes_for_too_long() {
    let (mut wire, mut theirs) = wired(1024);
    Wire::limit_silence(&wire, Some(Duration::from_secs(3)));
    let mut bytes = [0; 16];
    for _ in 0..3 {
        let (read, said) = tokio::join!(wire.read(&mut bytes), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            theirs.write_all(b"word").await
        });
        assert_eq!((read.unwrap(), said.unwrap()), (4, ()));
    }
    assert!(!Wire::was_silent(&wire));

    let early = tokio::time::timeout(Duration::from_millis(2_900), wire.read(&mut bytes)).await;
    assert!(early.is_err());
    let late = tokio::time::timeout(Duration::from_millis(200), wire.read(&mut bytes)).await.unwrap();
    assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(Wire::was_silent(&wire));
}

#[tokio::test(start_paused = true)]
async fn waits_for_ever_where_it_is_not_told_how_long() {
    let (mut wire, _theirs) = wired(1024);
    Wire::limit_silence(&wire, Some(Duration::from_secs(3)));
    Wire::limit_silence(&wire, None);
    let read = tokio::time::timeout(Duration::from_hours(24), wire.read(&mut [0; 16])).await;
    assert!(read.is_err());
}
