//! What is said when nothing certain can be said? Never that something was not done which may have been.

use portcullis_tests::client::Ended;
use portcullis_tests::site::Setup;
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_the_application_has_seen_is_never_answered_as_if_it_had_not() {
    let site = Setup::new().route("post", "POST /orders", "public", "").start().await;
    let (reply, _release) = Reply::ok().held();
    site.upstream.next(reply);
    let mut raw = site.raw().await;
    raw.send("POST /orders HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    within("the request at the application", site.upstream.wait_for(1)).await;
    // A byte too many: the connection cannot go on, and the application is at work.
    raw.send("G").await.unwrap();
    assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "no 4xx, which would mean: not done");
    let (_, decisions) = site.logs().await;
    assert_eq!(decisions[0]["outcome"], "client_gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_learns_the_port_over_either_protocol() {
    let site = Setup::new().route("page", "GET /", "public", "").start().await;
    for mut client in [site.h1().await, site.h2().await] {
        client.authority = "app.test:8443".to_owned();
        assert_eq!(client.get("/", &[]).await.status, 200);
    }
    for seen in site.upstream.requests() {
        assert_eq!(seen.header("x-forwarded-host"), Some("app.test:8443"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_a_double_does_not_keep_is_refused() {
    let schema = r#"{ "type": "object", "properties": { "quantity": { "type": "integer", "maximum": 1000 } } }"#;
    let site = Setup::new()
        .route("post", "POST /orders", "public", "body_schema = \"order.json\"\n")
        .file("config/order.json", schema)
        .start()
        .await;
    let mut client = site.h1().await;
    let json = [("content-type", "application/json")];
    for body in [r#"{"quantity":1000.0000000000000001}"#, r#"{"quantity":0.99999999999999999999}"#] {
        let answer = client.send("POST", "/orders", &json, body.to_owned()).await;
        assert_eq!(answer.problem(), (400, "invalid_json".to_owned()), "{body}");
    }
    assert_eq!(client.send("POST", "/orders", &json, r#"{"quantity":1000}"#.to_owned()).await.status, 200);
}
