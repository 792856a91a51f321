//! Does each listener do its one thing, and nothing else?

use portcullis_tests::client::{Client, Ended, Raw};
use portcullis_tests::site::{AUDIENCE, Setup, Site};

/// Fields sent, then the client address and the scheme the application must see.
type Row<'r> = (&'r [(&'r str, &'r str)], &'r str, &'r str);

fn open() -> Setup {
    Setup::new().route("all", "ANY /{*rest}", "public", "")
}

/// A platform on 127.0.0.1 that ends TLS before us.
async fn behind_a_platform() -> Site {
    open().server("plain = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]").start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn http_sends_everybody_to_the_public_url_and_does_nothing_else() {
    let site = open().server("http = \"127.0.0.1:0\"").start().await;
    let address = site.gateway.http.unwrap();
    for (request, location) in [
        ("GET /a?b=c HTTP/1.1\r\nHost: app.test\r\n\r\n", "/a?b=c"),
        ("GET /a HTTP/1.1\r\nHost: evil.test\r\n\r\n", "/a"),
        ("GET http://evil.test/a HTTP/1.1\r\nHost: evil.test\r\n\r\n", "/a"),
        ("GET //evil.test/a HTTP/1.1\r\nHost: app.test\r\n\r\n", "//evil.test/a"),
        ("POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\n{}", "/a"),
        ("GET /_portcullis/jwks.json HTTP/1.1\r\nHost: app.test\r\n\r\n", "/_portcullis/jwks.json"),
    ] {
        let mut raw = Raw::plain(address).await.unwrap();
        raw.send(request).await.unwrap();
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.status, 308, "{request}");
        assert_eq!(answer.header("location"), Some(format!("{AUDIENCE}{location}").as_str()), "{request}");
        assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "{request}");
    }
    let mut raw = Raw::plain(address).await.unwrap();
    raw.send("GET /a b HTTP/1.1\r\nHost: app.test\r\n\r\n").await.unwrap();
    let answer = raw.answer().await.unwrap();
    assert!(!answer.header("location").unwrap_or_default().contains("a b"), "{answer:?}");
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_answers_trusted_proxies_only() {
    let site = open().server("plain = \"127.0.0.1:0\"\ntrusted_proxies = [\"10.0.0.0/8\"]").start().await;
    let mut raw = Raw::plain(site.gateway.plain.unwrap()).await.unwrap();
    let _ = raw.send("GET /a HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n").await;
    assert_eq!(raw.answer().await.unwrap_err(), Ended::Closed, "not a word");
    assert_eq!(site.upstream.connections(), 0);
    assert_eq!(site.h1().await.get("/a", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_up_to_the_nearest_stranger() {
    let site = behind_a_platform().await;
    let mut client = Client::plain(site.gateway.plain.unwrap()).await.unwrap();
    client.authority = "app.test".to_owned();
    let rows: [Row<'_>; 6] = [
        (&[], "127.0.0.1", "http"),
        (&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")], "192.0.2.7", "https"),
        (&[("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.1.2.3")], "192.0.2.7", "http"),
        (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7")], "192.0.2.7", "http"),
        (&[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1", "http"),
        (&[("forwarded", "for=6.6.6.6"), ("x-real-ip", "6.6.6.6")], "127.0.0.1", "http"),
    ];
    for (fields, _, _) in &rows {
        assert_eq!(client.get("/a", fields).await.status, 200, "{fields:?}");
    }
    let seen = site.upstream.requests();
    assert_eq!(seen[1].header("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(seen[1].header("x-forwarded-proto"), Some("https"));
    // Two lines are one list, whose last is what the proxy itself saw.
    assert_eq!(seen[3].header("x-forwarded-for"), Some("6.6.6.6, 192.0.2.7, 127.0.0.1"));
    let lines = site.log("logs/access.jsonl").await;
    for ((fields, client, scheme), line) in rows.iter().zip(&lines) {
        assert_eq!(
            (&line["client.address"], &line["url.scheme"]),
            (&(*client).into(), &(*scheme).into()),
            "{fields:?}"
        );
        assert_eq!(line["network.peer.address"], "127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_that_speaks_unclearly_is_refused() {
    let site = behind_a_platform().await;
    for fields in [
        "X-Forwarded-For: nobody\r\n",
        "X-Forwarded-For: \r\n",
        "X-Forwarded-For: 192.0.2.7,\r\n",
        "X-Forwarded-For: unknown, 192.0.2.7\r\n",
        "X-Forwarded-For: 192.0.2.300\r\n",
        "X-Forwarded-Proto: ftp\r\n",
        "X-Forwarded-Proto: https, http\r\n",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
    ] {
        let mut raw = Raw::plain(site.gateway.plain.unwrap()).await.unwrap();
        raw.send(format!("GET /a HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n")).await.unwrap();
        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"malformed_request".into()), "{fields}");
    }
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_say_of_themselves_is_replaced() {
    let site = open().start().await;
    let told = [
        ("x-forwarded-for", "6.6.6.6, nobody"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
    ];
    assert_eq!(site.h1().await.get("/a", &told).await.status, 200);
    let seen = site.upstream.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("app.test"));
    for gone in ["x-forwarded-port", "forwarded", "x-real-ip"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_tell_whether_and_nothing_more() {
    let site = open().server("probes = \"127.0.0.1:0\"").start().await;
    let mut client = Client::plain(site.gateway.probes.unwrap()).await.unwrap();
    let key = format!("Bearer {}", site.admin_key());
    for path in ["/livez", "/readyz"] {
        let answer = client.get(path, &[("authorization", &key)]).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{path}");
        assert!(!text.contains("upstreams") && !text.contains("version"), "{path}: {text}");
    }
    assert_eq!(client.get("/metrics", &[]).await.status, 200);
    for path in ["/v1/keys", "/v1/status", "/v1/routes", "/a", "/"] {
        assert_eq!(client.get(path, &[("authorization", &key)]).await.status, 404, "{path}");
    }
    assert_eq!(site.upstream.connections(), 0);
}
