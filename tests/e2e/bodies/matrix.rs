//! Sizes × ways of sending × valid or not.

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use portcullis_tests::client::Answer;
use portcullis_tests::site::Site;
use portcullis_tests::within;

use super::{chunks, head, invalid, judging, valid};

/// How a body is sent.
#[derive(Clone, Copy, Debug)]
enum Way {
    Http1Chunked,
    Http1Expect,
    Http1ExpectChunked,
    Http1Length,
    Http2Length,
    Http2Unsized,
}

const WAYS: [Way; 6] = [
    Way::Http1Chunked,
    Way::Http1Expect,
    Way::Http1ExpectChunked,
    Way::Http1Length,
    Way::Http2Length,
    Way::Http2Unsized,
];

/// Status and `code`, empty when there is none.
async fn send(site: &Site, way: Way, body: &str) -> (u16, String) {
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let coded = || [chunks(body.as_bytes(), 10_000), b"0\r\n\r\n".to_vec()].concat();
    match way {
        Way::Http1Chunked => http1(site, &head(chunked), &coded(), false).await,
        Way::Http1Expect => {
            http1(site, &head(&format!("{length}Expect: 100-continue\r\n")), body.as_bytes(), true).await
        }
        Way::Http1ExpectChunked => {
            http1(site, &head(&format!("{chunked}Expect: 100-Continue\r\n")), &coded(), true).await
        }
        Way::Http1Length => http1(site, &head(&length), body.as_bytes(), false).await,
        Way::Http2Length => {
            let mut client = site.h2().await;
            let answer = client.send("POST", "/notes", &[("content-type", "application/json")], body.to_owned()).await;
            (answer.status.as_u16(), code(&answer.body))
        }
        Way::Http2Unsized => http2_unsized(site, body).await,
    }
}

async fn http1(site: &Site, head: &str, body: &[u8], expects: bool) -> (u16, String) {
    let mut raw = site.raw().await;
    raw.send(head).await.unwrap();
    if expects {
        assert_eq!(raw.answer().await.unwrap().status, 100, "the body is asked for");
    }
    raw.send(body).await.unwrap();
    let answer = raw.answer().await.unwrap();
    (answer.status, code(&answer.body))
}

async fn http2_unsized(site: &Site, body: &str) -> (u16, String) {
    let mut client = site.h2().await;
    let pieces: Vec<Bytes> = body.as_bytes().chunks(10_000).map(Bytes::copy_from_slice).collect();
    let pieces = futures::stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))));
    let request = client.request("POST", "/notes", &[("content-type", "application/json")], "");
    let request = request.map(|_| BodyExt::boxed(StreamBody::new(pieces)));
    assert!(!request.headers().contains_key("content-length"));
    let answer = within("an answer", async { Answer::read(client.open(request).await.unwrap()).await.unwrap() }).await;
    (answer.status.as_u16(), code(&answer.body))
}

fn code(body: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap();
    document["code"].as_str().unwrap_or_default().to_owned()
}

const SIZES: [usize; 4] = [12, 65_537, 100 << 10, 900 << 10];

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_body_touches_no_upstream_however_it_is_sent() {
    let site = judging().start().await;
    for way in WAYS {
        for size in SIZES {
            let got = send(&site, way, &invalid(size)).await;
            assert_eq!(got, (422, "schema_violation".to_owned()), "{way:?} {size}");
            let got = send(&site, way, &valid(size).replace('}', "]")).await;
            assert_eq!(got, (400, "invalid_json".to_owned()), "{way:?} {size}");
        }
    }
    assert_eq!(site.upstream.connections(), 0, "not even a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_body_arrives_byte_for_byte_however_it_is_sent() {
    let site = judging().start().await;
    let mut sent = 0;
    for way in WAYS {
        for size in SIZES {
            let body = valid(size);
            assert_eq!(send(&site, way, &body).await, (200, String::new()), "{way:?} {size}");
            let seen = site.upstream.requests();
            sent += 1;
            assert_eq!(seen.len(), sent, "{way:?} {size}: sent once");
            let last = &seen[sent - 1];
            assert!(last.complete && last.body == body.as_bytes(), "{way:?} {size}: {} bytes", last.body.len());
            assert_eq!(last.header("content-length"), Some(body.len().to_string().as_str()), "{way:?} {size}");
            assert_eq!((last.header("expect"), last.header("transfer-encoding")), (None, None), "{way:?} {size}");
            assert_eq!(last.target, "/notes");
        }
    }
}
