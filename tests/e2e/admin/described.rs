//! Is the API what its own description says? Asked by a program that knows nothing but the description.

use std::path::Path;
use std::process::Stdio;

use portcullis_tests::site::Setup;
use serde_json::json;
use tokio::process::Command;

use crate::api_keys::make;

/// No answer of ours is a failure of ours, and none is undeclared.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

/// Printed with every failure; the same requests for the same seed.
const SEED: &str = "20261125";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_asked_is_answered_as_a_failure_or_undeclared() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let installed = folder.join("site");
    let remedy = "run tests/schemathesis/install, or the tests through tests/run";
    assert!(installed.join("schemathesis").is_dir(), "schemathesis is not installed: {remedy}");
    // It leaves connections open by the hundred, and further ones than these are turned away.
    let setup = Setup::new().section("[admin]\nmax_connections = 10000\n");
    let site = setup.route("home", "GET /", "read", "").start().await;
    for _ in 0..3 {
        make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    }
    site.files.write("certs/authority.pem", site.ca());
    let admin = format!("https://localhost:{}/v1/openapi.json", site.gateway.admin.unwrap().port());
    let key = format!("Authorization: Bearer {}", site.admin_key());
    let ran = Command::new("python3")
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "--no-color", "run", &admin])
        .args(["--tls-verify", "certs/authority.pem", "-H", &key, "--checks", CHECKS, "--seed", SEED])
        .args(["--max-examples", "15", "--request-timeout", "120", "--continue-on-failure", "--no-shrink"])
        .args(["--warnings", "off"])
        .env("PYTHONPATH", &installed)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(site.files.root())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    // It has asked, and not passed over what it could not read.
    let operations = said.lines().find_map(|line| line.trim().strip_prefix("Tested: ")).unwrap();
    assert!(operations.parse::<u32>().is_ok_and(|tested| tested >= 28), "{said}");
}
