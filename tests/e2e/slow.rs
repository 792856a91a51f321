//! What does a client get that takes its time? A bounded wait, and nobody else notices.

use std::time::Duration;

use portcullis_tests::PATIENCE;
use portcullis_tests::client::{Client, Ended, Raw};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;

/// The pace of a client that trickles; far below every timeout here.
const PACE: Duration = Duration::from_millis(50);

fn open() -> Setup {
    Setup::new()
        .route("all", "ANY /{*rest}", "public", "")
        .route("judged", "POST /judged", "public", "body_schema = \"any.json\"\n")
        .file("config/any.json", "true")
}

async fn others_go_on(site: &Site) {
    assert_eq!(site.h1().await.get("/other", &[]).await.status, 200);
}

/// Says `pieces` at a steady pace until an answer comes; status and code of it.
async fn trickle(raw: &mut Raw, pieces: impl Iterator<Item = &'static [u8]>) -> Option<(u16, String)> {
    let said = async {
        for piece in pieces {
            if raw.send(piece).await.is_err() {
                break;
            }
            match raw.answer_within(PACE).await {
                Err(Ended::Silent) => {}
                Err(Ended::Closed) => return None,
                Ok(answer) => return Some(answer),
            }
        }
        raw.answer().await.ok()
    };
    let answer = within("an end of the trickle", said).await?;
    Some((answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned()))
}

