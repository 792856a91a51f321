use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::Shutdown;
use portcullis_core::framing::ScanFault;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{Arrival, Guard, KEPT, Limits, STAND_IN, Stream};

/// The tests' own bound: nothing here takes so long.
const LONG: Duration = Duration::from_hours(1);
/// Over before the head is.
const SHORT: Duration = Duration::from_millis(20);

fn guarded(max_head: usize, limit: Duration) -> (DuplexStream, Stream) {
    let (client, server) = duplex(64 * 1024);
    let limits = Limits {
        handshake_timeout: LONG,
        header_timeout: limit,
        body_timeout: limit,
        keepalive_timeout: LONG,
        max_header_bytes: max_head,
    };
    (client, Guard::wrap(Box::new(server), &limits, &Arc::default()))
}

/// One read, of at most so many bytes.
async fn read(stream: &mut Stream, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; most];
    let length = stream.read(&mut bytes).await.unwrap();
    bytes.truncate(length);
    bytes
}

fn guard(stream: &Stream) -> &Guard {
    Guard::of(Some(stream)).unwrap()
}

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn nothing_of_a_head_is_given_out_before_it_is_whole() {
    let (mut client, mut stream) = guarded(512, LONG);
    for byte in &HEAD[..HEAD.len() - 1] {
        client.write_all(&[*byte]).await.unwrap();
        let mut byte = [0];
        let pending = futures::poll!(pin!(stream.read(&mut byte)));
        assert!(pending.is_pending());
    }
    client.write_all(&HEAD[HEAD.len() - 1..]).await.unwrap();
    assert_eq!(read(&mut stream, 512).await, HEAD);
    assert_eq!((guard(&stream).arrival(), guard(&stream).facts().fault), (Arrival::InTime, None));
}

#[tokio::test]
async fn a_head_is_given_out_in_as_small_pieces_as_are_asked_for() {
    let (mut client, mut stream) = guarded(512, LONG);
    client.write_all(HEAD).await.unwrap();
    let mut whole = Vec::new();
    while whole.len() < HEAD.len() {
        whole.extend(read(&mut stream, 3).await);
    }
    assert_eq!(whole, HEAD);
}

#[tokio::test]
async fn gives_the_head_and_what_came_with_it_once_more() {
    let (mut client, mut stream) = guarded(512, LONG);
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nbody";
    client.write_all(request).await.unwrap();
    assert_eq!(read(&mut stream, 20).await, request[..20]);
    let mut stream = Guard::rewound(stream).unwrap();
    assert_eq!(read(&mut stream, 512).await, request);
    client.write_all(b"more").await.unwrap();
    assert_eq!(read(&mut stream, 512).await, b"more");
    assert_eq!(guard(&stream).facts().fault, None, "nothing was counted twice");
}

#[tokio::test]
async fn a_connection_that_waits_has_no_long_head_in_memory() {
    for length in [10, KEPT * 4] {
        let (mut client, mut stream) = guarded(KEPT * 8, LONG);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(length));
        client.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read(&mut stream, KEPT * 8).await, head.as_bytes());
        guard(&stream).expect_head();
        let mut byte = [0];
        assert!(futures::poll!(pin!(stream.read(&mut byte))).is_pending());
        assert!(guard(&stream).held.capacity() <= KEPT);
        client.write_all(HEAD).await.unwrap();
        assert_eq!(read(&mut stream, 512).await, HEAD);
    }
}

