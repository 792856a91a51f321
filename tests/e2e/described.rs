//! Does anything reach the application that its own document does not allow?
//!
//! The sample app's document becomes a project, as `init` makes it; schemathesis, which knows nothing but the document,
//! asks what it allows and what it does not; and what reached the app is judged by the document itself, read anew here.

mod document;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use portcullis_core::config::load;
use portcullis_server::app::{Gateway, Options};
use portcullis_server::demo::app;
use portcullis_server::world::files::Disk;
use portcullis_tests::schemathesis::Asking;
use portcullis_tests::upstream::{Recorded, Upstream};
use portcullis_tests::{binary, within};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use document::Document;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/server/src/demo/app/openapi.yaml");

/// What it refuses besides what is no failure and not undeclared: whatever the document does not allow.
const CHECKS: [&str; 11] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "missing_required_header",
    "negative_data_rejection",
    "positive_data_acceptance",
];

/// The gateway of a project that `init` made of the sample app's document, in front of that app.
struct Ground {
    folder: TempDir,
    gateway: Gateway,
    upstream: Upstream,
    key: String,
    _app: oneshot::Sender<()>,
}

async fn ground() -> Ground {
    portcullis_server::world::install_crypto();
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::before(listener.local_addr().unwrap()).await;
    tokio::spawn(app::serve(listener, async move { drop(stopped.await) }));

    let folder = TempDir::new().unwrap();
    let begun = binary::run(folder.path(), &["init", "--openapi", DOCUMENT, "--upstream", &upstream.url()]).await;
    assert_eq!((begun.code, begun.stdout.contains("note:")), (Some(0), false), "{begun:#?}");
    let path = folder.path().join("config/portcullis.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
    // Whoever asks so much would be turned away for it.
    let more = "[guard]\nrate = \"60000/min\"\n[observe]\naccess_log = \"file:access.jsonl\"\n";
    std::fs::write(&path, format!("{config}\n{more}")).unwrap();
    let gateway = Gateway::start(Options { config: path.clone(), variables: HashMap::new() }).await.unwrap();

    let admin = gateway.admin.unwrap().to_string();
    std::fs::write(
        path.with_file_name("client.toml"),
        config.replacen("admin = \"127.0.0.1:0\"", &format!("admin = {admin:?}"), 1),
    )
    .unwrap();
    let role = "portcullis-sample-app-writers";
    let made = ["keys", "create", "--name", "me", "--role", role, "--config", "config/client.toml"];
    let made = binary::run(folder.path(), &made).await;
    assert_eq!(made.code, Some(0), "{made:#?}");
    let key = made.stdout.trim().to_owned();
    Ground { folder, gateway, upstream, key, _app: stop }
}

/// The access line's code of each request that was refused, with their number.
fn refused(folder: &Path) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("access.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(code) = line["portcullis.code"].as_str() {
            *codes.entry(code.to_owned()).or_default() += 1;
        }
    }
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_document_does_not_allow_reaches_the_application() {
    let ground = ground().await;
    let url = format!("https://localhost:{}", ground.gateway.https.unwrap().port());
    let credential = format!("X-Api-Key: {}", ground.key);
    // What takes a minute, does not end or is no HTTP is no matter of this test.
    let apart = ["slow", "events", "ws"].map(|operation| ["--exclude-operation-id", operation]).concat();
    let more = [&["--url", &url, "--max-examples", "60"][..], &apart].concat();
    let asking = Asking { description: DOCUMENT, credential: &credential, checks: &CHECKS, more: &more };
    let (tried, said) = asking.ask(ground.folder.path(), "certs/ca.pem").await;
    assert_eq!(tried, 8, "{said}");

    let document = Document::read(Path::new(DOCUMENT));
    let (mut reached, mut invalid) = (BTreeMap::<String, usize>::new(), Vec::<(String, Recorded)>::new());
    for request in ground.upstream.requests() {
        match document.judge(&request) {
            Ok(operation) => *reached.entry(operation).or_default() += 1,
            Err(why) => invalid.push((why, request)),
        }
    }
    assert!(invalid.is_empty(), "{invalid:#?}");
    within("the end of the gateway", ground.gateway.stop()).await;
    let refused = refused(ground.folder.path());
    // Much of both has been tried.
    let form = "echo application/x-www-form-urlencoded";
    for operation in
        ["createOrder application/json", "deleteOrder", "echo application/json", form, "getOrder", "listOrders"]
    {
        assert!(reached.get(operation).is_some_and(|count| *count >= 10), "{operation} in {reached:#?}");
    }
    for code in ["invalid_body", "invalid_json", "invalid_parameter", "schema_violation", "unsupported_media_type"] {
        assert!(refused.contains_key(code), "{code} in {refused:#?}");
    }
    assert!(refused.values().sum::<usize>() >= 100, "{refused:#?}");
}

#[test]
fn the_document_of_the_sample_app_is_in_step_with_its_routes_and_its_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = Document::read(Path::new(DOCUMENT));
    let config = load(&root.join("config/portcullis.toml"), &Disk::default()).unwrap().config;
    let mut names = std::collections::BTreeSet::new();
    for (operation, method, path) in document.operations() {
        let route = config.routes.iter().find(|route| route.name == operation).unwrap_or_else(|| panic!("{operation}"));
        let found = (route.matches.template.as_str(), route.matches.takes(&method.to_uppercase()));
        assert_eq!(found, (path, true), "{operation}");
        names.insert(operation);
    }
    let undescribed: Vec<&str> =
        config.routes.iter().map(|route| &*route.name).filter(|name| !names.contains(name)).collect();
    assert_eq!(undescribed, Vec::<&str>::new());
    let order = std::fs::read_to_string(root.join("config/schemas/order.json")).unwrap();
    let mut order: Value = serde_json::from_str(&order).unwrap();
    for name in ["$schema", "title"] {
        order.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(document.component("NewOrder"), &order);
}
