//! Frames by the thousand: the connection ends, the others do not notice.

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;

use super::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, fields, frame,
};

/// More frames than any of the floods may send.
const MOST: u32 = 20_000;

async fn open() -> Site {
    Setup::new().route("all", "GET /{*rest}", "public", "").start().await
}

fn get() -> Vec<u8> {
    fields(&[(":method", "GET"), (":scheme", "https"), (":authority", "app.test"), (":path", "/a")])
}

/// Sends `batch(n)` until the connection is ended; answers how many times.
async fn flood(frames: &mut Frames, batch: impl Fn(u32) -> Vec<u8>) -> u32 {
    let flooded = async {
        for sent in 0..MOST {
            tokio::select! {
                biased;
                next = frames.next() => match next {
                    None | Some((GOAWAY, ..)) => return sent,
                    Some(_) => {}
                },
                () = std::future::ready(()) => {}
            }
            if frames.send(&batch(sent)).await.is_err() {
                return sent;
            }
        }
        MOST
    };
    within("an end of the flood", flooded).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rapid_reset_ends_the_connection() {
    let site = open().await;
    let mut other = site.h2().await;
    let mut frames = Frames::connect(&site).await;
    let sent = flood(&mut frames, |n| {
        let stream = 2 * n + 1;
        let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get());
        [open, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    })
    .await;
    assert!(sent < MOST, "{sent} streams were reset and nobody minded");
    assert_eq!(other.get("/a", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_head_ends_the_connection() {
    let site = open().await;
    let mut other = site.h2().await;
    let mut frames = Frames::connect(&site).await;
    frames.send(&frame(HEADERS, END_STREAM, 1, &get())).await.unwrap();
    let piece = fields(&[("x-a", &"b".repeat(1_000))]);
    let sent = flood(&mut frames, |_| frame(CONTINUATION, 0, 1, &piece)).await;
    assert!(sent < MOST, "{sent} KiB of head were sent and nobody minded");
    assert_eq!(other.get("/a", &[]).await.status, 200);
    assert_eq!(site.upstream.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_ask_for_nothing_end_the_connection() {
    let site = open().await;
    let mut other = site.h2().await;
    for (name, bytes) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, b"")),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 7])),
    ] {
        let mut frames = Frames::connect(&site).await;
        let sent = flood(&mut frames, |_| bytes.clone()).await;
        assert!(sent < MOST, "{sent} frames of {name} were sent and nobody minded");
        assert_eq!(other.get("/a", &[]).await.status, 200, "{name}");
    }
    let metrics = String::from_utf8(site.admin().await.get("/metrics", &[]).await.body.to_vec()).unwrap();
    assert!(metrics.contains("portcullis_connections_total{outcome=\"flooded\"} 3"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_connection_that_pings_goes_on() {
    let site = open().await;
    let mut frames = Frames::connect(&site).await;
    // More than the budget in all, and fewer requests than `guard.rate` lets pass.
    for stream in (1..800).step_by(2) {
        let pings = frame(PING, 0, 0, &[0; 8]).repeat(4);
        frames.send(&[frame(HEADERS, END_HEADERS | END_STREAM, stream, &get()), pings].concat()).await.unwrap();
        let ended = async {
            loop {
                match frames.next().await.expect("an answer") {
                    (super::frames::DATA | HEADERS, flags, of, _) if of == stream && flags & END_STREAM != 0 => return,
                    (GOAWAY, ..) => panic!("ended at stream {stream}"),
                    _ => {}
                }
            }
        };
        within("the end of a stream", ended).await;
    }
}
