//! Heads and lengths that are refused.

use portcullis_tests::site::{Setup, Site};

use super::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, Seen, fields, frame};

type Fields = Vec<(&'static str, String)>;

async fn open() -> Site {
    Setup::new()
        .route("all", "ANY /{*rest}", "public", "")
        .route("judged", "POST /judged", "public", "body_schema = \"any.json\"\n")
        .file("config/any.json", "true")
        .start()
        .await
}

fn get() -> Fields {
    [(":method", "GET"), (":scheme", "https"), (":authority", "app.test"), (":path", "/a")]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
}

/// `get()` with one pseudo-field of another value.
fn with(name: &str, value: &str) -> Fields {
    let mut list = get();
    value.clone_into(&mut list.iter_mut().find(|(other, _)| *other == name).unwrap().1);
    list
}

/// `get()` with more at the end.
fn and(more: &[(&'static str, &str)]) -> Fields {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    get().into_iter().chain(more).collect()
}

fn without(name: &str) -> Fields {
    get().into_iter().filter(|(other, _)| *other != name).collect()
}

async fn ask(site: &Site, list: &Fields) -> Seen {
    let list: Vec<(&str, &str)> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut frames = Frames::connect(site).await;
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&list))).await.unwrap();
    frames.outcome(&format!("{list:?}")).await
}

/// Every row is refused by us or by the protocol's engine, nothing reaches the application, and others are served.
async fn refuses(rows: Vec<(Fields, Seen)>) {
    let site = open().await;
    let mut other = site.h2().await;
    let mut wrong = Vec::new();
    for (list, expected) in rows {
        let seen = ask(&site, &list).await;
        if seen != expected {
            wrong.push((list, seen));
        }
    }
    assert_eq!(wrong, [], "ended otherwise");
    assert_eq!(site.upstream.connections(), 0, "the application is untouched");
    assert_eq!(other.get("/a", &[]).await.status, 200);
}

