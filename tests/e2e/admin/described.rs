//! Is the API what its own description says? Asked by a program that knows nothing but the description.

use portcullis_tests::schemathesis::Asking;
use portcullis_tests::site::Setup;
use serde_json::json;

use crate::api_keys::make;

/// No answer of ours is a failure of ours, and none is undeclared.
const CHECKS: [&str; 8] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_asked_is_answered_as_a_failure_or_undeclared() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    for _ in 0..3 {
        make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    }
    site.files.write("certs/authority.pem", site.ca());
    let description = format!("https://localhost:{}/v1/openapi.json", site.gateway.admin.unwrap().port());
    let credential = format!("Authorization: Bearer {}", site.admin_key());
    let (description, credential) = (description.as_str(), credential.as_str());
    let asking = Asking { description, credential, checks: &CHECKS, more: &["--max-examples", "15"] };
    let (tried, said) = asking.ask(site.files.root(), "certs/authority.pem").await;
    assert!(tried >= 28, "{said}");
}
