//! Bodies of unknown length that outgrow what Pingora replays: decided once, recorded once, retried whole.

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::Reply;
use serde_json::Value;

use super::{NOTE, chunks, head, invalid, judging, valid};

const SIZE: usize = 200_000;

async fn chunked(site: &Site, fields: &str, body: &str) -> portcullis_tests::client::RawAnswer {
    let mut raw = site.raw().await;
    raw.send(head(&format!("{fields}Transfer-Encoding: chunked\r\n"))).await.unwrap();
    // The gateway may have refused, and closed, before all was said.
    let _ = raw.send(chunks(body.as_bytes(), 10_000)).await;
    let _ = raw.send("0\r\n\r\n").await;
    raw.answer().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn is_decided_charged_and_recorded_once() {
    let more = "body_schema = \"note.json\"\nlimits = [{ by = \"principal\", rate = \"2/h\", burst = 2 }]\n";
    let site = Setup::new().route("notes", "POST /notes", "write", more).file("config/note.json", NOTE).start().await;
    let fields = format!("Authorization: {}\r\n", site.writer());
    for _ in 0..2 {
        let answer = chunked(&site, &fields, &valid(SIZE)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for name in ["x-request-id", "ratelimit", "ratelimit-policy", "cache-control"] {
            let lines = answer.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count();
            assert_eq!(lines, 1, "{name}: {answer:?}");
        }
        assert_eq!(answer.body, br#"{"ok":true}"#);
    }
    assert_eq!(chunked(&site, &fields, &valid(SIZE)).await.status, 429);
    let seen = site.upstream.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-portcullis-user"), Some("wanda"));
    assert_eq!(seen[0].header("authorization"), None);
    let lines = site.log("logs/access.jsonl").await;
    let told: Vec<(&Value, &Value)> =
        lines.iter().map(|line| (&line["http.response.status_code"], &line["http.request.body.size"])).collect();
    let size = Value::from(SIZE);
    assert_eq!(told[..2], [(&200.into(), &size), (&200.into(), &size)], "{lines:#?}");
    assert_eq!(lines.len(), 3, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_lives_on_after_it() {
    let site = judging().start().await;
    let mut raw = site.raw().await;
    for (body, status) in [(valid(SIZE), 200), (invalid(SIZE), 422), (valid(12), 200), (valid(SIZE), 200)] {
        raw.send(head("Transfer-Encoding: chunked\r\n")).await.unwrap();
        raw.send(chunks(body.as_bytes(), 10_000)).await.unwrap();
        raw.send("0\r\n\r\n").await.unwrap();
        assert_eq!(raw.answer().await.unwrap().status, status);
    }
    assert_eq!(site.upstream.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn says_why_when_the_application_fails() {
    let site = judging().start().await;
    site.upstream.always(|_| Reply::closed());
    let answer = chunked(&site, "", &valid(SIZE)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_failed".into()), "{answer:?}");
    assert_eq!(site.upstream.requests().len(), 1, "a POST is not repeated once it may have been seen");
    let lines = site.log("logs/access.jsonl").await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["http.response.status_code"], 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_carries_the_whole_body() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let live = portcullis_tests::upstream::Upstream::recording().await;
    let site =
        judging().targets(&format!("\"http://{gone}\", \"{}\"", live.url())).upstream("retries = 2").start().await;
    for sent in 1..=4 {
        let body = valid(SIZE + sent);
        assert_eq!(chunked(&site, "", &body).await.status, 200);
        let mut client = site.h1().await;
        let answer = client.send("POST", "/notes", &[("content-type", "application/json")], body.clone()).await;
        assert_eq!(answer.status, 200);
        for seen in &live.requests()[2 * (sent - 1)..] {
            assert!(seen.complete && seen.body == body.as_bytes(), "{} bytes", seen.body.len());
        }
    }
}
