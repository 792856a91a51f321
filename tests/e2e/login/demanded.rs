//! What a route may say of its logins, and what the documentation says of providers.

use portcullis_tests::binary;
use portcullis_tests::jar::Browser;
use portcullis_tests::site::Setup;

use super::{idp, setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_route_says_how_somebody_without_a_session_is_told() {
    let idp = idp().await;
    let told = |style: &str| format!("authenticate = [\"session\"]\nlogin = \"{style}\"\n");
    let site = setup(&idp, "")
        .route("auto", "GET|POST /auto", "read", &told("auto"))
        .route("api", "GET|POST /api", "read", &told("api"))
        .route("browser", "GET|POST /browser", "read", &told("browser"))
        .start()
        .await;
    let mut browser = Browser::new(&site);
    let navigates = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
    let fetches = [("accept", "application/json"), ("sec-fetch-mode", "cors")];
    for (path, method, fields, expected) in [
        ("auto", "GET", &navigates, 302),
        ("auto", "GET", &fetches, 401),
        ("auto", "POST", &navigates, 401),
        ("api", "GET", &navigates, 401),
        ("api", "GET", &fetches, 401),
        ("browser", "GET", &navigates, 302),
        ("browser", "GET", &fetches, 302),
        ("browser", "POST", &fetches, 401),
    ] {
        let answer = browser.send(method, &format!("https://app.test/{path}"), fields, "").await;
        assert_eq!(answer.status, expected, "{method} {path} {fields:?}");
        if expected == 302 {
            let login = format!("https://app.test/_portcullis/login?rd=%2F{path}");
            assert_eq!(answer.header("location"), Some(&*login));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_may_read_where_to_log_in() {
    let idp = idp().await;
    let cors = "authenticate = [\"session\"]\ncors = { origins = [\"https://front.test\"], credentials = true }\n";
    let site = setup(&idp, "").route("data", "GET /data", "read", cors).start().await;
    let mut client = site.h1().await;
    for (origin, readable) in [("https://front.test", true), ("https://evil.test", false)] {
        let fields = [("origin", origin), ("sec-fetch-mode", "cors"), ("accept", "application/json")];
        let answer = client.get("/data", &fields).await;
        assert_eq!(answer.problem(), (401, "authentication_required".into()), "{origin}");
        assert_eq!(answer.json()["login_url"], "https://app.test/_portcullis/login");
        let allowed = (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials"));
        assert_eq!(allowed, if readable { (Some(origin), Some("true")) } else { (None, None) });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_preset_of_the_documentation_is_a_configuration() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/login.md")).unwrap();
    let mut blocks = docs.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let presets = blocks.find(|block| block.contains("[providers.google]")).unwrap();
    let aliases: Vec<&str> = presets.lines().filter_map(|line| line.strip_prefix("[providers.")).collect();
    assert_eq!(aliases, ["google]", "microsoft]", "github]", "gitlab]", "auth0]", "keycloak]"]);
    let filled = presets.replace("<tenant id>", "tenant").replace("<tenant>", "tenant").replace('…', "id");
    let ground = Setup::new()
        .tokens("")
        .section(&filled)
        .route("page", "GET /page", "read", "authenticate = [\"session\"]\n")
        .policies(r#"@id("people") permit (principal is User, action in Action::"read", resource);"#)
        .lay()
        .await;
    let secrets = ["GOOGLE", "ENTRA", "GITHUB", "GITLAB", "AUTH0", "KEYCLOAK"].map(|name| format!("{name}_SECRET"));
    let variables: Vec<(&str, &str)> = secrets.iter().map(|name| (name.as_str(), "s3cret")).collect();
    let ran = binary::run_with(ground.folder.path(), &["check", "--offline"], &variables).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(!ran.stdout.contains("warning"), "{ran:#?}");
    for alias in aliases {
        let left_out = format!("left out: logins at `providers.{}`", alias.trim_end_matches(']'));
        assert!(ran.stdout.contains(&left_out), "{ran:#?}");
    }
}
