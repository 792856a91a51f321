//! A refusal before the body is read: how the stream ends.

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;

use super::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RST_STREAM, fields, frame};

/// RFC 9113 §7.
const NO_ERROR: [u8; 4] = [0; 4];
/// RFC 9113 §6.7: `ACK`.
const ACK: u8 = 1;

async fn open() -> Site {
    Setup::new().route("other", "POST /b", "public", "").start().await
}

fn post(length: &str) -> Vec<u8> {
    fields(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "app.test"),
        (":path", "/a"),
        ("content-length", length),
    ])
}

/// The answer's body and the resets of stream 1, up to the answer to a `PING` that was sent when the body had ended.
async fn until_quiet(frames: &mut Frames) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut body, mut resets) = (Vec::new(), Vec::new());
    let read = async {
        while let Some((kind, flags, stream, payload)) = frames.next().await {
            match (kind, stream) {
                (DATA, 1) => {
                    body.extend(payload);
                    if flags & END_STREAM != 0 {
                        frames.send(&frame(PING, 0, 0, b"complete")).await.unwrap();
                    }
                }
                (RST_STREAM, 1) => resets.push(payload),
                (PING, _) if flags & ACK != 0 && payload == b"complete" => return,
                _ => {}
            }
        }
        panic!("the connection ended");
    };
    within("a complete answer", read).await;
    (body, resets)
}

/// The code of a problem document.
fn code(body: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap();
    document["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_comes_late_is_read_and_the_answer_is_not_followed_by_a_reset() {
    let site = open().await;
    let mut frames = Frames::connect(&site).await;
    let head = frame(HEADERS, END_HEADERS, 1, &post("4"));
    frames.send(&[head, frame(PING, 0, 0, b"heard it")].concat()).await.unwrap();
    // The head has been read when this is answered, and the refusal is on its way.
    let heard = async {
        while let Some((kind, flags, ..)) = frames.next().await {
            assert_ne!(kind, RST_STREAM, "reset before the body was sent");
            if kind == PING && flags & ACK != 0 {
                return;
            }
        }
    };
    within("an answer to PING", heard).await;
    frames.send(&frame(DATA, END_STREAM, 1, b"body")).await.unwrap();
    let (body, resets) = until_quiet(&mut frames).await;
    assert_eq!(code(&body), "route_not_found");
    assert_eq!(resets, Vec::<Vec<u8>>::new(), "a client that still sends gives the answer up");
    assert_eq!(site.upstream.connections(), 0, "the application is untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_not_waited_for_and_its_stream_ends_without_an_error() {
    let site = open().await;
    let mut frames = Frames::connect(&site).await;
    frames.send(&frame(HEADERS, END_HEADERS, 1, &post("1000000"))).await.unwrap();
    let (body, resets) = until_quiet(&mut frames).await;
    assert_eq!(code(&body), "route_not_found");
    assert!(resets.iter().all(|code| *code == NO_ERROR), "ended with {resets:?}");
    assert_eq!(site.upstream.connections(), 0, "the application is untouched");
}
