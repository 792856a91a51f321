//! What does a person see, and what may anybody ask the gateway itself?

use portcullis_core::refusal::Code;
use portcullis_tests::site::{ISSUER, Setup, Site};
use serde_json::json;

async fn site() -> Site {
    Setup::new().route("page", "GET /page", "read", "").start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_for_navigations_and_a_document_for_everybody_else() {
    let site = site().await;
    let mut client = site.h1().await;
    let html = "text/html,application/xhtml+xml";
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("sec-fetch-mode", "navigate"), ("accept", html)], "text/html; charset=utf-8"),
        (&[("sec-fetch-mode", "navigate")], "text/html; charset=utf-8"),
        (&[("accept", html)], "text/html; charset=utf-8"),
        (&[("sec-fetch-mode", "cors"), ("accept", html)], "application/problem+json"),
        (&[("accept", html), ("x-requested-with", "XMLHttpRequest")], "application/problem+json"),
        (&[], "application/problem+json"),
    ];
    for (fields, kind) in cases {
        let answer = client.get("/page", fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (401, Some(kind)), "{fields:?}");
        assert!(answer.header("www-authenticate").is_some());
        assert_eq!(
            (answer.header("cache-control"), answer.header("x-content-type-options")),
            (Some("no-store"), Some("nosniff"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_request_becomes_markup() {
    let hostile = "<script>alert(1)</script>\"'&";
    let policy =
        format!("@id(\"no\") @public_reason({hostile:?}) forbid (principal, action in Action::\"read\", resource);");
    let parameters = "parameters = [{ name = \"<b>\", in = \"query\", schema = { type = \"integer\" } }]\n";
    let site = Setup::new()
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .policies(&policy)
        .route("page", "GET /page", "read", parameters)
        .start()
        .await;
    let reader = site.reader();
    let mut client = site.h1().await;
    let fields = [("authorization", reader.as_str()), ("sec-fetch-mode", "navigate"), ("x-request-id", hostile)];
    for target in ["/page", "/page?%3Cb%3E=%3Cscript%3E", "/page?%3Cscript%3E=1"] {
        let answer = client.get(target, &fields).await;
        let page = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_has_its_page_and_no_other_name_has() {
    let site = site().await;
    let mut client = site.h1().await;
    for code in Code::ALL {
        let answer = client.get(&format!("/_portcullis/refusals/{}", code.name()), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(String::from_utf8_lossy(&answer.body).contains(code.name()));
    }
    for path in [
        "/_portcullis",
        "/_portcullis/",
        "/_portcullis/refusals/",
        "/_portcullis/refusals/no_such",
        "/_portcullis/jwks.json/x",
        "/_portcullis/admin",
    ] {
        assert_eq!(client.get(path, &[]).await.problem(), (404, "route_not_found".to_owned()), "{path}");
    }
    assert_eq!(
        client.send("POST", "/_portcullis/jwks.json", &[], "").await.problem(),
        (405, "method_not_allowed".to_owned())
    );
    assert_eq!(site.upstream.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_names_its_page_and_where_tokens_come_from() {
    let site = site().await;
    let mut client = site.h1().await;
    let answer = client.get("/page", &[]).await;
    let problem = answer.json();
    assert_eq!(problem["type"], "https://app.test/_portcullis/refusals/authentication_required");
    assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("authentication_required")));
    let metadata = "https://app.test/.well-known/oauth-protected-resource";
    assert!(answer.header("www-authenticate").unwrap().contains(&format!("resource_metadata=\"{metadata}\"")));
    let document = client.get("/.well-known/oauth-protected-resource", &[]).await;
    let document = document.json();
    assert_eq!(
        (&document["resource"], &document["authorization_servers"]),
        (&json!("https://app.test"), &json!([ISSUER]))
    );
}