fn timed_out() -> (u16, String) {
    (408, "request_timeout".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_trickles_is_cut() {
    let site = open().server("header_timeout = \"500ms\"").start().await;
    for begins in ["GET /a HTTP/1.1\r\nHost: app.test\r\nX-A: ", "GET /", "G"] {
        let mut raw = site.raw().await;
        raw.send(begins).await.unwrap();
        assert_eq!(trickle(&mut raw, std::iter::repeat(&b"a"[..])).await, Some(timed_out()), "{begins:?}");
        assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "{begins:?}");
    }
    assert_eq!(site.upstream.connections(), 0);
    others_go_on(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_cut() {
    let site = open().server("header_timeout = \"500ms\"").start().await;
    let mut raw = site.raw().await;
    assert_ne!(raw.rest(PATIENCE).await.1, Ended::Silent);
    others_go_on(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_head_is_given_as_little_time() {
    let site = open().server("header_timeout = \"500ms\"").start().await;
    let mut raw = site.raw().await;
    raw.send("GET /a HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await.unwrap().status, 200);
    raw.send("GET /b HTTP/1.1\r\n").await.unwrap();
    assert_eq!(trickle(&mut raw, std::iter::repeat(&b"a"[..])).await, Some(timed_out()));
    assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed);
    assert_eq!(site.upstream.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_next_request_is_closed() {
    let site = open().server("header_timeout = \"1s\"\nkeepalive_timeout = \"1s\"").start().await;
    let mut raw = site.raw().await;
    raw.send("GET /a HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await.unwrap().status, 200);
    assert_eq!(raw.rest(PATIENCE).await, (Vec::new(), Ended::Closed));
    let mut http2 = site.h2().await;
    assert_eq!(http2.get("/a", &[]).await.status, 200);
    within("the end of an idle HTTP/2 connection", async {
        while !http2.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_is_cut() {
    let site = open().server("body_timeout = \"500ms\"").start().await;
    let json = "Host: app.test\r\nContent-Type: application/json\r\n";
    for request in [
        format!("POST /judged HTTP/1.1\r\n{json}Content-Length: 10\r\n\r\n[1"),
        format!("POST /judged HTTP/1.1\r\n{json}Transfer-Encoding: chunked\r\n\r\n5\r\n[1"),
    ] {
        let mut raw = site.raw().await;
        raw.send(&request).await.unwrap();
        assert_eq!(trickle(&mut raw, std::iter::empty()).await, Some(timed_out()), "{request}");
        assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "{request}");
    }
    assert_eq!(site.upstream.connections(), 0);
    // What streams has reached the application, and was never whole.
    let mut raw = site.raw().await;
    raw.send("PUT /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\n[1").await.unwrap();
    assert_eq!(trickle(&mut raw, std::iter::empty()).await, Some(timed_out()));
    assert!(site.upstream.requests().iter().all(|request| !request.complete));
    others_go_on(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_http2_that_stops_is_cut() {
    use http_body_util::BodyExt;
    use hyper::body::Frame;
    let site = open().server("body_timeout = \"500ms\"").start().await;
    let mut client = site.h2().await;
    let (feed, pieces) = tokio::sync::mpsc::channel::<std::io::Result<Frame<bytes::Bytes>>>(1);
    let pieces = futures::stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    let request = client.request("POST", "/judged", &[("content-type", "application/json")], "");
    let request = request.map(|_| BodyExt::boxed(http_body_util::StreamBody::new(pieces)));
    feed.send(Ok(Frame::data("[1".into()))).await.unwrap();
    let response = within("an answer", client.open(request)).await.unwrap();
    assert_eq!(response.status(), 408);
    drop(feed);
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_makes_progress_may_take_longer_than_a_pause_may() {
    let site = open().server("body_timeout = \"500ms\"").start().await;
    for path in ["/judged", "/stream"] {
        let mut raw = site.raw().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\n");
        raw.send(format!("{head}Content-Length: 22\r\n\r\n[1")).await.unwrap();
        // A second in all.
        let pieces = std::iter::repeat_n(&b" "[..], 19).chain([&b"]"[..]]);
        assert_eq!(trickle(&mut raw, pieces).await, Some((200, String::new())), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_cut_with_its_request() {
    let site = Setup::new()
        .route("judged", "POST /judged", "public", "body_schema = \"any.json\"\ntimeout = \"1s\"\n")
        .file("config/any.json", "true")
        .start()
        .await;
    let mut raw = site.raw().await;
    let head =
        "POST /judged HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n";
    raw.send(head).await.unwrap();
    assert_eq!(trickle(&mut raw, std::iter::repeat(&b" "[..])).await, Some(timed_out()));
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_stops_is_cut() {
    let site = open().server("handshake_timeout = \"500ms\"").start().await;
    for begins in [&b""[..], &b"\x16\x03\x01\x02\x00\x01"[..]] {
        let mut raw = Raw::plain(site.address()).await.unwrap();
        raw.send(begins).await.unwrap();
        assert_eq!(raw.rest(PATIENCE).await.1, Ended::Closed, "{begins:?}");
    }
    others_go_on(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_bound_are_closed_while_the_others_go_on() {
    let site = open().server("max_connections = 2").start().await;
    let mut first = site.h1().await;
    let mut second = site.h2().await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.get("/a", &[]).await.status, 200);
    }
    for _ in 0..3 {
        assert!(Client::h1(site.address(), "app.test", site.ca()).await.is_err(), "one too many");
    }
    for client in [&mut first, &mut second] {
        assert_eq!(client.get("/b", &[]).await.status, 200);
    }
    drop(second);
    within("a free place", async {
        while Client::h1(site.address(), "app.test", site.ca()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(first.get("/c", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_so_many_requests_and_no_more() {
    let site = open().server("max_requests_per_connection = 3").start().await;
    let mut raw = site.raw().await;
    let mut served = 0;
    while raw.send("GET /a HTTP/1.1\r\nHost: app.test\r\n\r\n").await.is_ok() {
        match raw.answer().await {
            Ok(answer) if answer.status == 200 => served += 1,
            other => {
                assert_eq!(other, Err(Ended::Closed));
                break;
            }
        }
    }
    assert_eq!(served, 3);
    others_go_on(&site).await;
}

/// More than fits between the application and a client that reads nothing.
const MUCH: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_gives_its_place_back() {
    let site = open().server("body_timeout = \"500ms\"").upstream("max_connections = 1").start().await;
    let free = async || {
        within("a free place", async {
            while site.h1().await.get("/other", &[]).await.status != 200 {
                tokio::time::sleep(PACE).await;
            }
        })
        .await;
    };
    for _ in 0..2 {
        site.upstream.next(Reply::new(200, vec![b'a'; MUCH]));
        let mut raw = site.raw().await;
        raw.send("GET /much HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
        site.upstream.wait_for_heads(1).await;
        free().await;
        let (read, ended) = raw.rest(PATIENCE).await;
        assert!(ended == Ended::Closed && read.len() < MUCH, "{ended:?} after {} bytes", read.len());
    }
    // Over HTTP/2 the connection may well be read, and one of its streams not.
    site.upstream.next(Reply::new(200, vec![b'a'; MUCH]));
    let mut http2 = site.h2().await;
    let request = http2.request("GET", "/much", &[], "");
    let unread = http2.open(request).await.unwrap();
    free().await;
    // A place is given back a moment after its answer.
    within("an answer to another on the same connection", async {
        while http2.get("/other", &[]).await.status != 200 {
            tokio::time::sleep(PACE).await;
        }
    })
    .await;
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_head_trickles_is_cut() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("\"http://{}\"", listener.local_addr().unwrap());
    let trickling = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut line = &b"HTTP/1.1 200 OK\r\n"[..];
        while tokio::io::AsyncWriteExt::write_all(&mut stream, line).await.is_ok() {
            line = b"x-a: b\r\n";
            tokio::time::sleep(PACE).await;
        }
    });
    let setup = Setup::new().targets(&target).route("all", "GET /", "public", "timeout = \"200ms\"\n");
    let site = setup.start().await;
    let mut raw = site.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await, Err(Ended::Closed));
    let lines = site.log("logs/decisions.jsonl").await;
    assert_eq!(lines[0]["error"], "timeout", "{lines:?}");
    within("the end of the application's connection", trickling).await.unwrap();
}
