//! Answers that are held until they are judged.

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use portcullis_tests::client::Ended;
use portcullis_tests::upstream::{RawUpstream, Reply, Upstream};
use portcullis_tests::within;
use std::io::Write;

use super::{GOOD, both, enforcing, judging, refused};
use crate::bodies::chunks;

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_502_and_says_nothing_of_itself() {
    let site = enforcing().await;
    for mut client in both(&site).await {
        for body in
            [r#"{"secret":1}"#, r#"{"note":7,"secret":1}"#, r#"{"note":"a","note":"secret"}"#, "secret", "", "{"]
        {
            site.upstream.next(Reply::json(200, body));
            let (reply, feed) = Reply::stream(200);
            site.upstream.next(reply.header("content-type", "application/json"));
            refused(&client.get("/notes", &[]).await);
            let _ = feed.send(body.to_owned()).await;
            drop(feed);
            refused(&client.get("/notes", &[]).await);
        }
        for unfit in ["text/html", "application/json; charset=utf-16"] {
            site.upstream.next(Reply::new(200, GOOD).header("content-type", unfit));
            refused(&client.get("/notes", &[]).await);
        }
        // The connection lives on.
        assert_eq!(client.get("/free", &[]).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_arrives_byte_for_byte_with_its_length() {
    let site = enforcing().await;
    for mut client in both(&site).await {
        let large = format!(r#"{{ "note" : "{}" }}"#, "n".repeat(700_000));
        for body in [GOOD, "\n{ \"note\": \"\\u00e9\" , \"owner\":{} }\n", &large] {
            site.upstream.next(Reply::json(200, body.to_owned()).header("etag", "\"1\""));
            let (reply, feed) = Reply::stream(200);
            site.upstream.next(reply.header("content-type", "application/json"));
            let answer = client.get("/notes", &[]).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, body.as_bytes()));
            assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
            assert_eq!(answer.header("etag"), Some("\"1\""));
            for piece in body.as_bytes().chunks(60_000) {
                let _ = feed.send(piece.to_vec()).await;
            }
            drop(feed);
            let answer = client.get("/notes", &[]).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, body.as_bytes()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_the_request_arrives_however_it_was_sent() {
    let site = enforcing().await;
    site.upstream.always(|_| Reply::json(200, GOOD));
    let mut sent = 0;
    for mut client in both(&site).await {
        for (method, size) in [("PUT", 0), ("PUT", 10), ("PUT", 200_000), ("POST", 12), ("POST", 200_000)] {
            let body =
                if method == "POST" { format!(r#"{{"note":"{}"}}"#, "n".repeat(size)) } else { "x".repeat(size) };
            let answer = client.send(method, "/notes", &[("content-type", "application/json")], body.clone()).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, GOOD.as_bytes()), "{method} {size}");
            sent += 1;
            let seen = site.upstream.wait_for(sent).await;
            let last = &seen[sent - 1];
            assert!(last.complete && last.body == body.as_bytes(), "{method} {size}: {} bytes", last.body.len());
            assert_eq!(last.header("content-type"), Some("application/json"), "{method} {size}");
        }
    }
    for method in ["PUT", "POST"] {
        let body = format!(r#"{{"note":"{}"}}"#, "n".repeat(200_000));
        let mut raw = site.raw().await;
        let head = format!("{method} /notes HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\n");
        raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await.unwrap();
        raw.send([chunks(body.as_bytes(), 10_000), b"0\r\n\r\n".to_vec()].concat()).await.unwrap();
        assert_eq!(raw.answer().await.unwrap().status, 200, "{method}");
        sent += 1;
        assert_eq!(site.upstream.wait_for(sent).await[sent - 1].body, body.as_bytes(), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_and_of_other_statuses_pass() {
    let site = enforcing().await;
    for mut client in both(&site).await {
        site.upstream.next(Reply::json(200, ""));
        let head = client.send("HEAD", "/notes", &[], "").await;
        assert_eq!((head.status.as_u16(), head.header("content-type")), (200, Some("application/json")));
        for status in [204, 304] {
            site.upstream.next(Reply::new(status, "").header("etag", "\"1\""));
            let answer = client.get("/notes", &[]).await;
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (status, Some("\"1\"")));
        }
        site.upstream.next(Reply::json(500, "[\"anything\"]"));
        assert_eq!(client.get("/notes", &[]).await.body, "[\"anything\"]");
        // Declared without a schema: the media type counts.
        site.upstream.next(Reply::json(404, "[\"anything\"]"));
        assert_eq!(client.get("/notes", &[]).await.body, "[\"anything\"]");
        site.upstream.next(Reply::new(404, "no").header("content-type", "text/plain"));
        refused(&client.get("/notes", &[]).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_declared_flows_at_once() {
    let site = enforcing().await;
    let (reply, feed) = Reply::sse();
    site.upstream.next(reply);
    let mut client = site.h2().await;
    let request = client.request("GET", "/notes", &[], "");
    let mut response = within("a head", client.open(request)).await.unwrap();
    feed.send("data: 1\n\n").await.unwrap();
    let first = within("an event", response.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_cannot_be_read_whole_is_502() {
    let site = judging("enforce", ", max_body = \"1KiB\"").start().await;
    for mut client in both(&site).await {
        let large = format!(r#"{{"note":"{}"}}"#, "n".repeat(2_000));
        site.upstream.next(Reply::json(200, large));
        refused(&client.get("/notes", &[]).await);
        let mut coded = GzEncoder::new(Vec::new(), Compression::fast());
        coded.write_all(GOOD.as_bytes()).unwrap();
        site.upstream.next(Reply::json(200, coded.finish().unwrap()).header("content-encoding", "gzip"));
        refused(&client.get("/notes", &[("accept-encoding", "gzip"), ("range", "bytes=0-3")]).await);
    }
    let asked = site.upstream.requests();
    let asked = asked.last().unwrap();
    assert_eq!(
        (asked.header("accept-encoding"), asked.header("range")),
        (None, None),
        "the answer is to be plain and whole"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_no_answer() {
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let halves = [
        format!("{json}Content-Length: 20\r\n\r\n{GOOD}"),
        format!("{json}Transfer-Encoding: chunked\r\n\r\nc\r\n{GOOD}\r\n"),
    ];
    for half in halves {
        let target = RawUpstream::closing(half).await;
        let site = judging("enforce", "").targets(&format!("\"{}\"", target.url())).start().await;
        for mut client in both(&site).await {
            assert_eq!(client.get("/notes", &[]).await.problem(), (502, "upstream_failed".to_owned()));
        }
    }
    // Interim answers go on, and the end of a connection ends an answer without a length.
    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n{json}\r\n{GOOD}");
    let target = RawUpstream::closing(hints).await;
    let site = judging("enforce", "").targets(&format!("\"{}\"", target.url())).start().await;
    let mut raw = site.raw().await;
    raw.send("GET /notes HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let (answers, ended) = raw.answers(portcullis_tests::PATIENCE).await;
    let told: Vec<_> = answers.iter().map(|answer| (answer.status, &answer.body[..])).collect();
    assert_eq!((told, ended), (vec![(103, &b""[..]), (200, GOOD.as_bytes())], Ended::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_fails_is_answered_for_as_ever() {
    let site = enforcing().await;
    for mut client in both(&site).await {
        site.upstream.next(Reply::closed());
        assert_eq!(client.send("PUT", "/notes", &[], "").await.problem(), (502, "upstream_failed".to_owned()));
        site.upstream.always(|_| Reply::never());
        assert_eq!(client.get("/timely", &[]).await.problem(), (504, "upstream_timeout".to_owned()));
        site.upstream.always(|_| Reply::ok());
        let (reply, feed) = Reply::stream(200);
        site.upstream.next(reply.header("content-type", "application/json"));
        feed.send("{").await.unwrap();
        let trickle = tokio::spawn(async move {
            while feed.send(" ").await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        let told = client.get("/timely", &[]).await.problem();
        assert!(
            [(504, "upstream_timeout".to_owned()), (502, "response_violation".to_owned())].contains(&told),
            "{told:?}"
        );
        trickle.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_with_trailers_is_judged_too() {
    let http2 = Upstream::recording().await;
    let target = http2.url().replace("http:", "h2c:");
    let site = judging("enforce", "").targets(&format!("\"{target}\"")).start().await;
    for mut client in both(&site).await {
        for (body, fits) in [(GOOD, true), ("{\"secret\":1}", false)] {
            let (reply, feed) = Reply::stream(200);
            http2.next(reply.header("content-type", "application/json"));
            feed.send(body).await.unwrap();
            let trailers = [("x-sum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
            feed.trailers(trailers).await.unwrap();
            let answer = client.get("/notes", &[]).await;
            if fits {
                assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, body.as_bytes()));
            } else {
                refused(&answer);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_declared_is_taken_out() {
    let site = judging("enforce", ", undeclared = \"strip\"").start().await;
    let said = r#"{"secret":{"note":1},"owner":{"secret":2,"name":"o"},"note":"n"}"#;
    for mut client in both(&site).await {
        site.upstream
            .next(Reply::json(200, said).header("content-digest", "sha-256=:AA==:").header("accept-ranges", "bytes"));
        let answer = client.get("/notes", &[]).await;
        assert_eq!(answer.body, r#"{"owner":{"name":"o"},"note":"n"}"#);
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert_eq!((answer.header("content-digest"), answer.header("accept-ranges")), (None, None));
        site.upstream.next(Reply::json(200, r#"{"secret":1,"note":7}"#));
        refused(&client.get("/notes", &[]).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_stands_in_log_record_and_metric() {
    let site = enforcing().await;
    site.upstream.next(Reply::json(200, r#"{"note":"the-value","x":1}"#.replace("\"the-value\"", "7")));
    refused(&site.h1().await.get("/notes", &[]).await);
    let metrics = site.metrics().await;
    assert!(metrics.contains("portcullis_refusals_total{code=\"response_violation\",route=\"notes\"} 1"), "{metrics}");
    let (access, decisions) = site.logs().await;
    let (access, decision) = (access.last().unwrap(), decisions.last().unwrap());
    assert_eq!(
        (&access["http.response.status_code"], &access["portcullis.code"]),
        (&502.into(), &"response_violation".into())
    );
    assert_eq!((&decision["status"], &decision["outcome"]), (&502.into(), &"response_violation".into()));
    assert!(decision["reason"].as_str().unwrap().contains("`type` at `/note`"), "{decision}");
    let steps: Vec<_> = decision["steps"].as_array().unwrap().iter().map(|s| (&s["stage"], &s["end"])).collect();
    assert_eq!(
        steps[steps.len() - 2..],
        [(&"forward".into(), &"passed".into()), (&"answer".into(), &"refused".into())]
    );
}
