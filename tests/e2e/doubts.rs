//! What is said when nothing certain can be said? Never that something was not done which may have been.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_core::moment::Now;
use portcullis_core::ports::Clock;
use portcullis_server::world::clock::SystemClock;
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

/// Panics once when it is told to: somebody's mistake in the middle of a request.
struct Mine {
    clock: SystemClock,
    armed: AtomicBool,
}

impl Clock for Mine {
    fn now(&self) -> Now {
        assert!(!self.armed.swap(false, Ordering::SeqCst), "a mine went off");
        self.clock.now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_500_of_one_request_and_the_process_goes_on() {
    let mine = Arc::new(Mine { clock: SystemClock::start(), armed: AtomicBool::new(false) });
    let site = Setup::new().route("page", "GET /", "public", "").clock(&mine).start().await;
    for mut client in [site.h1().await, site.h2().await] {
        // Whoever is still at the last request looks at the clock too.
        site.gateway.idle().await;
        mine.armed.store(true, Ordering::SeqCst);
        let answer = client.get("/", &[]).await;
        assert_eq!(answer.problem(), (500, "internal_error".to_owned()));
        assert!(!String::from_utf8_lossy(&answer.body).contains("mine"), "{answer:?}");
        assert_eq!(site.upstream.requests().len() % 2, 0, "it did not go on");
        for _ in 0..2 {
            assert_eq!(site.h1().await.get("/", &[]).await.status, 200);
        }
    }
}
