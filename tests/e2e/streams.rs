//! Do streams flow unhindered, and end when they must?

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{HeaderMap, Response};
use portcullis_tests::client::{Answer, Raw, tls};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::{Feed, RawUpstream, Reply};
use portcullis_tests::within;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn socket(site: &Site, authorization: &str) -> tungstenite::Result<Socket> {
    let stream = tls(site.address(), "app.test", site.ca(), &[b"http/1.1"]).await.unwrap();
    let mut request = "wss://app.test/ws".into_client_request().unwrap();
    request.headers_mut().insert("authorization", authorization.parse().unwrap());
    client_async(request, stream).await.map(|(socket, _)| socket)
}

/// `Authorization` that holds for less than three seconds, and when it ends in seconds since the epoch.
fn expiring(site: &Site) -> (String, i64) {
    let mut claims = site.claims("rita", &["readers"]);
    let end = site.gateway.now().seconds() + 3;
    claims["exp"] = end.into();
    (format!("Bearer {}", site.signer.sign(&claims)), end)
}

/// Whether it is at least `end`, and less than a second later.
fn assert_now_is(site: &Site, end: i64) {
    let late = site.gateway.now().micros() - end * 1_000_000;
    assert!((0..1_000_000).contains(&late), "{late} microseconds after the credential's end");
}

