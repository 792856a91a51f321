//! What is in order passes, as it was matched.

use super::After::Either;
use super::{open, say, with};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_matched_is_what_is_forwarded() {
    let site = open().await;
    for (line, forwarded) in [
        ("GET /a?b=c", "GET /a?b=c HTTP/1.1"),
        ("GET https://app.test/a?b=c", "GET /a?b=c HTTP/1.1"),
        ("GET http://app.test/a", "GET /a HTTP/1.1"),
        ("GET /a?b=http://other.test/c", "GET /a?b=http://other.test/c HTTP/1.1"),
    ] {
        let before = site.upstream.requests().len();
        let request = format!("{line} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
        assert_eq!(say(&site, request.as_bytes(), Either).await.status, 200, "{line}");
        let seen = site.upstream.requests();
        let wire = site.upstream.wire(seen[before].connection);
        let wire = String::from_utf8(wire).unwrap();
        let lines: Vec<&str> = wire.lines().filter(|line| line.ends_with("HTTP/1.1")).collect();
        assert_eq!(lines.last(), Some(&forwarded), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_what_proper_clients_send() {
    let site = open().await;
    for request in [
        with(""),
        with("connection: keep-alive\r\n"),
        with("Connection: upgrade\r\n"),
        with("TE: trailers\r\nConnection: TE, close\r\n"),
        with("X-A:\r\nX-B: \t b \r\n"),
        with("Accept: a/b\r\nAccept: c/d\r\n"),
        "GET /a HTTP/1.0\r\nHost: app.test\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHOST: App.Test:443\r\n\r\n".to_owned(),
        "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=\"y\"\r\n{}\r\n0\r\nX-T: u\r\n\r\n"
            .to_owned(),
        "PROPFIND /a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_owned(),
    ] {
        let answer = say(&site, request.as_bytes(), Either).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
    }
    assert!(site.upstream.requests().iter().all(|request| request.complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_one_request_after_the_other() {
    let site = open().await;
    let mut raw = site.raw().await;
    for target in ["/one", "/two", "/a%2Fb", "/three"] {
        raw.send(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n")).await.unwrap();
        let expected = if target.contains('%') { 400 } else { 200 };
        assert_eq!(raw.answer().await.unwrap().status, expected, "{target}");
    }
    let targets: Vec<String> = site.upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/one", "/two", "/three"]);
}
