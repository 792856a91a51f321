//! What may a page of another origin do?

use portcullis_tests::client::{Answer, Client};
use portcullis_tests::site::{Setup, Site};

const GRANTED: &str =
    "cors = { origins = [\"https://page.test\"], headers = [\"content-type\"], credentials = true }\n";

async fn preflight(client: &mut Client, origin: &str) -> Answer {
    let fields = [("origin", origin), ("access-control-request-method", "GET"), ("authorization", "Bearer x")];
    client.send("OPTIONS", "/", &fields, "").await
}

fn cors(answer: &Answer) -> Vec<&str> {
    answer.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("access-control-")).collect()
}

async fn site(more: &str) -> Site {
    Setup::new().route("page", "GET /", "read", more).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_refused_unless_the_origin_is_listed_byte_for_byte() {
    for (route, origins) in [
        ("", &["https://page.test"][..]),
        (
            GRANTED,
            &["null", "https://page.test.eve.test", "http://page.test", "https://PAGE.test", "https://page.test:443"],
        ),
    ] {
        let site = site(route).await;
        let mut client = site.h1().await;
        for origin in origins {
            let answer = preflight(&mut client, origin).await;
            assert_eq!(answer.problem(), (403, "cors_origin_denied".to_owned()), "{origin}");
            assert_eq!(cors(&answer), [""; 0], "{origin}");
            assert_eq!(answer.header("vary"), (!route.is_empty()).then_some("Origin"));
        }
        assert_eq!(site.upstream.heads(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_origin_is_answered_before_anybody_is_identified() {
    let site = site(GRANTED).await;
    let answer = preflight(&mut site.h1().await, "https://page.test").await;
    assert_eq!(answer.status, 204);
    let told = |name| answer.header(&format!("access-control-{name}"));
    assert_eq!(told("allow-origin"), Some("https://page.test"));
    assert_eq!(told("allow-credentials"), Some("true"));
    assert_eq!(told("allow-methods"), Some("GET"));
    assert_eq!(told("allow-headers"), Some("content-type"));
    assert_eq!(told("max-age"), Some("600"));
    assert_eq!(answer.header("vary"), Some("Origin"));
    assert_eq!(site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_application_and_gateway_alike_may_be_read() {
    let site = site(GRANTED).await;
    let mut client = site.h1().await;
    let reader = site.reader();
    let passed = client.get("/", &[("origin", "https://page.test"), ("authorization", &reader)]).await;
    let refused = client.get("/", &[("origin", "https://page.test")]).await;
    for (answer, status) in [(passed, 200), (refused, 401)] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://page.test"));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let stranger = client.get("/", &[("origin", "https://eve.test"), ("authorization", &reader)]).await;
    assert_eq!((cors(&stranger).len(), stranger.header("vary")), (0, Some("Origin")));
    let plain = client.get("/", &[("authorization", &reader)]).await;
    assert_eq!((cors(&plain).len(), plain.header("vary")), (0, Some("Origin")), "caches must know");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_may_answer_itself_and_learns_no_identity() {
    let site = site("cors = \"app\"\n").await;
    assert_eq!(preflight(&mut site.h1().await, "https://page.test").await.status, 200);
    let seen = site.upstream.only();
    assert_eq!((seen.method.as_str(), seen.header("x-portcullis-user")), ("OPTIONS", None));
    assert_eq!(site.h1().await.get("/", &[]).await.status, 401, "the request itself is identified");
}
