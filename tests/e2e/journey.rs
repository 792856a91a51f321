//! The thinnest whole path, and one refusal of each kind.

use portcullis_tests::site::Setup;
use serde_json::json;

const ORDER: &str = r#"{ "type": "object", "required": ["quantity"], "additionalProperties": false,
    "properties": { "quantity": { "type": "integer", "minimum": 1 } } }"#;

#[tokio::test(flavor = "multi_thread")]
async fn one_refusal_of_each_kind_and_one_that_passes() {
    let site = Setup::new()
        .route("list", "GET /orders", "read", "")
        .route("create", "POST /orders", "write", "body_schema = \"order.json\"\n")
        .route("limited", "GET /limited", "read", "limits = [{ by = \"principal\", rate = \"1/h\" }]\n")
        .file("config/order.json", ORDER)
        .start()
        .await;
    let mut client = site.h1().await;
    let (reader, writer) = (site.reader(), site.writer());
    let read: &[(&str, &str)] = &[("authorization", &reader)];
    let write: &[(&str, &str)] = &[("authorization", &writer)];

    assert_eq!(client.get("/nowhere", read).await.problem(), (404, "route_not_found".to_owned()));
    assert_eq!(client.get("/orders", &[]).await.problem(), (401, "authentication_required".to_owned()));
    let order = json!({ "quantity": 1 });
    assert_eq!(client.post_json("/orders", read, &order).await.problem(), (403, "forbidden".to_owned()));
    let bad = json!({ "quantity": 0 });
    assert_eq!(client.post_json("/orders", write, &bad).await.problem(), (422, "schema_violation".to_owned()));
    assert_eq!(client.get("/limited", read).await.status, 200);
    assert_eq!(client.get("/limited", read).await.problem(), (429, "rate_limited".to_owned()));
    assert_eq!(site.upstream.requests().len(), 1, "only what passed reached the application");

    assert_eq!(client.get("/orders", read).await.status, 200);
    assert_eq!(client.post_json("/orders", write, &order).await.status, 200);
    let seen = site.upstream.requests();
    assert_eq!(seen[2].header("x-portcullis-user"), Some("wanda"));
    assert_eq!(seen[2].header("authorization"), None);
    assert_eq!(seen[2].body, order.to_string().as_bytes());
}
