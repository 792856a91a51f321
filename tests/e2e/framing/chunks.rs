//! Chunked bodies with two readings, and requests sent before their turn.

use std::time::Duration;

use portcullis_tests::client::Ended;
use portcullis_tests::site::Setup;

/// Longer than any answer takes, shorter than any timeout of the gateway.
const QUIET: Duration = Duration::from_secs(5);

const HEAD: &str = "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\n\
    Transfer-Encoding: chunked\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn refuses_chunks_with_two_readings() {
    let site = Setup::new()
        .route("all", "POST /a", "public", "body_schema = \"any.json\"\n")
        .file("config/any.json", "true")
        .start()
        .await;
    for body in [
        "\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "2;a\rb\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "00000000000000002\r\n{}\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}X\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX-A : b\r\n\r\n",
        "2\r\n{}\r\n0\r\n X: b\r\n\r\n",
        "2\r\n{}\r\n0\r\n\n",
    ] {
        let mut raw = site.raw().await;
        raw.send(format!("{HEAD}{body}")).await.unwrap();
        let answer = raw.answer().await.unwrap_or_else(|ended| panic!("{body:?}: {ended:?}"));
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"malformed_request".into()), "{body:?}");
        assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "{body:?}");
    }
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_before_the_first_answer_is_never_parsed() {
    let site = super::open().await;
    let one = "GET /one HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let two = "GET /two HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let mut raw = site.raw().await;
    raw.send(format!("{one}{two}")).await.unwrap();
    let (answers, ended) = raw.answers(QUIET).await;
    assert_eq!(ended, Ended::Closed, "nobody knows what the second was");
    assert!(answers.iter().filter(|answer| answer.status == 200).count() <= 1, "{answers:?}");
    assert!(site.upstream.requests().iter().all(|request| request.target != "/two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hidden_behind_a_body_becomes_a_request() {
    let site = super::open().await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: app.test\r\n\r\n";
    for first in [
        "GET /one HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST /one HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "POST /one HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        // Refused with its body unread: what follows is that body.
        format!("POST /a;b HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n", hidden.len()),
        "POST /a;b HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n".to_owned(),
    ] {
        let mut raw = site.raw().await;
        raw.send(format!("{first}{hidden}")).await.unwrap();
        let _ = raw.finish().await;
        let (answers, ended) = raw.answers(QUIET).await;
        assert_eq!((answers.len(), ended), (1, Ended::Closed), "{first:?}: {answers:?}");
    }
    assert!(site.upstream.requests().iter().all(|request| request.target != "/hidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_larger_than_a_head_may_be_are_refused_streamed_or_held() {
    let site = Setup::new()
        .route("judged", "POST /a", "public", "body_schema = \"any.json\"\n")
        .route("streamed", "POST /b", "public", "")
        .file("config/any.json", "true")
        .start()
        .await;
    for path in ["/a", "/b"] {
        let mut raw = site.raw().await;
        raw.send(HEAD.replace("/a", path)).await.unwrap();
        raw.send("2\r\n{}\r\n0\r\n").await.unwrap();
        let trailers = format!("X-A: {}\r\n", "b".repeat(1_000)).repeat(40);
        // The answer may come, and the connection close, before all of it was sent.
        let _ = raw.send(format!("{trailers}\r\n")).await;
        let answer = raw.answer().await.unwrap_or_else(|ended| panic!("{path}: {ended:?}"));
        assert_eq!((answer.status, &answer.json()["code"]), (431, &"headers_too_large".into()), "{path}");
        assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "{path}");
    }
    assert!(site.upstream.requests().iter().all(|request| !request.complete), "no application had a whole request");
}
