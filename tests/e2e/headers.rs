//! What of the head reaches the application, and what of its answer the client?

use portcullis_tests::site::Setup;

/// What only the gateway, or a trusted proxy, may say.
const FORGED: [&str; 34] = [
    "X-Portcullis-User: eve",
    "x-portcullis-email: eve",
    "X-PORTCULLIS-GROUPS: \"admins\"",
    "X-Portcullis-Auth: mtls",
    "X-Portcullis-Assertion: e.v.e",
    "X-Portcullis-Decision: eve",
    "X-Portcullis-Whatever: eve",
    "X-Sub: eve",
    "X-Other-Sub: eve",
    "Remote-Name: eve",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X-Middleware-Subrequest: middleware",
    "Proxy: http://eve.test",
    "Forwarded: for=198.51.100.7",
    "X-Forwarded-For: 198.51.100.7",
    "X-Forwarded-Proto: gopher",
    "X-Forwarded-Host: eve.test",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Prefix: /eve",
    "X-Forwarded-Server: eve",
    "X-Forwarded-User: eve",
    "X-Forwarded-Preferred-Username: eve",
    "X-Forwarded-Client-Cert: eve",
    "X-Real-IP: 198.51.100.7",
    "X-Request-Id: eve-eve-eve",
    "traceparent: 00-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-eeeeeeeeeeeeeeee-01",
    "tracestate: eve=1",
    "X-Note: my key is ptcl_live_eve",
    "X-API-Key: ptcl_eve",
    "Connection: keep-alive",
];

