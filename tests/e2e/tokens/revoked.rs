//! Tokens that were taken back before their time.

use portcullis_tests::client::Answer;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};

async fn start() -> Site {
    Setup::new().route("page", "GET /page", "read", "").route("events", "GET /events", "read", "").start().await
}

async fn ask(site: &Site, method: &str, path: &str, body: &Value) -> Answer {
    let operator = format!("Bearer {}", site.admin_key());
    let fields = [("authorization", operator.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    site.admin().await.send(method, path, &fields, body).await
}

fn token(site: &Site, id: &str, user: &str) -> String {
    let mut claims = site.claims(user, &["readers"]);
    claims["jti"] = id.into();
    format!("Bearer {}", site.signer.sign(&claims))
}

async fn status(site: &Site, token: &str) -> u16 {
    site.h1().await.get("/page", &[("authorization", token)]).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_taken_back_is_refused_at_once_and_after_a_restart() {
    let site = start().await;
    let (one, other) = (token(&site, "t1", "rita"), token(&site, "t2", "rita"));
    assert_eq!((status(&site, &one).await, status(&site, &other).await), (200, 200));
    let made = ask(
        &site,
        "POST",
        "/v1/revocations",
        &json!({ "issuer": "test", "jti": "t1", "expires_in": "1d", "reason": "lost" }),
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((status(&site, &one).await, status(&site, &other).await), (401, 200));
    let listed = ask(&site, "GET", "/v1/revocations", &Value::Null).await.json();
    assert_eq!((&listed["items"][0]["jti"], &listed["items"][0]["reason"]), (&json!("t1"), &json!("lost")));

    let site = site.restart(|_| {}).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    assert_eq!((status(&site, &one).await, status(&site, &other).await), (401, 200));
    let path = made.header("location").unwrap().to_owned();
    assert_eq!(ask(&site, "DELETE", &path, &Value::Null).await.status, 204);
    assert_eq!(status(&site, &one).await, 200);
    assert_eq!(ask(&site, "DELETE", &path, &Value::Null).await.problem(), (404, "revocation_not_found".to_owned()));
    let actions: Vec<String> =
        site.gateway.store().audit(0, 100).await.unwrap().into_iter().map(|row| row.action).collect();
    assert!(actions.ends_with(&["revocation.create".to_owned(), "revocation.delete".to_owned()]), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tokens_of_a_subject_are_taken_back_and_another_process_hears_of_it() {
    let site = start().await;
    let (rita, wanda) = (token(&site, "t1", "rita"), token(&site, "t2", "wanda"));
    assert_eq!((status(&site, &rita).await, status(&site, &wanda).await), (200, 200));
    // Another process on the same file.
    let store = site.files.store().await;
    let now = site.gateway.now();
    let entry = portcullis_server::world::store::Revocation {
        id: "r1".to_owned(),
        issuer: "test".to_owned(),
        jti: None,
        sub: Some("rita".to_owned()),
        before: Some(now.plus(std::time::Duration::from_secs(1))),
        reason: String::new(),
        created_at: now,
        expires_at: None,
    };
    store.revocations.add(entry, "other").await.unwrap();
    within("the other process' word", async { while status(&site, &rita).await != 401 {} }).await;
    assert_eq!(status(&site, &wanda).await, 200);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_ends_when_its_token_is_taken_back() {
    use http_body_util::BodyExt as _;
    let site = start().await;
    let (reply, feed) = portcullis_tests::upstream::Reply::sse();
    site.upstream.next(reply);
    let rita = token(&site, "t1", "rita");
    let mut client = site.h1().await;
    let request = client.request("GET", "/events", &[("authorization", &rita)], "");
    let mut stream = within("the stream", client.open(request)).await.unwrap();
    feed.send("data: 1\n\n").await.unwrap();
    within("an event", stream.body_mut().frame()).await.unwrap().unwrap();
    let made = ask(&site, "POST", "/v1/revocations", &json!({ "issuer": "test", "jti": "t1" })).await;
    assert_eq!(made.status, 201);
    within("the end of the stream", async { while matches!(stream.body_mut().frame().await, Some(Ok(_))) {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_could_mean_two_things_is_refused() {
    let site = start().await;
    for (body, pointer) in [
        (json!({ "issuer": "nobody", "jti": "a" }), "/issuer"),
        (json!({ "issuer": "test" }), ""),
        (json!({ "issuer": "test", "jti": "a", "sub": "b" }), ""),
        (json!({ "issuer": "test", "jti": "a", "before": 1 }), "/before"),
        (json!({ "issuer": "test", "sub": "" }), "/sub"),
        (json!({ "issuer": "test", "sub": "a", "before": "now" }), "/before"),
    ] {
        let refused = ask(&site, "POST", "/v1/revocations", &body).await;
        assert_eq!(refused.problem(), (422, "schema_violation".to_owned()), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(site.admin().await.get("/v1/revocations", &[]).await.status, 401);
}
