//! What is said to another proxy that asks before it forwards?

mod caddy;
mod nginx;

use std::path::Path;

use portcullis_core::refusal::Code;
use portcullis_tests::site::{ISSUER, Setup, Site};
use serde_json::json;

type Fields<'a> = Vec<(&'a str, &'a str)>;

async fn site_trusting(proxies: &str) -> Site {
    let schema = r#"{ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] }"#;
    Setup::new()
        .server(&format!("trusted_proxies = {proxies}"))
        .file("config/any.json", schema)
        .route("front", "GET /", "public", "")
        .route("look", "GET /things/{id}", "read", "")
        .route("change", "POST /things/{id}", "write", "")
        .route("judged", "POST|GET /judged", "write", "body_schema = \"any.json\"")
        .route("few", "GET /few", "read", "limits = [{ by = \"principal\", rate = \"1/h\", burst = 1 }]")
        .start()
        .await
}

async fn site() -> Site {
    site_trusting("[\"127.0.0.1\"]").await
}

/// As Traefik and Caddy ask.
fn forwarded<'a>(method: &'a str, target: &'a str, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    let told = [("x-forwarded-method", method), ("x-forwarded-uri", target), ("x-forwarded-host", "app.test")];
    [&told, more].concat()
}

/// As nginx is told to ask.
fn original<'a>(method: &'a str, target: &'a str, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    [&[("x-original-method", method), ("x-original-url", target)], more].concat()
}