fn problem(code: &str) -> Seen {
    Seen::Problem(code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_fields_that_two_servers_read_in_two_ways() {
    refuses(vec![
        (and(&[("connection", "close")]), Seen::Reset),
        (and(&[("keep-alive", "timeout=5")]), Seen::Reset),
        (and(&[("proxy-connection", "close")]), Seen::Reset),
        (and(&[("transfer-encoding", "chunked")]), Seen::Reset),
        (and(&[("upgrade", "h2c")]), Seen::Reset),
        (and(&[("te", "gzip")]), Seen::Reset),
        (and(&[("X-Upper", "a")]), Seen::Gone),
        (and(&[("x a", "b")]), Seen::Gone),
        (and(&[("x-a", "b\r\nx-portcullis-user: admin")]), Seen::Gone),
        (and(&[("x-a", "b\0c")]), Seen::Gone),
        (and(&[(":path", "/b")]), Seen::Reset),
        (and(&[("x-a", "b"), (":authority", "app.test")]), Seen::Reset),
        (and(&[(":unknown", "b")]), Seen::Gone),
        (and(&[("x_portcullis_user", "admin")]), problem("malformed_request")),
        (and(&[("x-a", "\u{e9}")]), problem("malformed_request")),
        (and(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]), problem("credentials_conflict")),
        (and(&[("content-length", "5")]), Seen::Reset),
        (and(&[("content-length", "0"), ("content-length", "0")]), problem("malformed_request")),
        (and(&[("content-length", "-1")]), Seen::Reset),
        (and(&[("expect", "200-ok")]), problem("malformed_request")),
        (and(&[("x-a", "b"); 101]), problem("headers_too_large")),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_targets_hosts_and_methods_that_are_not_for_us() {
    refuses(vec![
        (without(":path"), Seen::Reset),
        (without(":scheme"), Seen::Reset),
        (without(":method"), Seen::Reset),
        (without(":authority"), Seen::Reset),
        (with(":path", ""), Seen::Reset),
        (with(":path", "a"), Seen::Reset),
        (with(":path", "*"), problem("malformed_request")),
        (with(":path", "https://app.test/a"), Seen::Reset),
        (with(":path", "/a b"), Seen::Reset),
        (with(":path", "/a/../b"), problem("ambiguous_path")),
        (with(":path", "/a%2fb"), problem("ambiguous_path")),
        (with(":path", "//a"), problem("ambiguous_path")),
        (with(":path", "/a;b"), problem("ambiguous_path")),
        (with(":path", &format!("/{}", "a".repeat(9_000))), problem("target_too_long")),
        (with(":scheme", "ftp"), problem("malformed_request")),
        (with(":method", "TRACE"), problem("method_not_allowed")),
        (with(":method", "get"), problem("malformed_request")),
        (with(":method", "HACK"), problem("method_not_allowed")),
        (with(":authority", "user@app.test"), Seen::Reset),
        (with(":authority", "app.test/a"), Seen::Reset),
        (with(":authority", "app.test:x"), problem("invalid_host")),
        (with(":authority", ""), Seen::Reset),
        (and(&[("host", "other.test")]), Seen::Reset),
        (and(&[("host", "app.test"), ("host", "app.test")]), Seen::Reset),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_refuses_is_written_down_and_counted() {
    let site = open().await;
    let rows = [
        without(":authority"),
        with(":authority", "user@app.test"),
        and(&[("host", "other.test")]),
        and(&[("host", "app.test"), ("host", "app.test")]),
    ];
    for list in &rows {
        assert_eq!(ask(&site, list).await, Seen::Reset, "{list:?}");
    }
    let metrics = String::from_utf8(site.admin().await.get("/metrics", &[]).await.body.to_vec()).unwrap();
    let counted = "portcullis_refusals_total{code=\"malformed_request\",route=\"none\"} 4";
    assert!(metrics.contains(counted), "{metrics}");
    let (access, decisions) = site.logs().await;
    assert_eq!((access.len(), decisions.len()), (rows.len(), rows.len()));
    for (line, record) in access.iter().zip(&decisions) {
        assert_eq!(line["portcullis.decision_id"], record["id"]);
        let told = (&line["http.response.status_code"], &line["portcullis.code"], &line["network.protocol.version"]);
        assert_eq!(told, (&400.into(), &"malformed_request".into(), &"2".into()), "{line}");
        assert_eq!(line["network.peer.address"], "127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_bodies_of_another_length_than_declared() {
    let site = open().await;
    for (declared, data) in [("5", "{}"), ("1", "{}"), ("0", "{}")] {
        let mut list = with(":method", "POST");
        list[3].1 = "/judged".to_owned();
        list.push(("content-type", "application/json".to_owned()));
        list.push(("content-length", declared.to_owned()));
        let list: Vec<(&str, &str)> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut frames = Frames::connect(&site).await;
        frames.send(&frame(HEADERS, END_HEADERS, 1, &fields(&list))).await.unwrap();
        frames.send(&frame(DATA, END_STREAM, 1, data.as_bytes())).await.unwrap();
        assert_ne!(frames.outcome(declared).await, Seen::Served, "{declared} {data}");
    }
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_what_is_in_order() {
    let site = open().await;
    for list in [
        get(),
        and(&[("te", "trailers"), ("x-a", "b")]),
        and(&[("host", "app.test")]),
        and(&[("cookie", "a=b"), ("cookie", "c=d")]),
        with(":authority", "APP.TEST:8443"),
        with(":path", "/a?b=c"),
    ] {
        assert_eq!(ask(&site, &list).await, Seen::Served, "{list:?}");
    }
    assert_eq!(site.upstream.requests()[3].header("cookie"), Some("a=b; c=d"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_to_become_a_tunnel() {
    let site = open().await;
    let mut frames = Frames::connect(&site).await;
    let list = fields(&[(":method", "CONNECT"), (":authority", "app.test:443")]);
    frames.send(&frame(HEADERS, END_HEADERS, 1, &list)).await.unwrap();
    let head = async {
        loop {
            if let (HEADERS, _, 1, head) = frames.next().await.unwrap() {
                return head;
            }
        }
    };
    let head = portcullis_tests::within("an answer", head).await;
    assert_ne!(head[0], 0x88, "not `:status: 200` (RFC 7541, appendix A)");
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_is_gone_before_anything_is_decided() {
    let site = open().await;
    assert_eq!(ask(&site, &with(":path", "/a#b")).await, Seen::Served);
    assert_eq!(site.upstream.only().target, "/a", "what was matched is what is forwarded");
}
