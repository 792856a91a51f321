//! Is the path that was matched the path that is forwarded, and can no spelling slip past its rule?

use portcullis_tests::site::{Setup, Site};

async fn get(site: &Site, target: &str) -> portcullis_tests::client::RawAnswer {
    let mut raw = site.raw().await;
    raw.send(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n")).await.unwrap();
    raw.answer().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_path_that_is_not_already_canonical() {
    let site = Setup::new().route("all", "ANY /{*rest}", "public", "").start().await;
    let mut wrong = Vec::new();
    for target in [
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/a/..",
        "/a/../b",
        "/a/./b",
        "/a/../",
        "/%2e%2e/a",
        "/%2E/a",
        "/.%2e/a",
        "/%61dmin",
        "/a%30",
        "/a%2D",
        "/a%2Fb",
        "/a%2fb",
        "/a%5Cb",
        "/a%5cb",
        "/a%3Bb",
        "/a%3Fb",
        "/a%23b",
        "/a%00",
        "/a%0D%0A",
        "/a%7F",
        "/a%C2%85",
        "/a\\b",
        "/..\\a",
        "/a;b",
        "/a/..;/b",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a%u002e",
        "/%252e%252e/a",
        "/a%252Fb",
        "/%c3%a9",
        "/a%3a",
        "/%FF",
        "/%C3",
        "/%C0%AE",
        "/%ED%A0%80",
        "/{id}",
        "/[id]",
        "/a|b",
        "/a^b",
        "/a\"b",
        "/../b?c=d",
        "/a/../b?c",
    ] {
        let answer = get(&site, target).await;
        let body = String::from_utf8_lossy(&answer.body);
        if answer.status != 400 || !body.contains("\"ambiguous_path\"") {
            wrong.push((target, answer.status, body.into_owned()));
        }
    }
    assert_eq!(wrong, [], "answered otherwise");
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwards_a_canonical_path_byte_for_byte() {
    let site = Setup::new().route("all", "ANY /{*rest}", "public", "").start().await;
    for target in [
        "/a",
        "/a/",
        "/a/b.c",
        "/...",
        "/.hidden/x",
        "/a..b/~c",
        "/caf%C3%A9",
        "/a%20b",
        "/100%25",
        "/100%25/ab",
        "/100%25x1",
        "/a:b@c,d=e+f!$&'()*",
        "/a%3Ab%40c",
        "/%7Bid%7D",
        "/Admin",
        "/a?",
        "/a?b",
        "/a?b=c&b=d",
        "/a?b=/../%2e%2F;//c",
        "/a?%C3%A9=%c3%a9+x",
        "/a?b={c}|[d]",
        "/a??b",
        "/a?b=`",
    ] {
        let before = site.upstream.requests().len();
        assert_eq!(get(&site, target).await.status, 200, "{target}");
        let wire = site.upstream.wire(site.upstream.requests()[before].connection);
        let wire = String::from_utf8(wire).unwrap();
        let line = format!("GET {target} HTTP/1.1");
        assert_eq!(wire.lines().rfind(|other| other.ends_with(" HTTP/1.1")), Some(line.as_str()));

        let mut client = site.h2().await;
        // The client's own library leaves no choice about an empty query.
        if target != "/a?" && !target.contains(['{', '|', '`']) {
            assert_eq!(client.get(target, &[]).await.status, 200, "{target} over HTTP/2");
            assert_eq!(site.upstream.requests()[before + 1].target, target, "over HTTP/2");
        } else {
            client.get("/filler", &[]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_never_falls_to_the_catch_all() {
    let site = Setup::new()
        .route("admin", "GET /admin/{id}/caf%C3%A9", "read", "")
        .route("plain", "GET /plain", "read", "")
        .route("all", "ANY /{*rest}", "public", "")
        .start()
        .await;
    for target in ["/Plain", "/PLAIN", "/Admin/1/caf%C3%A9", "/admin/1/CAF%C3%A9", "/ADMIN/x/caf%C3%A9"] {
        let answer = get(&site, target).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &"route_not_found".into()), "{target}");
    }
    assert_eq!(get(&site, "/plain").await.status, 401);
    assert_eq!(get(&site, "/admin/1/caf%C3%A9").await.status, 401);
    assert_eq!(site.upstream.connections(), 0);
    assert_eq!(get(&site, "/other").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_slash_is_another_path() {
    let site = Setup::new().route("a", "GET /a", "public", "").route("b", "GET /b/", "public", "").start().await;
    for (target, status) in [("/a", 200), ("/a/", 404), ("/b", 404), ("/b/", 200), ("/", 404), ("/b/c", 404)] {
        assert_eq!(get(&site, target).await.status, status, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_other_methods_says_which() {
    let site = Setup::new()
        .route("list", "GET /orders", "public", "")
        .route("create", "POST /orders", "public", "")
        .route("one", "GET /orders/{id}", "public", "")
        .route("export", "POST /orders/export", "public", "")
        .start()
        .await;
    let mut client = site.h1().await;
    for (method, target, allow) in [
        ("DELETE", "/orders", "GET, HEAD, POST"),
        ("PUT", "/orders", "GET, HEAD, POST"),
        ("OPTIONS", "/orders", "GET, HEAD, POST"),
        ("POST", "/orders/1", "GET, HEAD"),
        // Not the rule of `/orders/{id}`.
        ("GET", "/orders/export", "POST"),
        ("HEAD", "/orders/export", "POST"),
    ] {
        let answer = client.send(method, target, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{method} {target}");
    }
    assert_eq!(site.upstream.connections(), 0);
    let answer = client.send("HEAD", "/orders/1", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "GET covers HEAD");
    assert_eq!(site.upstream.only().method, "HEAD");
}