/// The configuration of a language in docs/forward-auth.md, for these addresses.
fn documented(language: &str, site: &Site, own: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/forward-auth.md")).unwrap();
    let (_, after) = page.split_once(&format!("```{language}\n")).unwrap();
    let (text, _) = after.split_once("\n```").unwrap();
    site.files.write("proxy/ca.pem", site.ca());
    let ca = site.files.path("proxy/ca.pem");
    let places = [
        ("portcullis.internal:8443", site.address().to_string()),
        ("http://app.internal:3000", site.upstream.url()),
        ("app.internal:3000", site.upstream.url().replace("http://", "")),
        ("/etc/nginx/portcullis-ca.pem", ca.display().to_string()),
        ("/etc/caddy/portcullis-ca.pem", ca.display().to_string()),
        ("http://app.example.com {", format!("http://{own} {{")),
        ("listen 80;", format!("listen {own};")),
        ("app.example.com", "app.test".to_owned()),
    ];
    places.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, &to))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_trusted_proxies_finds_it() {
    let site = site_trusting("[\"192.0.2.1\"]").await;
    let reader = site.reader();
    let fields = forwarded("GET", "/things/1", &[("authorization", reader.as_str())]);
    let mut client = site.h1().await;
    for method in ["GET", "POST", "OPTIONS"] {
        for path in ["/_portcullis/decide", "/_portcullis/decide/things/1"] {
            let answer = client.send(method, path, &fields, "").await;
            assert_eq!(answer.problem(), (404, "route_not_found".to_owned()), "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_about_is_said_once_and_wholly() {
    let site = site().await;
    let reader = site.reader();
    let who = ("authorization", reader.as_str());
    let unclear: [Fields<'_>; 8] = [
        vec![who],
        vec![who, ("x-forwarded-uri", "/things/1")],
        vec![who, ("x-forwarded-method", "GET")],
        vec![who, ("x-original-url", "/things/1")],
        vec![who, ("x-original-method", "GET")],
        forwarded("GET", "/things/1", &[who, ("x-original-url", "/")]),
        original("GET", "/", &[who, ("x-forwarded-method", "GET")]),
        forwarded("GET", "/things/1", &[who, ("x-forwarded-uri", "/")]),
    ];
    for fields in unclear {
        let answer = site.h1().await.get("/_portcullis/decide", &fields).await;
        assert_eq!(answer.problem(), (400, "malformed_request".to_owned()), "{fields:?}");
    }
    let behind = site.h1().await.get("/_portcullis/decide/things/1", &forwarded("GET", "/", &[who])).await;
    assert_eq!(behind.problem(), (400, "malformed_request".to_owned()));
    let hosts = forwarded("GET", "/things/1", &[who, ("x-forwarded-host", "other.test")]);
    assert_eq!(
        site.h1().await.get("/_portcullis/decide", &hosts).await.problem(),
        (400, "malformed_request".to_owned())
    );
    for crooked in ["/things/%2e%2e/", "//things/1", "things", "*", "/a b", "https://"] {
        let answer = site.h1().await.get("/_portcullis/decide", &forwarded("GET", crooked, &[who])).await;
        assert_eq!(answer.status, 400, "{crooked}");
    }
    for method in ["TRACE", "CONNECT", "BREW"] {
        let answer = site.h1().await.get("/_portcullis/decide", &forwarded(method, "/things/1", &[who])).await;
        assert_eq!(answer.problem().0, 405, "{method}");
    }
    assert_eq!(site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_ask_is_judged_like_the_request_itself() {
    let site = site().await;
    let (reader, writer) = (site.reader(), site.writer());
    let mut client = site.h1().await;
    let cases = [
        (None, "GET", "/", 200),
        (None, "GET", "/things/1", 401),
        (Some("Bearer wrong"), "GET", "/things/1", 401),
        (Some(reader.as_str()), "GET", "/things/1?x=1", 200),
        (Some(reader.as_str()), "HEAD", "/things/1", 200),
        (Some(reader.as_str()), "POST", "/things/1", 403),
        (Some(writer.as_str()), "POST", "/things/1", 200),
        (Some(writer.as_str()), "POST", "/judged", 403),
        (Some(reader.as_str()), "DELETE", "/things/1", 405),
        (Some(reader.as_str()), "GET", "/nowhere", 404),
    ];
    for (who, method, target, expected) in cases {
        let who: Fields<'_> = who.map(|who| ("authorization", who)).into_iter().collect();
        let json = [who.as_slice(), &[("content-type", "application/json")]].concat();
        let whole = format!("https://app.test{target}");
        let behind = format!("/_portcullis/decide{target}");
        let asked = [
            client.get("/_portcullis/decide", &forwarded(method, target, &json)).await,
            client.get("/_portcullis/decide", &original(method, target, &json)).await,
            client.get("/_portcullis/decide", &original(method, &whole, &json)).await,
            client.send(method, &behind, &json, "").await,
        ];
        for (n, answer) in asked.iter().enumerate() {
            let told =
                answer.header("x-portcullis-status").map_or(answer.status.as_u16(), |told| told.parse().unwrap());
            assert_eq!(told, expected, "{method} {target}, way {n}: {answer:?}");
            let nginx = n == 1 || n == 2;
            let shown = if nginx && !matches!(expected, 200 | 401 | 403) { 403 } else { expected };
            assert_eq!(answer.status.as_u16(), shown, "{method} {target}, way {n}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    let judged = [("authorization", writer.as_str()), ("content-type", "application/json")];
    for method in ["POST", "GET"] {
        let answer = client.get("/_portcullis/decide", &forwarded(method, "/judged", &judged)).await;
        assert_eq!(answer.problem(), (403, "body_unavailable".to_owned()), "{method}");
    }
    assert_eq!(site.upstream.heads(), 0, "nothing is forwarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_who_is_calling_and_proves_it() {
    let site = site().await;
    let reader = site.reader();
    let mut client = site.h1().await;
    let forged =
        [("authorization", reader.as_str()), ("x-portcullis-user", "root"), ("x-forwarded-for", "203.0.113.9")];
    let answer = client.get("/_portcullis/decide", &forwarded("GET", "/things/1", &forged)).await;
    let told = ["user", "groups", "auth"].map(|name| answer.header(&format!("x-portcullis-{name}")));
    assert_eq!(told, [Some("rita"), Some("\"readers\""), Some("jwt")]);
    assert_eq!(answer.header("x-portcullis-assertion").unwrap().split('.').count(), 3);
    let public = client.get("/_portcullis/decide", &forwarded("GET", "/", &forged)).await;
    let told = ["user", "email", "groups", "auth", "assertion"];
    assert_eq!(told.map(|name| public.header(&format!("x-portcullis-{name}"))), [Some(""); 5], "over what was forged");
    // The proxy's own requests of the usual kind are what they were.
    assert_eq!(client.get("/things/1", &[("authorization", reader.as_str())]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_gets_the_cookies_that_are_not_ours() {
    let site = site().await;
    // A proxy may split the client's line over HTTP/2.
    let mut client = site.h2().await;
    for (shown, told) in [
        (&["theme=dark; __Host-portcullis=s; __Host-portcullis-flow-0a=f; a=\"b\""][..], "theme=dark; a=\"b\""),
        (&["theme=dark", "%5F%5FHost-portcullis=s", "a=1"], "theme=dark; a=1"),
        (&["__Host-portcullis=s"], ""),
        (&["key=ptcl_live_x"], ""),
        (&["theme=dark"], "theme=dark"),
        (&[], ""),
    ] {
        let cookies: Fields<'_> = shown.iter().map(|line| ("cookie", *line)).collect();
        let ways =
            [("", forwarded("GET", "/", &cookies)), ("", original("GET", "/", &cookies)), ("/", cookies.clone())];
        for (behind, fields) in ways {
            let answer = client.get(&format!("/_portcullis/decide{behind}"), &fields).await;
            assert_eq!((answer.status.as_u16(), answer.header("cookie")), (200, Some(told)), "{shown:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_charged_and_the_record_is_of_what_was_asked_about() {
    let site = site().await;
    let reader = site.reader();
    let mut client = site.h1().await;
    let fields = forwarded("GET", "/few", &[("authorization", reader.as_str()), ("x-forwarded-for", "203.0.113.9")]);
    let first = client.get("/_portcullis/decide", &fields).await;
    assert_eq!(first.status, 200);
    assert!(first.header("ratelimit").unwrap().contains("r=0"), "{first:?}");
    let second = client.get("/_portcullis/decide", &fields).await;
    assert_eq!(second.problem(), (429, Code::RateLimited.name().to_owned()));
    assert!(second.header("retry-after").is_some());
    let (access, decisions) = site.logs().await;
    let lines: Vec<_> = access
        .iter()
        .map(|line| {
            json!([
                line["http.request.method"],
                line["url.path"],
                line["client.address"],
                line["http.response.status_code"]
            ])
        })
        .collect();
    assert_eq!(lines, [json!(["GET", "/few", "203.0.113.9", 200]), json!(["GET", "/few", "203.0.113.9", 429])]);
    assert_eq!(decisions.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_the_proxys_own_to_answer() {
    let site = Setup::new()
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .route("look", "GET /things", "read", "cors = { origins = [\"https://page.test\"] }")
        .start()
        .await;
    let preflight = [("origin", "https://page.test"), ("access-control-request-method", "GET")];
    let answer = site.h1().await.get("/_portcullis/decide", &forwarded("OPTIONS", "/things", &preflight)).await;
    assert_eq!(answer.problem(), (403, "cors_origin_denied".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_navigates_gets_a_page_and_whoever_posts_does_not() {
    let site = site().await;
    let mut client = site.h1().await;
    let browser = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    for (method, kind) in [("GET", "text/html; charset=utf-8"), ("POST", "application/problem+json")] {
        let answer = client.get("/_portcullis/decide", &forwarded(method, "/things/1", &browser)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (401, Some(kind)), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_sent_to_the_login_with_the_way_back_to_what_was_asked_about() {
    let provider =
        format!("[providers.test]\nissuer = \"{ISSUER}\"\nclient_id = \"web\"\nclient_secret = \"secret\"\n");
    let site = Setup::new()
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .section(&provider)
        .route("page", "GET|POST /page", "read", "authenticate = [\"session\"]\n")
        .start()
        .await;
    let mut client = site.h1().await;
    let browser = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    let caddy = client.get("/_portcullis/decide?a=b", &forwarded("GET", "/page?a=b", &browser)).await;
    let nginx = client.get("/_portcullis/decide", &original("GET", "https://app.test/page?a=b", &browser)).await;
    let envoy = client.get("/_portcullis/decide/page?a=b", &browser).await;
    for (answer, status) in [(caddy, 302), (nginx, 401), (envoy, 302)] {
        assert_eq!(answer.status, status, "{answer:?}");
        let to = answer.header("location").unwrap();
        assert!(to.starts_with("https://app.test/_portcullis/login?"), "{to}");
        assert!(to.contains("%2Fpage%3Fa%3Db") && !to.contains("decide"), "{to}");
    }
    for fields in [forwarded("POST", "/page", &browser), forwarded("GET", "/page", &[])] {
        let answer = client.get("/_portcullis/decide", &fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (401, None), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_is_asked_about_is_not_for_the_client_to_say() {
    let site = site().await;
    let theirs = [("x-forwarded-host", "other.test")];
    for (path, fields) in [
        ("/_portcullis/decide", original("GET", "/", &theirs)),
        ("/_portcullis/decide", original("GET", "https://app.test/", &theirs)),
        ("/_portcullis/decide/", theirs.to_vec()),
    ] {
        let answer = site.h1().await.get(path, &fields).await;
        assert_eq!(answer.problem(), (400, "malformed_request".to_owned()), "{fields:?}");
    }
}
