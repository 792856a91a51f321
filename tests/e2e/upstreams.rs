//! What becomes of a request when the application is slow, broken, away or busy?

use std::net::TcpListener;

use portcullis_tests::client::Ended;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::{RawUpstream, Reply, Upstream};
use portcullis_tests::within;

const PAGE: (&str, &str) = ("page", "GET|POST /");

fn setup() -> Setup {
    Setup::new().section("[guard]\nrate = \"1000000/s\"\n").route(PAGE.0, PAGE.1, "public", "")
}

fn quoted(urls: &[String]) -> String {
    urls.iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ")
}

async fn on(urls: &[String], upstream: &str) -> Site {
    setup().targets(&quoted(urls)).upstream(upstream).start().await
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_502() {
    let site = on(&[nowhere()], "").await;
    assert_eq!(site.h1().await.get("/", &[]).await.problem(), (502, "upstream_failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_application_is_504_by_either_timeout() {
    for (upstream, route) in [("read_timeout = \"100ms\"", ""), ("", "timeout = \"100ms\"\n")] {
        let site = Setup::new().upstream(upstream).route("page", "GET|POST /", "public", route).start().await;
        site.upstream.always(|_| Reply::never());
        for method in ["GET", "POST"] {
            let answer = site.h1().await.send(method, "/", &[], "").await;
            assert_eq!(answer.problem(), (504, "upstream_timeout".to_owned()), "{method} {upstream}{route}");
        }
        assert_eq!(site.upstream.heads(), 2, "what hung is not asked again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends_is_cut_at_the_timeout() {
    let site = Setup::new().route("page", "GET /", "public", "timeout = \"300ms\"\n").start().await;
    let (reply, feed) = Reply::stream(200);
    site.upstream.next(reply);
    let mut client = site.h2().await;
    let request = client.request("GET", "/", &[], "");
    let mut response = client.open(request).await.unwrap();
    let cut = async {
        loop {
            let _ = feed.send("more").await;
            if http_body_util::BodyExt::frame(&mut response).await.is_none_or(|frame| frame.is_err()) {
                return;
            }
        }
    };
    within("the answer to be cut", cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_answer_is_502_and_half_an_answer_is_not_made_whole() {
    for answer in ["", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"] {
        let target = RawUpstream::closing(answer).await;
        let site = on(&[target.url()], "").await;
        let told = site.h1().await.get("/", &[]).await.problem();
        assert_eq!(told, (502, "upstream_failed".to_owned()), "{answer:?}");
    }
    let target = RawUpstream::closing("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    let site = on(&[target.url()], "").await;
    let mut raw = site.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await, Err(Ended::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_leaves_http_unasked_gets_nobody_to_talk_to() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello";
    let target = RawUpstream::keeping(switch).await;
    let routes =
        setup().targets(&format!("\"{}\"", target.url())).route("ws", "GET /ws", "public", "websocket = true\n");
    let site = routes.start().await;
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    for (path, fields) in [("/", ""), ("/", handshake), ("/ws", "")] {
        let mut raw = site.raw().await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n")).await.unwrap();
        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_failed".into()), "{path} {fields}");
        assert_eq!(raw.rest(portcullis_tests::PATIENCE).await, (Vec::new(), Ended::Closed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_the_applications_connection_stays_there() {
    let head = "Connection: X-Hop, keep-alive\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-Hop: 1\r\n";
    let lengths = "Content-Length: 2\r\nContent-Length: 2\r\n";
    let target = RawUpstream::keeping(format!("HTTP/1.1 200 OK\r\n{head}{lengths}\r\nok")).await;
    let site = on(&[target.url()], "").await;
    let mut raw = site.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    let answer = raw.answer().await.unwrap();
    let told: Vec<_> = answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert_eq!(told.iter().filter(|name| *name == "content-length").count(), 1);
    for gone in ["keep-alive", "upgrade", "x-hop"] {
        assert!(!told.iter().any(|name| name == gone), "{gone} in {told:?}");
    }
    assert_eq!(answer.body, b"ok");
}

/// HTTP/1.0 knows no chunks (RFC 9112 §6.1). A body of the request that streams goes another way through the gateway than none.
#[tokio::test(flavor = "multi_thread")]
async fn each_client_gets_an_answer_in_a_version_that_it_knows() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for answer in [chunked, "HTTP/1.0 200 OK\r\n\r\nok"] {
        let target = RawUpstream::closing(answer).await;
        let site = on(&[target.url()], "").await;
        for (version, body) in [("1.0", "\r\nok"), ("1.1", "\r\n2\r\nok\r\n0\r\n\r\n")] {
            for (method, sent) in [("GET", "\r\n"), ("POST", "Content-Length: 2\r\n\r\nhi")] {
                let mut raw = site.raw().await;
                let asked = format!("{method} / HTTP/{version}\r\nHost: app.test\r\nConnection: close\r\n{sent}");
                raw.send(asked).await.unwrap();
                let (bytes, ended) = raw.rest(portcullis_tests::PATIENCE).await;
                let text = String::from_utf8(bytes).unwrap();
                let shown = format!("{method} {version} {answer:?}: {text}");
                assert_eq!(ended, Ended::Closed, "{shown}");
                assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with(&format!("\r\n{body}")), "{shown}");
                let coded = text.to_ascii_lowercase().contains("transfer-encoding");
                assert_eq!(coded, version == "1.1", "{shown}");
                assert!(text.contains("\r\nConnection: close\r\n"), "{shown}");
            }
        }
    }
    // And where it would keep the connection.
    let target = RawUpstream::keeping(chunked).await;
    let site = on(&[target.url()], "").await;
    let mut raw = site.raw().await;
    raw.send("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
    let (bytes, ended) = raw.rest(portcullis_tests::PATIENCE).await;
    assert_eq!((ended, String::from_utf8(bytes).unwrap().contains("\r\nConnection: close\r\n")), (Ended::Closed, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_are_passed_on_to_those_who_know_them_and_end_somewhere() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let ask = async |count: usize, version: &str, after: &str| {
        let target = RawUpstream::closing(format!("{}{after}", interim.repeat(count))).await;
        let site = on(&[target.url()], "").await;
        let mut raw = site.raw().await;
        raw.send(format!("GET / HTTP/{version}\r\nHost: app.test\r\n\r\n")).await.unwrap();
        let (answers, ended) = raw.answers(portcullis_tests::PATIENCE).await;
        assert!(ended == Ended::Closed || after == last);
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    };
    assert_eq!(ask(2, "1.0", last).await, [200]);
    assert_eq!(ask(1, "1.1", "").await, [103, 502], "an interim answer is not the answer");
    let flood = ask(1_000, "1.1", last).await;
    assert!((10..100).contains(&flood.len()), "{}", flood.len());
    assert_eq!(flood.last(), Some(&502));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_body_reaches_the_client() {
    let target = RawUpstream::keeping("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let site = on(&[target.url()], "").await;
    let mut raw = site.raw().await;
    raw.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100000\r\n\r\nbeginning").await.unwrap();
    let answer = raw.answer().await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (403, &b"no"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_and_targets_share_the_load() {
    let (one, two) = (Upstream::recording().await, Upstream::recording().await);
    let site = on(&[one.url(), two.url()], "").await;
    let mut client = site.h1().await;
    for _ in 0..6 {
        assert_eq!(client.get("/", &[]).await.status, 200);
    }
    assert_eq!((one.requests().len(), two.requests().len()), (3, 3));
    assert_eq!((one.connections(), two.connections()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_safe_requests_go_to_a_second_target() {
    let (broken, good) = (RawUpstream::closing("").await, Upstream::recording().await);
    let site = on(&[broken.url(), good.url()], "").await;
    let mut client = site.h1().await;
    for _ in 0..2 {
        assert_eq!(client.get("/", &[]).await.status, 200);
    }
    let before = broken.heads().len();
    assert_eq!(good.requests().len(), 2);
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(site.h1().await.send("POST", "/", &[], "once").await.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
    assert_eq!((broken.heads().len(), good.requests().len()), (before + 1, 3), "each POST was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_bounded() {
    for (upstream, attempts) in [("retries = 0", 1), ("", 2), ("retries = 2", 3)] {
        let mut targets = Vec::new();
        for _ in 0..4 {
            targets.push(RawUpstream::closing("").await);
        }
        let urls: Vec<String> = targets.iter().map(RawUpstream::url).collect();
        let site = on(&urls, upstream).await;
        assert_eq!(site.h1().await.get("/", &[]).await.problem().0, 502);
        let heads: usize = targets.iter().map(|target| target.heads().len()).sum();
        assert_eq!(heads, attempts, "{upstream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_failed_three_times_is_left_alone_and_comes_back() {
    let good = Upstream::recording().await;
    let site = setup().beside(&good.url()).start().await;
    let mut client = site.h1().await;
    for _ in 0..3 {
        site.upstream.next(Reply::closed());
    }
    let mut failed = 0;
    while failed < 3 {
        let answer = site.h1().await.send("POST", "/", &[], "x").await;
        if answer.status != 200 {
            assert_eq!(answer.problem(), (502, "upstream_failed".to_owned()));
            assert_eq!(answer.header("connection"), Some("close"), "as it will be");
            failed += 1;
        }
    }
    for _ in 0..4 {
        assert_eq!(client.send("POST", "/", &[], "x").await.status, 200);
    }
    assert_eq!(site.upstream.heads(), 3, "it was not asked");
    within("the target to be tried again", async {
        // Each on a connection of its own: one carries no more than a thousand, which do not take a second.
        while site.upstream.heads() == 3 {
            assert_eq!(site.h1().await.get("/", &[]).await.status, 200);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_nobody_listens_at_is_503_once_that_is_known() {
    let site = on(&[nowhere()], "").await;
    for _ in 0..3 {
        assert_eq!(site.h1().await.get("/", &[]).await.problem(), (502, "upstream_failed".to_owned()));
    }
    let away = site.h1().await.get("/", &[]).await;
    assert_eq!(away.problem(), (503, "upstream_unavailable".to_owned()));
    assert_eq!(away.header("retry-after"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_the_application_fail_closes_it_to_nobody_else() {
    let site = setup().upstream("read_timeout = \"100ms\"").start().await;
    for reply in [Reply::closed as fn() -> Reply, Reply::never] {
        for _ in 0..5 {
            site.upstream.next(reply());
            assert!(site.h1().await.send("POST", "/", &[], "evil").await.status.is_server_error());
        }
        assert_eq!(site.h1().await.get("/", &[]).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_carry_on_while_one_is_away() {
    let good = Upstream::recording().await;
    let site = on(&[nowhere(), good.url()], "").await;
    let mut client = site.h1().await;
    for _ in 0..8 {
        assert_eq!(client.send("POST", "/", &[], "x").await.status, 200, "a refused connection sent nothing yet");
    }
    assert_eq!(good.requests().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_upstream_may_have_are_shed() {
    let site = setup().upstream("max_connections = 1").start().await;
    let (reply, release) = Reply::ok().held();
    site.upstream.next(reply);
    let mut first = site.h1().await;
    let first = tokio::spawn(async move { first.get("/", &[]).await });
    site.upstream.wait_for_heads(1).await;
    let shed = site.h1().await.get("/", &[]).await;
    assert_eq!((shed.problem(), shed.header("retry-after")), ((503, "overloaded".to_owned()), Some("1")));
    release.go();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(site.h1().await.get("/", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_leaves_is_recorded() {
    let site = setup().start().await;
    let (reply, release) = Reply::ok().held();
    site.upstream.next(reply);
    let mut raw = site.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    site.upstream.wait_for_heads(1).await;
    drop(raw);
    let lines = site.log("logs/decisions.jsonl").await;
    let told: Vec<_> = lines.iter().map(|line| (line["status"].as_u64(), line["outcome"].as_str())).collect();
    assert_eq!(told, [(Some(499), Some("client_gone"))]);
    release.go();
}