#[derive(Clone, Copy, Debug)]
enum Wire {
    H1,
    H2,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Traffic {
    Busy,
    Silent,
}

/// An open answer of the application, whose body the test feeds.
async fn open(site: &Site, wire: Wire, authorization: &str, reply: (Reply, Feed)) -> (Response<Incoming>, Feed) {
    let (reply, feed) = reply;
    site.upstream.next(reply);
    let mut client = match wire {
        Wire::H1 => site.h1().await,
        Wire::H2 => site.h2().await,
    };
    let request = client.request("GET", "/events", &[("authorization", authorization)], "");
    let response = within("the head of a stream", client.open(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    (response, feed)
}

/// Reads until the stream breaks off; the application goes on talking where the traffic is busy.
async fn until_cut(mut response: Response<Incoming>, feed: &Feed, traffic: Traffic) {
    within("the stream to be cut", async {
        loop {
            if traffic == Traffic::Busy && feed.send("data: more\n\n").await.is_err() {
                // The gateway let go of the application; what is under way may still arrive.
            }
            match response.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return,
                None => panic!("the stream ended as if it were whole"),
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_with_the_token_silent_or_busy_on_both_protocols() {
    ends_with_the_token("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_beside_answers_that_are_judged() {
    let responses = "schemas = [{ status = \"200\", media_type = \"text/event-stream\" }]";
    ends_with_the_token(&format!("responses = {{ {responses} }}\n")).await;
}

async fn ends_with_the_token(more: &str) {
    let site = Setup::new().route("events", "GET /events", "read", more).start().await;
    let cases = [
        (Wire::H1, Traffic::Silent),
        (Wire::H1, Traffic::Busy),
        (Wire::H2, Traffic::Silent),
        (Wire::H2, Traffic::Busy),
    ];
    for (wire, traffic) in cases {
        let (authorization, end) = expiring(&site);
        let (response, feed) = open(&site, wire, &authorization, Reply::sse()).await;
        until_cut(response, &feed, traffic).await;
        assert_now_is(&site, end);
        within("the application to be let go", feed.closed()).await;
    }
    let lines = site.log("logs/access.jsonl").await;
    let told: Vec<_> =
        lines.iter().map(|line| (line["http.response.status_code"].as_u64(), line["error.type"].as_str())).collect();
    assert_eq!(told, [(Some(200), Some("credential_expired")); 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_with_the_token_silent_or_busy() {
    let site = Setup::new().route("ws", "GET /ws", "read", "websocket = true\n").start().await;
    site.upstream.always(|_| Reply::websocket_echo());
    for traffic in [Traffic::Silent, Traffic::Busy] {
        let (authorization, end) = expiring(&site);
        let mut socket = socket(&site, &authorization).await.unwrap();
        within("the socket to be cut", async {
            loop {
                if traffic == Traffic::Busy && socket.send("hello".into()).await.is_err() {
                    return;
                }
                if !matches!(socket.next().await, Some(Ok(_))) {
                    return;
                }
            }
        })
        .await;
        assert_now_is(&site, end);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_key_is_revoked() {
    let site = Setup::new().route("events", "GET /events", "read", "").start().await;
    let admin_key = format!("Bearer {}", site.admin_key());
    let admin: &[(&str, &str)] = &[("authorization", &admin_key)];
    for wire in [Wire::H1, Wire::H2] {
        let wanted = json!({ "name": "k", "roles": ["readers"] });
        let key = site.admin().await.post_json("/v1/keys", admin, &wanted).await.json();
        let authorization = format!("Bearer {}", key["secret"].as_str().unwrap());
        let (response, feed) = open(&site, wire, &authorization, Reply::sse()).await;
        let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
        assert!(site.admin().await.send("DELETE", &path, admin, "").await.status.is_success());
        let revoked = site.gateway.now();
        until_cut(response, &feed, Traffic::Silent).await;
        let took = site.gateway.now().since(revoked).as_millis();
        assert!(took < 1_000, "{took} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_key_is_no_longer_what_it_was() {
    let site = Setup::new().route("events", "GET /events", "read", "").start().await;
    let admin_key = format!("Bearer {}", site.admin_key());
    let admin: &[(&str, &str)] = &[("authorization", &admin_key)];
    for (method, below, change) in [
        ("POST", "/rotate", json!({})),
        ("PATCH", "", json!({ "expires_in": "1s" })),
        ("PATCH", "", json!({ "addresses": ["192.0.2.1"] })),
        ("PATCH", "", json!({ "routes": [] })),
    ] {
        let wanted = json!({ "name": "k", "roles": ["readers"], "routes": ["events"] });
        let key = site.admin().await.post_json("/v1/keys", admin, &wanted).await.json();
        let authorization = format!("Bearer {}", key["secret"].as_str().unwrap());
        let (response, feed) = open(&site, Wire::H1, &authorization, Reply::sse()).await;
        let path = format!("/v1/keys/{}{below}", key["id"].as_str().unwrap());
        let fields = [admin, &[("content-type", "application/json")]].concat();
        let changed = site.admin().await.send(method, &path, &fields, change.to_string()).await;
        assert_eq!(changed.status, 200, "{change}");
        until_cut(response, &feed, Traffic::Silent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_while_the_secret_before_the_rotation_is_good() {
    let site = Setup::new().route("events", "GET /events", "read", "").start().await;
    let admin_key = format!("Bearer {}", site.admin_key());
    let admin: &[(&str, &str)] = &[("authorization", &admin_key)];
    let key =
        site.admin().await.post_json("/v1/keys", admin, &json!({ "name": "k", "roles": ["readers"] })).await.json();
    let authorization = format!("Bearer {}", key["secret"].as_str().unwrap());
    let (mut response, feed) = open(&site, Wire::H1, &authorization, Reply::sse()).await;
    let path = format!("/v1/keys/{}/rotate", key["id"].as_str().unwrap());
    let rotated = site.admin().await.post_json(&path, admin, &json!({ "overlap": "2s" })).await;
    assert_eq!(rotated.status, 200);
    let until = site.gateway.now().micros() + 1_000_000;
    while site.gateway.now().micros() < until {
        feed.send("data: more\n\n").await.unwrap();
        response.frame().await.unwrap().unwrap();
    }
    until_cut(response, &feed, Traffic::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_after_its_longest_life() {
    let site = Setup::new().route("events", "GET /events", "read", "max_stream = \"1s\"\n").start().await;
    for wire in [Wire::H1, Wire::H2] {
        let began = site.gateway.now();
        let (response, feed) = open(&site, wire, &site.reader(), Reply::stream(200)).await;
        until_cut(response, &feed, Traffic::Busy).await;
        let took = site.gateway.now().since(began).as_millis();
        assert!((1_000..2_000).contains(&took), "{took} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_outlives_its_token_unless_it_is_a_stream() {
    let site = Setup::new().route("page", "GET /events", "read", "").start().await;
    let (authorization, end) = expiring(&site);
    let (mut response, feed) = open(&site, Wire::H1, &authorization, Reply::stream(200)).await;
    while site.gateway.now().micros() < end * 1_000_000 + 100_000 {
        feed.send("x").await.unwrap();
        response.frame().await.unwrap().unwrap();
    }
    drop(feed);
    assert!(response.frame().await.is_none(), "it came to its proper end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_opens_only_where_the_route_says_so() {
    let site = Setup::new().route("ws", "GET /ws", "read", "").start().await;
    site.upstream.always(|seen| Reply::new(200, if seen.headers.contains_key("upgrade") { "asked" } else { "plain" }));
    match socket(&site, &site.reader()).await {
        Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 200),
        other => panic!("{other:?}"),
    }
    assert_eq!(site.upstream.only().headers.get("upgrade"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_says_back_what_was_said() {
    let site = Setup::new().route("ws", "GET /ws", "read", "websocket = true\n").start().await;
    assert!(socket(&site, "Bearer x").await.is_err(), "refused before it opens");
    site.upstream.always(|_| Reply::websocket_echo());
    let mut socket = socket(&site, &site.reader()).await.unwrap();
    for text in ["one", "two"] {
        socket.send(text.into()).await.unwrap();
        let said = within("an echo", socket.next()).await.unwrap().unwrap();
        assert_eq!(said.into_text().unwrap().as_str(), text);
    }
    socket.close(None).await.unwrap();
    assert_eq!(site.upstream.only().header("x-portcullis-user"), Some("rita"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_before_the_next_is_sent() {
    let site = Setup::new().route("events", "GET /events", "read", "").start().await;
    for wire in [Wire::H1, Wire::H2] {
        let (mut response, feed) = open(&site, wire, &site.reader(), Reply::sse()).await;
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            feed.send(event).await.unwrap();
            let frame = within("an event", response.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), event);
        }
        drop(feed);
        let rest = within("the end", response.collect()).await.unwrap().to_bytes();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_flows_while_it_is_being_sent() {
    let site = Setup::new().route("put", "POST /upload", "write", "").start().await;
    for wire in [Wire::H1, Wire::H2, Wire::H1] {
        let mut client = match wire {
            Wire::H1 => site.h1().await,
            Wire::H2 => site.h2().await,
        };
        let (pieces, body) = mpsc::channel::<io::Result<Frame<Bytes>>>(1);
        let body = stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
        let writer = site.writer();
        let request = client.request("POST", "/upload", &[("authorization", &writer)], "");
        let request = request.map(|_| BodyExt::boxed(StreamBody::new(body)));
        let before = site.upstream.heads();
        let answer = tokio::spawn(async move { client.open(request).await });
        pieces.send(Ok(Frame::data("first ".into()))).await.unwrap();
        site.upstream.wait_for_heads(before + 1).await;
        pieces.send(Ok(Frame::data("second".into()))).await.unwrap();
        drop(pieces);
        let answer = within("an answer", answer).await.unwrap().unwrap();
        assert_eq!(Answer::read(answer).await.unwrap().status, 200);
        assert_eq!(site.upstream.requests().last().unwrap().body, "first second");
    }
    // HTTP/2 ends such a body with an empty frame, which is no chunk: it would end the body a second time.
    assert_eq!(site.upstream.connections(), 1);
    let wire = site.upstream.wire(0);
    assert_eq!(wire.windows(7).filter(|bytes| bytes == b"\r\n0\r\n\r\n").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_keeps_its_trailers_unary_and_streaming() {
    let target = portcullis_tests::upstream::Upstream::recording().await;
    let site = Setup::new()
        .targets(&format!("\"{}\"", target.url().replace("http:", "h2c:")))
        .route("grpc", "POST /shop.Orders/Watch", "read", "")
        .start()
        .await;
    let mut client = site.h2().await;
    let reader = site.reader();
    for messages in [vec!["one"], vec!["one", "two", "three"]] {
        let (reply, feed) = Reply::stream(200);
        target.next(reply.header("content-type", "application/grpc"));
        let fields = [("authorization", reader.as_str()), ("content-type", "application/grpc"), ("te", "trailers")];
        let request = client.request("POST", "/shop.Orders/Watch", &fields, "ask");
        let mut response = within("a head", client.open(request)).await.unwrap();
        for message in messages {
            feed.send(message).await.unwrap();
            assert_eq!(within("a message", response.frame()).await.unwrap().unwrap().into_data().unwrap(), message);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        feed.trailers(trailers.clone()).await.unwrap();
        assert_eq!(within("trailers", response.frame()).await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    }
    let seen = target.requests();
    assert_eq!(
        (seen[0].version, &seen[0].body[..], seen[0].header("te")),
        (hyper::Version::HTTP_2, &b"ask"[..], Some("trailers"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn early_hints_come_early() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let target = RawUpstream::closing(answer).await;
    let site =
        Setup::new().targets(&format!("\"{}\"", target.url())).route("page", "GET /", "public", "").start().await;
    let mut raw: Raw = site.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    let hints = raw.answer().await.unwrap();
    assert_eq!((hints.status, hints.header("link")), (103, Some("</a.css>")));
    assert_eq!(raw.answer().await.unwrap().body, b"ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_hangs_before_its_answer_is_504_on_streams_too() {
    let site = Setup::new()
        .upstream("read_timeout = \"300ms\"")
        .route("events", "GET /events", "public", "max_stream = \"1h\"\n")
        .route("quick", "GET /quick", "public", "max_stream = \"1h\"\ntimeout = \"200ms\"\n")
        .route("ws", "GET /ws", "public", "websocket = true\n")
        .start()
        .await;
    let upgrade: &[(&str, &str)] = &[
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (path, fields) in [("/events", &[][..]), ("/quick", &[][..]), ("/ws", upgrade)] {
        site.upstream.next(Reply::never());
        let answer = site.h1().await.get(path, fields).await;
        assert_eq!(answer.problem(), (504, "upstream_timeout".to_owned()), "{path}");
        assert_eq!(site.h1().await.get("/quick", &[]).await.status, 200, "which keeps the target from being left out");
    }
    site.upstream.next(Reply::never());
    assert_eq!(site.h2().await.get("/events", &[]).await.problem(), (504, "upstream_timeout".to_owned()));
    assert_eq!(site.upstream.heads(), 7, "and none is asked twice");
    // One that has begun may be silent for longer than that.
    let (reply, feed) = Reply::sse();
    site.upstream.next(reply);
    let mut client = site.h1().await;
    let mut stream = within("a head", client.open(client.request("GET", "/events", &[], ""))).await.unwrap();
    assert_eq!(stream.status(), 200);
    let silence = tokio::time::timeout(Duration::from_millis(900), stream.frame()).await;
    assert!(silence.is_err(), "{silence:?}");
    feed.send("data: late\n\n").await.unwrap();
    within("a late event", stream.frame()).await.unwrap().unwrap();
}

/// Requests that have to be forwarded by Pingora after they were judged: their second count would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_streams_is_judged_charged_and_recorded_once() {
    let once = |name: &str| format!("limits = [{{ by = \"address\", rate = \"1/h\", name = \"{name}\" }}]\n");
    let site = Setup::new()
        .route("events", "GET /events", "public", &format!("{}max_stream = \"1h\"\n", once("events")))
        .route("upload", "POST /upload", "public", &once("upload"))
        .route("page", "GET /page", "public", &once("page"))
        .start()
        .await;
    let mut client = site.h1().await;
    for (method, path) in [("GET", "/events"), ("POST", "/upload"), ("GET", "/page")] {
        let body = if method == "POST" { "body" } else { "" };
        assert_eq!(client.send(method, path, &[], body).await.status, 200, "{path}");
        assert_eq!(client.send(method, path, &[], "").await.status, 429, "{path}");
    }
    assert_eq!(site.upstream.requests().iter().map(|seen| seen.body.len()).collect::<Vec<_>>(), [0, 4, 0]);
    let (access, decisions) = site.logs().await;
    assert_eq!((access.len(), decisions.len()), (6, 6));
    assert!(access.iter().all(|line| line["server.address"] == "app.test"), "{access:#?}");
}