const TWO_UPSTREAMS: &str =
    "[upstreams.other]\ntargets = [\"http://127.0.0.1:9\"]\nidentity_headers = { user = \"X-Other-Sub\" }\n";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_stranger_says_in_our_name_reaches_the_application() {
    let site = Setup::new()
        .upstream("identity_headers = { user = \"X-Sub\" }")
        .section(TWO_UPSTREAMS)
        .route("page", "GET /", "public", "")
        .start()
        .await;
    let mut raw = site.raw().await;
    let forged = FORGED.join("\r\n");
    raw.send(format!("GET / HTTP/1.1\r\nHost: app.test\r\nX-Kept: yes\r\n{forged}\r\n\r\n")).await.unwrap();
    assert_eq!(raw.answer().await.unwrap().status, 200);
    let seen = site.upstream.only();
    let mut names: Vec<&str> = seen.headers.keys().map(hyper::header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "host",
            "traceparent",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-kept",
            "x-portcullis-decision",
            "x-request-id"
        ]
    );
    let said = format!("{:?}", seen.headers);
    for word in ["eve", "198.51", "gopher", "admin"] {
        assert!(!said.contains(word), "`{word}` in {said}");
    }
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!((seen.header("x-forwarded-proto"), seen.header("x-forwarded-host")), (Some("https"), Some("app.test")));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_and_connection_tricks_are_refused() {
    let site = Setup::new().route("page", "GET /", "public", "").start().await;
    for field in [
        "X_Portcullis_User: eve",
        "X.Portcullis.User: eve",
        "Connection: x-portcullis-user",
        "Connection: close, authorization",
    ] {
        let mut raw = site.raw().await;
        raw.send(format!("GET / HTTP/1.1\r\nHost: app.test\r\n{field}\r\n\r\n")).await.unwrap();
        assert_eq!(raw.answer().await.unwrap().json()["code"], "malformed_request", "{field}");
    }
    assert_eq!(site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_carry_nothing_to_the_application() {
    let site = Setup::new().route("post", "POST /", "public", "").start().await;
    let mut raw = site.raw().await;
    let request = "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Portcullis-User\r\n\r\n1\r\nx\r\n0\r\nX-Portcullis-User: eve\r\n\r\n";
    raw.send(request).await.unwrap();
    let status = raw.answer().await.unwrap().status;
    assert!(status == 200 || status == 400, "{status}");
    for seen in site.upstream.requests() {
        assert_eq!((seen.trailers, seen.headers.get("x-portcullis-user")), (None, None));
    }

    let mut client = site.h2().await;
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("x-portcullis-user", "eve".parse().unwrap());
    let frames = [
        Ok::<_, std::io::Error>(hyper::body::Frame::data(bytes::Bytes::from("x"))),
        Ok(hyper::body::Frame::trailers(trailers)),
    ];
    let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
    let request = client.request("POST", "/", &[], "").map(|_| http_body_util::BodyExt::boxed(body));
    let _ = portcullis_tests::within("an answer", client.open(request)).await;
    for seen in site.upstream.requests() {
        assert_eq!((seen.trailers, seen.headers.get("x-portcullis-user")), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_cookies_stay_here_and_others_pass_byte_for_byte() {
    let site = Setup::new().route("page", "GET /", "public", "").start().await;
    let mut client = site.h1().await;
    let cases = [
        ("a=\"1\"; __Host-portcullis=s; b=%20=c", Some("a=\"1\"; b=%20=c")),
        ("__Host-portcullis-state=s; __host-Portcullis=t", None),
        ("a=__Host-portcullis;b=2", Some("a=__Host-portcullis;b=2")),
    ];
    for (sent, arrives) in cases {
        client.get("/", &[("cookie", sent)]).await;
        assert_eq!(site.upstream.requests().last().unwrap().header("cookie"), arrives, "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_us_sets_our_cookies() {
    let site = Setup::new().route("page", "GET /", "public", "").start().await;
    let reply = portcullis_tests::upstream::Reply::ok()
        .header("set-cookie", "__Host-portcullis=eve; Secure")
        .header("set-cookie", "__HOST-Portcullis-x=\u{e9}")
        .header("set-cookie", "theme=dark; Path=/");
    site.upstream.next(reply);
    let answer = site.h1().await.get("/", &[]).await;
    assert_eq!(answer.header("set-cookie"), Some("theme=dark; Path=/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credential_that_counted_ends_here_and_others_go_on() {
    let site =
        Setup::new().route("page", "GET /page", "read", "").route("open", "GET /open", "public", "").start().await;
    let mut client = site.h1().await;
    let reader = site.reader();
    client.get("/page", &[("authorization", &reader), ("x-api-key", "theirs")]).await;
    client.get("/page", &[("authorization", &reader)]).await;
    client.get("/open", &[("authorization", "Basic YTpi")]).await;
    let seen = site.upstream.requests();
    let told: Vec<_> = seen.iter().map(|seen| (seen.target.as_str(), seen.header("authorization"))).collect();
    assert_eq!(told, [("/page", None), ("/open", Some("Basic YTpi"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed() {
    let site =
        Setup::new().server("trusted_proxies = [\"127.0.0.1\"]").route("page", "GET /", "public", "").start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let fields = [("x-forwarded-for", "198.51.100.7"), ("x-request-id", "their-own-id"), ("traceparent", trace)];
    let answer = site.h1().await.get("/", &fields).await;
    assert_eq!(answer.header("x-request-id"), Some("their-own-id"));
    let seen = site.upstream.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("198.51.100.7, 127.0.0.1"));
    assert_eq!(seen.header("x-request-id"), Some("their-own-id"));
    let parent = seen.header("traceparent").unwrap();
    assert!(
        parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && !parent.contains("b7ad6b7169203331"),
        "{parent}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_somebody_are_private_unless_the_application_says_otherwise() {
    let site =
        Setup::new().route("page", "GET /page", "read", "").route("open", "GET /open", "public", "").start().await;
    let mut client = site.h1().await;
    let reader = site.reader();
    let identified: &[(&str, &str)] = &[("authorization", &reader)];
    assert_eq!(client.get("/page", identified).await.header("cache-control"), Some("private, no-store"));
    assert_eq!(client.get("/open", &[]).await.header("cache-control"), None);
    site.upstream.next(portcullis_tests::upstream::Reply::ok().header("cache-control", "max-age=5"));
    assert_eq!(client.get("/page", identified).await.header("cache-control"), Some("max-age=5"));
    let refused = client.get("/page", &[]).await;
    assert_eq!(
        (refused.header("cache-control"), refused.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
}
