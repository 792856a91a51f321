use std::future::poll_fn;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWrite};

use super::{MOST, Outbox};

async fn emptied(mut outbox: Outbox, buffer: usize) -> Vec<u8> {
    let (mut ours, mut theirs) = tokio::io::duplex(buffer);
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        all
    });
    poll_fn(|cx| outbox.poll_empty(Pin::new(&mut ours as &mut (dyn AsyncWrite + Unpin)), cx)).await.unwrap();
    assert_eq!(outbox.take(b"room"), 4, "it is empty again");
    drop(ours);
    reader.await.unwrap()
}

#[tokio::test]
async fn gives_all_of_it_in_order_however_slowly_it_is_taken() {
    let mut outbox = Outbox::default();
    assert_eq!(outbox.take(b"head "), 5);
    assert_eq!(outbox.take(&[b'b'; 5000]), 5000);
    assert_eq!(emptied(outbox, 7).await, [&b"head "[..], &[b'b'; 5000]].concat());
}

#[test]
fn is_no_longer_than_a_record() {
    let mut outbox = Outbox::default();
    assert_eq!(outbox.take(&[0; MOST]), 0, "what fills a record needs no waiting");
    assert_eq!(outbox.take(&[0; 10]), 10);
    assert_eq!(outbox.take(&[0; MOST]), MOST - 10);
    assert_eq!(outbox.take(&[0; 1]), 0);
}

#[tokio::test]
async fn an_end_that_takes_nothing_is_an_error() {
    let mut outbox = Outbox::default();
    outbox.take(b"head");
    let mut nothing = [0; 0];
    let mut full = std::io::Cursor::new(&mut nothing[..]);
    let error = poll_fn(|cx| outbox.poll_empty(Pin::new(&mut full), cx)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
}