#[tokio::test]
async fn a_head_with_a_fault_is_replaced_and_nothing_follows_it() {
    for (bytes, fault) in [
        (b"GET /a b HTTP/1.1\r\n".as_slice(), ScanFault::RequestLine),
        (b"GET / HTTP/1.1\nHost: a\n\n", ScanFault::RequestLine),
    ] {
        let (mut client, mut stream) = guarded(512, LONG);
        client.write_all(bytes).await.unwrap();
        client.write_all(HEAD).await.unwrap();
        assert_eq!(read(&mut stream, 512).await, STAND_IN);
        assert!(guard(&stream).facts().fault.is_some(), "{fault:?}");
        guard(&stream).expect_head();
        assert_eq!(read(&mut stream, 512).await, b"");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_never_held_whole() {
    let (mut client, mut stream) = guarded(64, LONG);
    client.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    client.write_all(&[b'a'; 100]).await.unwrap();
    assert_eq!(read(&mut stream, 512).await, STAND_IN);
    assert!(guard(&stream).facts().fault.is_some());
}

#[tokio::test]
async fn a_head_that_trickles_is_late_however_often_a_byte_comes() {
    let (mut client, mut stream) = guarded(usize::MAX, SHORT);
    let trickle = tokio::spawn(async move {
        client.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        while client.write_all(b"a").await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(read(&mut stream, 512).await, STAND_IN);
    assert_eq!(guard(&stream).arrival(), Arrival::Late);
    drop(stream);
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_client_that_says_nothing_is_late_too() {
    let (_client, mut stream) = guarded(512, SHORT);
    assert_eq!(read(&mut stream, 512).await, STAND_IN);
    assert_eq!(guard(&stream).arrival(), Arrival::Late);
}

#[tokio::test]
async fn the_end_of_the_stream_inside_a_head_is_the_end() {
    let (mut client, mut stream) = guarded(512, LONG);
    client.write_all(b"GET / HT").await.unwrap();
    drop(client);
    assert_eq!(read(&mut stream, 512).await, b"");
}

#[tokio::test]
async fn the_next_head_is_held_back_again() {
    let (mut client, mut stream) = guarded(512, LONG);
    client.write_all(HEAD).await.unwrap();
    assert_eq!(read(&mut stream, 512).await, HEAD);
    guard(&stream).expect_head();
    client.write_all(b"GET /2 HTTP/1.1\r\n").await.unwrap();
    let mut byte = [0];
    assert!(futures::poll!(pin!(stream.read(&mut byte))).is_pending());
    client.write_all(b"Host: a\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut stream, 512).await, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[tokio::test]
async fn a_chunked_body_with_a_fault_ends_the_connection() {
    let (mut client, mut stream) = guarded(512, LONG);
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    read(&mut stream, 512).await;
    client.write_all(b"\r\n").await.unwrap();
    let mut bytes = [0; 16];
    assert_eq!(stream.read(&mut bytes).await.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let (client, mut stream) = guarded(512, SHORT);
    let more_than_fits = vec![0; 65 * 1024];
    let written = async { stream.write_all(&more_than_fits).await.and(stream.flush().await) };
    assert_eq!(written.await.unwrap_err().kind(), ErrorKind::TimedOut);
    drop(client);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_given_up_whatever_is_written() {
    for piece in [1, 16 * 1024 - 1, 16 * 1024, 64 * 1024] {
        let (client, mut stream) = guarded(512, SHORT);
        let bytes = vec![0; piece];
        let written = async { while stream.write_all(&bytes).await.and(stream.flush().await).is_ok() {} };
        tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_not() {
    let (mut client, mut stream) = guarded(512, Duration::from_secs(10));
    let writing = tokio::spawn(async move { stream.write_all(&vec![0; 65 * 1024]).await.and(stream.flush().await) });
    for _ in 0..65 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        client.read_exact(&mut [0; 1024]).await.unwrap();
    }
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_written_goes_out_in_one_piece_when_it_is_flushed() {
    let (mut client, mut stream) = guarded(512, LONG);
    stream.write_all(b"head ").await.unwrap();
    let parts = [std::io::IoSlice::new(b"bo"), std::io::IoSlice::new(b"dy")];
    assert_eq!(stream.write_vectored(&parts).await.unwrap(), 4);
    let mut bytes = [0; 16];
    assert!(futures::poll!(pin!(client.read(&mut bytes))).is_pending());
    stream.flush().await.unwrap();
    assert_eq!(client.read(&mut bytes).await.unwrap(), 9);
    assert_eq!(&bytes[..9], b"head body");
}

#[tokio::test]
async fn what_waits_when_the_connection_is_given_up_goes_out() {
    for shut in [true, false] {
        let (mut client, mut stream) = guarded(512, LONG);
        stream.write_all(b"half an answer").await.unwrap();
        if shut {
            Shutdown::shutdown(&mut *stream).await;
        }
        drop(stream);
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"half an answer", "{shut}");
    }
}
