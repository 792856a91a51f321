//! What is left behind of a request, and what never?

use portcullis_tests::site::Setup;
use serde_json::{Value, json};

fn setup() -> Setup {
    Setup::new()
        .upstream("assertion = true")
        .file("config/order.json", r#"{ "type": "object", "properties": { "a": { "maxLength": 3 } } }"#)
        .route("page", "GET /page/{id}", "read", "")
        .route("order", "POST /order", "write", "body_schema = \"order.json\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_line_has_these_fields_and_no_others() {
    let site = setup().start().await;
    let reader = site.reader();
    let fields = [("authorization", reader.as_str()), ("user-agent", "test/1"), ("cookie", "a=b")];
    let answer = site.h1().await.get("/page/7?token=s3cret", &fields).await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    let upstream = site.upstream.address().to_string();
    let version = site.gateway.version().to_string();
    let seen = site.upstream.only();
    assert_eq!(seen.header("x-request-id"), Some(id.as_str()));
    let decision = seen.header("x-portcullis-decision").unwrap().to_owned();
    let trace: Vec<String> = seen.header("traceparent").unwrap().split('-').map(str::to_owned).collect();
    let mut lines = site.log("logs/access.jsonl").await;
    let mut line = lines.remove(0);
    for volatile in ["timestamp", "duration_us"] {
        assert!(line[volatile].as_i64().unwrap() > 0, "{volatile}");
        line.as_object_mut().unwrap().remove(volatile);
    }
    assert_eq!(
        line,
        json!({
            "http.request.method": "GET", "url.path": "/page/7", "url.scheme": "https", "server.address": "app.test",
            "http.route": "page", "http.response.status_code": 200, "http.request.body.size": 0,
            "http.response.body.size": 11, "network.protocol.version": "1.1", "client.address": "127.0.0.1",
            "network.peer.address": "127.0.0.1", "user_agent.original": "test/1",
            "trace_id": trace[1], "span_id": trace[2], "portcullis.decision_id": decision, "portcullis.request_id": id,
            "portcullis.config_version": version, "portcullis.principal": "User::\"test|rita\"",
            "portcullis.auth": "jwt", "portcullis.upstream": upstream,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_one_line_and_one_record_whatever_became_of_it() {
    let site = setup().start().await;
    let reader = site.reader();
    let mut client = site.h1().await;
    let authorization: &[(&str, &str)] = &[("authorization", &reader)];
    let mut answers = Vec::new();
    for (path, fields) in [
        ("/page/1", authorization),
        ("/page/1", &[]),
        ("/nowhere", &[]),
        ("/a//b", &[]),
        ("/_portcullis/jwks.json", &[]),
    ] {
        answers.push(client.get(path, fields).await);
    }
    answers.push(client.post_json("/order", authorization, &json!({})).await);
    let mut raw = site.raw().await;
    raw.send("GET /a b HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await.unwrap().status, 400);
    let instances: Vec<Option<String>> = answers
        .iter()
        .map(|answer| (answer.status != 200).then(|| answer.json()["instance"].as_str().unwrap().to_owned()))
        .collect();
    let (access, decisions) = site.logs().await;
    let told: Vec<_> =
        decisions.iter().map(|line| (line["status"].as_u64().unwrap(), line["outcome"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            (200, "permit"),
            (401, "authentication_required"),
            (404, "route_not_found"),
            (400, "ambiguous_path"),
            (200, "permit"),
            (403, "forbidden"),
            (400, "malformed_request"),
        ]
    );
    let refused = (&access[6]["http.request.method"], &access[6]["url.path"], &access[6]["server.address"]);
    assert_eq!(refused, (&json!("GET"), &json!("/a"), &json!("app.test")), "as far as it could be read");
    assert_eq!((&access[3]["url.path"], &access[3]["server.address"]), (&json!("/a//b"), &json!("app.test")));
    for (line, record) in access.iter().zip(&decisions) {
        assert_eq!(line["portcullis.decision_id"], record["id"]);
        assert_eq!((&line["trace_id"], &line["portcullis.request_id"]), (&record["trace_id"], &record["request_id"]));
    }
    for (instance, record) in instances.iter().zip(&decisions) {
        if let Some(instance) = instance {
            assert_eq!(instance.as_str(), record["id"].as_str().unwrap());
        }
    }
}

/// A word that stands in every place where a secret may stand.
const SECRET: &str = "hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_down_anywhere() {
    let site = setup().start().await;
    let token = site.reader();
    let writer = site.writer();
    let mut client = site.h1().await;
    let bad = format!("Bearer {SECRET}.{SECRET}.{SECRET}");
    let basic = format!("Basic {SECRET}");
    let cookie = format!("a={SECRET}; __Host-portcullis={SECRET}");
    let target = format!("/page/1?token={SECRET}&api_key={SECRET}");
    let key = format!("ptcl_test_{SECRET}");
    let body = json!({ "a": SECRET, SECRET: 1 });
    let url = format!("https://app.test/?code={SECRET}");
    for authorization in [token.as_str(), &bad, &basic] {
        let fields = [("authorization", authorization), ("cookie", &cookie), ("referer", &url), ("x-secret", SECRET)];
        client.get(&target, &fields).await;
    }
    client.get(&target, &[("x-api-key", &key)]).await;
    client.post_json("/order", &[("authorization", &writer)], &body).await;
    client
        .send(
            "POST",
            "/order",
            &[("authorization", &writer), ("content-type", "application/json")],
            format!("{{\"{SECRET}"),
        )
        .await;
    let admin_key = site.admin_key();
    let metrics = site.metrics().await;
    let assertion = site.upstream.only().header("x-portcullis-assertion").unwrap().to_owned();
    let (access, decisions) = site.logs().await;
    assert_eq!((access.len(), decisions.len()), (6, 6));
    let written = format!("{}{}{metrics}", Value::from(access), Value::from(decisions));
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for secret in [SECRET, &signature(&token), &signature(&writer), &signature(&assertion), &admin_key] {
        assert!(!written.contains(secret), "`{secret}` in {written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_our_prefix_and_labels_from_closed_sets() {
    let site = setup().start().await;
    let mut client = site.h1().await;
    client.send("BREW", "/page/1", &[], "").await;
    client.get("/made-up-by-the-client", &[("authorization", &site.reader())]).await;
    client.get("/page/made-up-by-the-client", &[("authorization", &site.reader())]).await;
    let text = site.metrics().await;
    assert!(!text.contains("made-up") && !text.contains("BREW") && !text.contains("rita"), "{text}");
    let labels = [
        "code", "config", "error", "file", "issuer", "le", "method", "outcome", "result", "route", "stage", "status",
        "upstream", "version", "within",
    ];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("portcullis_"), "{line}");
        let Some((_, rest)) = line.split_once('{') else { continue };
        for pair in rest.split_once('}').unwrap().0.split("\",") {
            let label = pair.split('=').next().unwrap();
            assert!(labels.contains(&label), "label `{label}` in {line}");
        }
    }
    assert!(
        text.contains(
            "portcullis_http_server_request_duration_seconds_count{method=\"_OTHER\",route=\"none\",status=\"405\"} 1"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "portcullis_http_server_request_duration_seconds_count{method=\"GET\",route=\"page\",status=\"200\"} 1"
        ),
        "{text}"
    );
}
