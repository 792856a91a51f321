//! What do shadow and off let pass, and what is left behind?

use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

const ORDER: &str = r#"{ "type": "object", "required": ["quantity"] }"#;

/// A route that every judging stage would refuse for rita, in `mode` at `stage` and enforcing nowhere else.
fn setup(stage: &str, mode: &str) -> Setup {
    let (group, more) = match stage {
        "guard" => ("read", "guard = { deny = [\"127.0.0.1\"], mode = \"MODE\" }\n"),
        "limit" => ("read", "limits = [{ by = \"route\", rate = \"1/h\" }]\nlimit = { mode = \"MODE\" }\n"),
        "authorize" => ("write", "authorize = { mode = \"MODE\" }\n"),
        "parameters" => (
            "read",
            "validate = { mode = \"MODE\" }\nparameters = [{ name = \"n\", in = \"query\", schema = { type = \"integer\" } }]\n",
        ),
        _ => ("read", "validate = { mode = \"MODE\" }\nbody_schema = \"order.json\"\n"),
    };
    Setup::new().file("config/order.json", ORDER).route("page", "POST /", group, &more.replace("MODE", mode))
}

/// Two requests, so that the limit of one is used up.
async fn ask(site: &Site) -> (u16, Value) {
    let reader = site.reader();
    let mut client = site.h1().await;
    let mut last = None;
    for _ in 0..2 {
        last = Some(client.post_json("/?n=x", &[("authorization", &reader)], &json!({})).await);
    }
    let last = last.unwrap();
    let code = if last.status == 200 { Value::Null } else { last.json()["code"].clone() };
    (last.status.as_u16(), code)
}

const STAGES: [(&str, u16, &str); 5] = [
    ("guard", 403, "address_denied"),
    ("limit", 429, "rate_limited"),
    ("parameters", 400, "invalid_parameter"),
    ("authorize", 403, "forbidden"),
    ("body", 422, "schema_violation"),
];

#[tokio::test(flavor = "multi_thread")]
async fn enforced_stages_refuse_and_count_nothing_as_shadow() {
    for (stage, status, code) in STAGES {
        let site = setup(stage, "enforce").start().await;
        assert_eq!(ask(&site).await, (status, code.into()), "{stage}");
        assert!(!site.metrics().await.contains("would_refuse_total{"), "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_in_shadow_lets_pass_and_says_so_in_log_record_and_metric() {
    for (stage, _, code) in STAGES {
        let site = setup(stage, "shadow").start().await;
        assert_eq!(ask(&site).await, (200, Value::Null), "{stage}");
        let metrics = site.metrics().await;
        let metric = format!("portcullis_would_refuse_total{{code=\"{code}\",route=\"page\",stage=\"{stage}\"}}");
        assert!(metrics.contains(&metric), "{metric} in {metrics}");
        let (access, decisions) = logs(site).await;
        assert_eq!(access["portcullis.would_refuse"], json!([code]), "{stage}");
        assert_eq!(access["portcullis.code"], Value::Null, "{stage}");
        let shadow = &decisions["would_refuse"][0];
        assert_eq!(
            (&shadow["stage"], &shadow["code"], &decisions["outcome"]),
            (&json!(stage), &json!(code), &json!("permit"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_is_off_decides_nothing() {
    for (stage, ..) in STAGES {
        let site = setup(stage, "off").start().await;
        assert_eq!(ask(&site).await, (200, Value::Null), "{stage}");
        let (access, decisions) = logs(site).await;
        assert_eq!(
            (&access["portcullis.would_refuse"], &decisions["would_refuse"]),
            (&Value::Null, &json!([])),
            "{stage}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_never_covers_framing_routing_host_or_identity() {
    let all = "guard = { mode = \"shadow\" }\nlimit = { mode = \"shadow\" }\nauthorize = { mode = \"shadow\" }\nvalidate = { mode = \"shadow\" }\n";
    let site = Setup::new().route("page", "GET /page", "read", all).start().await;
    let mut client = site.h1().await;
    assert_eq!(client.get("/page", &[("x_user", "eve")]).await.problem().1, "malformed_request");
    // A connection whose bytes were in doubt is closed.
    let mut client = site.h1().await;
    assert_eq!(client.get("/nowhere", &[]).await.problem().1, "route_not_found");
    assert_eq!(client.get("/a/../page", &[]).await.problem().1, "ambiguous_path");
    assert_eq!(client.get("/page", &[]).await.problem().1, "authentication_required");
    assert_eq!(client.get("/page", &[("authorization", "Bearer x.y.z")]).await.problem().1, "invalid_token");
    assert_eq!(site.upstream.heads(), 0);
    let reader = site.reader();
    assert_eq!(client.get("/page", &[("authorization", &reader), ("x-portcullis-user", "eve")]).await.status, 200);
    assert_eq!(site.upstream.only().header("x-portcullis-user"), Some("rita"));
}

/// The last access line and the last decision record.
async fn logs(site: Site) -> (Value, Value) {
    let (mut access, mut decisions) = site.logs().await;
    (access.pop().unwrap(), decisions.pop().unwrap())
}
