//! What can be typed, what it prints where, and how it ends?

mod check;
mod import;
mod keys;
mod policy;
mod quick;
mod records;
mod run;

use std::fmt::Write as _;
use std::path::Path;

use portcullis_tests::binary::{self, Ran};
use portcullis_tests::site::Setup;
use serde_json::{Value, json};
use tempfile::TempDir;

const VERBS: [&str; 20] = [
    "demo",
    "run",
    "check",
    "init",
    "import",
    "route",
    "policy",
    "explain",
    "shadow",
    "keys",
    "sessions",
    "config",
    "store",
    "audit",
    "admin",
    "health",
    "idp",
    "schema",
    "completions",
    "version",
];

/// The folder of the project.
fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

async fn here(arguments: &[&str]) -> Ran {
    binary::run(project(), arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn helps_with_every_verb() {
    let mut text = here(&["--help"]).await.stdout;
    let keys = ["create", "list", "show", "patch", "rotate", "revoke", "scan"].map(|verb| vec!["keys", verb, "--help"]);
    let policy =
        ["check", "test", "explain", "matrix", "diff", "schema", "fmt"].map(|verb| vec!["policy", verb, "--help"]);
    let records = [
        ["store", "backup"],
        ["store", "migrate"],
        ["store", "restore"],
        ["audit", "export"],
        ["audit", "verify"],
        ["admin", "reset-key"],
        ["config", "apply"],
        ["config", "diff"],
        ["config", "history"],
        ["config", "rollback"],
    ];
    let records = records.map(|[verb, what]| vec![verb, what, "--help"]);
    for arguments in VERBS.map(|verb| vec![verb, "--help"]).into_iter().chain(policy).chain(keys).chain(records) {
        let ran = here(&arguments).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let _ = write!(text, "\n$ portcullis {}\n{}", arguments.join(" "), ran.stdout);
    }
    let golden = project().join("tests/e2e/verbs/help.txt");
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(golden, text).unwrap();
        return;
    }
    assert_eq!(text, std::fs::read_to_string(golden).unwrap(), "PORTCULLIS_BLESS=1 writes it anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_2_and_talks_on_stderr_only() {
    let wrong: [&[&str]; 8] = [
        &[],
        &["rnu"],
        &["run", "--no-such-option"],
        &["route", "GET"],
        &["keys"],
        &["keys", "create"],
        &["version", "--format", "yaml"],
        &["demo", "--port-base", "65535"],
    ];
    for arguments in wrong {
        let ran = here(arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_there_ends_with_2_and_is_named() {
    let empty = TempDir::new().unwrap();
    let verbs: [&[&str]; 5] = [&["run"], &["check"], &["health"], &["keys", "list"], &["route", "GET", "/"]];
    for arguments in verbs {
        let ran = binary::run(empty.path(), arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains("config/portcullis.toml"), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("portcullis init"), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
}

/// `portcullis … | head`.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_listening_has_heard_enough() {
    let verbs: [&[&str]; 5] =
        [&["version"], &["schema"], &["route", "GET", "/api/orders"], &["policy", "check"], &["policy", "matrix"]];
    for arguments in verbs {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tokio::process::Command::new(binary::path());
        let output = command.current_dir(project()).args(arguments).stdout(writer).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(0) && !said.contains("panicked"), "{arguments:?}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_says_which_one_this_is() {
    let version = env!("CARGO_PKG_VERSION");
    let fine = |stdout: String| Ran { code: Some(0), stdout, stderr: String::new() };
    assert_eq!(here(&["version"]).await, fine(format!("portcullis {version}\n")));
    assert_eq!(here(&["--version"]).await, fine(format!("portcullis {version}\n")));
    assert_eq!(here(&["version", "--format", "json"]).await.json(), json!({ "version": version }));
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_prints_what_lies_beside_the_configuration() {
    let ran = here(&["schema"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout, std::fs::read_to_string(project().join("config/schema.json")).unwrap());
    assert_eq!(ran.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_name_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = here(&["completions", shell]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for verb in VERBS {
            assert!(ran.stdout.contains(verb), "{shell}: {verb}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn route_says_who_wins_and_who_does_not() {
    let ground = Setup::new()
        .route("one", "GET /items/{id}", "read", "")
        .route("special", "GET /items/special", "read", "")
        .lay()
        .await;
    let route = async |arguments: &[&str]| binary::run(ground.folder.path(), &[&["route"], arguments].concat()).await;

    let won = route(&["GET", "/items/special"]).await;
    assert_eq!((won.code, won.stderr.as_str()), (Some(0), ""));
    assert!(
        won.stdout.starts_with("special  (GET /items/special)\n  authenticate  jwt or api_key\n"),
        "{}",
        won.stdout
    );
    assert!(won.stdout.contains("/items/{id}"), "the one that lost is named too: {}", won.stdout);
    let won = route(&["GET", "/items/7", "--format", "json"]).await.json();
    assert_eq!((&won["route"], &won["refusal"]), (&json!("one"), &Value::Null));

    assert_eq!((&won["demands"]["match"], &won["demands"]["limits"]), (&json!("GET /items/{id}"), &json!([])));

    let lost = route(&["GET", "/nowhere"]).await;
    assert_eq!(lost.code, Some(1));
    assert!(lost.stdout.starts_with("404 route_not_found"), "{}", lost.stdout);
    let lost = route(&["POST", "/items/7"]).await;
    assert_eq!(lost.code, Some(1));
    assert!(lost.stdout.starts_with("405 method_not_allowed"), "{}", lost.stdout);

    for ambiguous in ["/items/../admin", "//items/7", "/items/%2e%2e", "items/7"] {
        let refused = route(&["GET", ambiguous]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{ambiguous}");
        assert!(refused.stderr.contains("400 ambiguous_path"), "{ambiguous}: {}", refused.stderr);
    }
    let refused = route(&["G E T", "/items/7"]).await;
    assert_eq!((refused.code, refused.stderr.as_str()), (Some(2), "`G E T` is not a method\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn route_tells_limits_schemas_parameters_and_modes() {
    let more = "body_schema = \"any.json\"\nscopes = [\"w\"]\nlimits = [{ by = \"principal\", rate = \"60/min\", burst = 10 }]\n\
        validate = { mode = \"shadow\" }\nparameters = [{ in = \"query\", name = \"page\", schema = { type = \"integer\" } }]\n";
    let ground = Setup::new().route("order", "POST /orders", "write", more).file("config/any.json", "true").lay().await;
    let ran = binary::run(ground.folder.path(), &["route", "POST", "/orders"]).await;
    let told: Vec<&str> = ran.stdout.lines().take(10).collect();
    assert_eq!(
        told,
        [
            "order  (POST /orders)",
            "  authenticate  jwt or api_key",
            "  policies      write",
            "  scopes        w",
            "  limits        60/min burst 10 by principal",
            "  parameters    query page",
            "  body schema   any.json",
            "  upstream      app",
            "  largest body  1048576 bytes",
            "  modes         guard enforce, limit enforce, validate shadow, authorize enforce",
        ],
        "{ran:#?}"
    );
    let told = binary::run(ground.folder.path(), &["route", "POST", "/orders", "--format", "json"]).await.json();
    let demands = &told["demands"];
    assert_eq!(
        demands["modes"],
        json!({ "guard": "enforce", "limit": "enforce", "validate": "shadow", "authorize": "enforce" })
    );
    assert_eq!((&demands["limits"][0]["by"], &demands["limits"][0]["burst"]), (&json!("principal"), &json!(10)));
    assert_eq!((&demands["body_schema"], &demands["parameters"][0]["name"]), (&json!("any.json"), &json!("page")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_provider_refuses_an_address_that_others_can_reach() {
    let folder = TempDir::new().unwrap();
    for address in ["0.0.0.0:0", "192.0.2.1:9444", "[::]:0"] {
        let ran = binary::run(folder.path(), &["idp", "--listen", address]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{address}");
        assert!(ran.stderr.contains(&format!("refuses `{address}`: use a loopback address")), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_provider_refuses_what_it_cannot_register() {
    let folder = TempDir::new().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["--user", "a b"], "write `name:group,group`"),
        (&["--client", ":secret"], "write `id:secret`"),
        (&["--redirect-uri", "portcullis=/cb"], "write `client=https://host/path`"),
        (&["--redirect-uri", "shop=http://localhost:3000/cb"], "`shop` is no client: add `--client shop:SECRET`"),
        (&["--token-life", "25h"], "from `1s` to `24h`"),
        (&["--trust", "nowhere.pem"], "`nowhere.pem` cannot be read"),
    ];
    for (arguments, why) in cases {
        let arguments = [&["idp", "--listen", "127.0.0.1:0"], arguments].concat();
        let ran = binary::run(folder.path(), &arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}
