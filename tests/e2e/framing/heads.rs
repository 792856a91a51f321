//! Heads that are refused before anything is decided.

use super::After::{Closed, Either};
use super::{After, problem, refuses, say, with};

type Row = (Vec<u8>, After, u16, &'static str);

async fn all(rows: Vec<Row>) {
    let rows: Vec<(&[u8], After, u16, &str)> =
        rows.iter().map(|(bytes, after, status, code)| (bytes.as_slice(), *after, *status, *code)).collect();
    refuses(&rows).await;
}

fn malformed(texts: &[&str]) -> Vec<Row> {
    texts.iter().map(|text| (text.as_bytes().to_vec(), Closed, 400, "malformed_request")).collect()
}

/// A request line before a proper rest.
fn target(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_two_readings_of_the_length() {
    let bodies = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: -1\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: 05\r\n\r\nhello",
        "Content-Length: 5 5\r\n\r\nhello",
        "Content-Length: \r\n\r\nhello",
        "Content-Length: 18446744073709551616\r\n\r\nhello",
        "Transfer-Encoding: identity\r\n\r\nhello",
        "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n",
        "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Content_Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    ];
    let requests: Vec<String> =
        bodies.iter().map(|body| format!("POST /a HTTP/1.1\r\nHost: app.test\r\n{body}")).collect();
    let mut rows = malformed(&requests.iter().map(String::as_str).collect::<Vec<_>>());
    let old = "POST /a HTTP/1.0\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    rows.extend(malformed(&[old]));
    all(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_heads_that_others_would_mend() {
    let mut rows = malformed(&[
        // Lines.
        "GET /a HTTP/1.1\nHost: app.test\n\n",
        "GET /a HTTP/1.1\r\nHost: app.test\nX-A: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\n\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\rX-A: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX-A: b\r\n c\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX-A: b\r\n\tc\r\n\r\n",
        "GET /a HTTP/1.1\r\n Host: app.test\r\n\r\n",
        "\r\nGET /a HTTP/1.1\r\nHost: app.test\r\n\r\n",
        // Fields.
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX-A: b\0c\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX-A: b\x07\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX-A\0: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX-A : b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nX A: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\n: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: app.test\r\nno-colon\r\n\r\n",
        // Request lines.
        "GET  /a HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a  HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET\t/a\tHTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a\0 HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a\r HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a\r\nHost: app.test\r\n\r\n",
        "GET /<a> HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a`b HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a?b=<c> HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a HTTP/1.2\r\nHost: app.test\r\n\r\n",
        "GET /a HTTP/2.0\r\nHost: app.test\r\n\r\n",
        "GET /a http/1.1\r\nHost: app.test\r\n\r\n",
        "GET /a HTTP/1.1 \r\nHost: app.test\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]);
    rows.push((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Closed, 400, "malformed_request"));
    rows.push((vec![0xff; 64], Closed, 400, "malformed_request"));
    all(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_fields_that_say_too_much_or_too_little() {
    let malformed = [
        "X_Portcullis_User: admin\r\n",
        "X.User: admin\r\n",
        "X-A: \u{e9}\r\n",
        "Expect: 200-ok\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
        "Connection: X-Portcullis-User\r\n",
        "Connection: close, Authorization\r\n",
        "Connection: keep-alive\r\nConnection: Host\r\n",
        "Connection: X-Forwarded-For\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: websocket, h2c\r\nConnection: upgrade\r\n",
        "Content-Type: a/b\r\nContent-Type: c/d\r\n",
        "Cookie: a=b\r\nCookie: c=d\r\n",
    ];
    let conflict = ["Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", "X-API-Key: a\r\nX-Api-Key: a\r\n"];
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(malformed.iter().map(|fields| (with(fields).into_bytes(), Either, 400, "malformed_request")));
    rows.extend(conflict.iter().map(|fields| (with(fields).into_bytes(), Either, 400, "credentials_conflict")));
    all(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_host_that_is_not_one_name() {
    let hosts = [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a/b\r\n",
        "Host: app.test, app.test\r\n",
        "Host: app.test\r\nHost: app.test\r\n",
        "Host: app.test\r\nhost: other.test\r\n",
        "Host: user@app.test\r\n",
        "Host: app.test:x\r\n",
        "Host: app.test:99999\r\n",
        "Host: app test\r\n",
        "Host: app.test?x\r\n",
        "Host: [::1\r\n",
        "Host: app..test\r\n",
        "Host: \u{e9}.test\r\n",
    ];
    let request = |host: &&str| format!("GET /a HTTP/1.1\r\n{host}\r\n").into_bytes();
    let mut rows: Vec<Row> = hosts.iter().map(|host| (request(host), Either, 400, "invalid_host")).collect();
    rows.push((b"GET /a HTTP/1.0\r\n\r\n".to_vec(), Either, 400, "invalid_host"));
    rows.push((b"GET https://other.test/a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 400, "invalid_host"));
    rows.push((b"GET http://u@app.test/a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 400, "invalid_host"));
    all(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_targets_and_methods_that_are_not_for_us() {
    let mut rows: Vec<Row> = vec![
        (target("a"), Either, 400, "malformed_request"),
        (target("*"), Either, 400, "malformed_request"),
        (b"OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 400, "malformed_request"),
        (target("ftp://app.test/a"), Either, 400, "malformed_request"),
        (target("app.test:443"), Either, 400, "malformed_request"),
        (target("/a?b=%zz"), Either, 400, "malformed_request"),
        (target("/a?b=%00"), Either, 400, "malformed_request"),
        (b"get /a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 400, "malformed_request"),
        (b"Get /a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 400, "malformed_request"),
        (b"TRACE /a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 405, "method_not_allowed"),
        (b"HACK /a HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(), Either, 405, "method_not_allowed"),
        (b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n".to_vec(), Either, 405, "method_not_allowed"),
    ];
    rows.push((target(&format!("/{}", "a".repeat(9_000))), Either, 414, "target_too_long"));
    rows.push((target(&format!("/a?{}", "b".repeat(40_000))), Closed, 414, "target_too_long"));
    rows.push((with(&format!("X-A: {}\r\n", "b".repeat(40_000))).into_bytes(), Closed, 431, "headers_too_large"));
    rows.push((with(&"X-A: b\r\n".repeat(101)).into_bytes(), Either, 431, "headers_too_large"));
    rows.push((with(&"X-A: b\r\n".repeat(300)).into_bytes(), Closed, 431, "headers_too_large"));
    all(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_repeats_nothing_of_what_was_sent() {
    let site = super::open().await;
    let answer = say(&site, with("X_secret-marker: marker\r\n").as_bytes(), Either).await;
    assert_eq!(problem(&answer).0, 400);
    assert!(!String::from_utf8_lossy(&answer.body).contains("marker"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}
