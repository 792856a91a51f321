//! GitHub, which knows no `OpenID`: its own OAuth 2, and an API that says who holds a token. That API alone is played.

use portcullis_tests::idp::BOB;
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::{Recorded, Reply, Upstream};
use serde_json::{Value, json};

use super::failure;

/// What a GitHub says of whoever holds the token `gho_x`.
fn answers(orgs: Value) -> impl Fn(&Recorded) -> Reply {
    move |asked: &Recorded| {
        let path = asked.target.split('?').next().unwrap();
        if path == "/login/oauth/access_token" {
            let form = String::from_utf8_lossy(&asked.body).into_owned();
            let proven = form.contains("client_id=gh-client") && form.contains("client_secret=gh-secret");
            let good = proven && form.contains("code=good") && form.contains("code_verifier=");
            let said = if good {
                json!({ "access_token": "gho_x", "token_type": "bearer", "scope": "read:user,read:org,user:email" })
            } else {
                json!({ "error": "bad_verification_code", "error_description": "The code passed is incorrect or expired." })
            };
            // GitHub answers 200 either way.
            return Reply::json(200, said.to_string());
        }
        // Its API turns away whoever does not say who they are.
        if asked.header("authorization") != Some("Bearer gho_x") || asked.header("user-agent").is_none() {
            return Reply::json(403, "{}");
        }
        match path {
            "/api/user" => {
                Reply::json(200, json!({ "id": 583_231, "login": "octocat", "name": "Octo Cat" }).to_string())
            }
            "/api/user/emails" => {
                let own = json!({ "email": "octo@example.test", "primary": true, "verified": true });
                let old = json!({ "email": "old@example.test", "primary": false, "verified": true });
                Reply::json(200, json!([old, own]).to_string())
            }
            "/api/user/orgs" => Reply::json(200, orgs.to_string()),
            "/api/user/teams" => {
                Reply::json(200, json!([{ "slug": "ops", "organization": { "login": "acme" } }]).to_string())
            }
            _ => Reply::json(404, "{}"),
        }
    }
}

async fn ground(orgs: Value) -> (Upstream, Site) {
    let github = Upstream::recording().await;
    github.always(answers(orgs));
    let url = github.url();
    let provider = format!(
        "[providers.github]\nkind = \"github\"\nissuer = \"{url}\"\napi = \"{url}/api\"\nclient_id = \"gh-client\"\n\
         client_secret = \"gh-secret\"\norganisations = [\"acme\"]\n"
    );
    let site = Setup::new()
        .tokens("")
        .section(&provider)
        .route("page", "GET /page", "read", "authenticate = [\"session\"]\n")
        .policies(r#"@id("ops") permit (principal in Group::"github|acme/ops", action in Action::"read", resource);"#)
        .start()
        .await;
    (github, site)
}

/// As if GitHub had sent the browser back with this code.
async fn back(browser: &mut Browser, code: &str) -> portcullis_tests::client::Answer {
    let to_login = browser.navigate("https://app.test/page").await;
    let away = browser.navigate(to_login.header("location").unwrap()).await;
    let away = away.header("location").unwrap().to_owned();
    for part in [
        "/login/oauth/authorize?",
        "client_id=gh-client",
        "code_challenge_method=S256",
        "scope=read%3Auser+user%3Aemail+read%3Aorg",
    ] {
        assert!(away.contains(part), "{part} in {away}");
    }
    assert!(!away.contains("nonce="), "{away}");
    let state = away.split_once("state=").unwrap().1.split('&').next().unwrap();
    browser.navigate(&format!("https://app.test/_portcullis/callback/github?code={code}&state={state}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_an_organisation_log_in_with_github_and_teams_are_groups() {
    let (_github, site) = ground(json!([{ "login": "acme" }])).await;
    let mut browser = Browser::new(&site);
    let answer = back(&mut browser, "good").await;
    assert_eq!(answer.header("location"), Some("https://app.test/page"), "{}", failure(&answer));
    assert_eq!(browser.fetch("GET", "https://app.test/page").await.status, 200);
    let seen = site.upstream.only();
    assert_eq!(seen.header("x-portcullis-user"), Some("583231"), "the number, for names can be given to others");
    assert_eq!(seen.header("x-portcullis-email"), Some("octo@example.test"));
    assert_eq!(seen.header("x-portcullis-groups"), Some("\"acme\", \"acme/ops\""));
    let me = browser.fetch("GET", "https://app.test/_portcullis/me").await.json();
    assert_eq!((&me["principal"], &me["name"]), (&json!("User::\"github|583231\""), &json!("Octo Cat")));
    assert_ne!(me["subject"], BOB);
    let left = browser.submit("https://app.test/_portcullis/logout", "").await;
    assert_eq!(left.header("location"), Some("https://app.test/"), "GitHub offers no logout");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_none_of_the_organisations_or_brings_a_made_up_code_does_not_come_in() {
    let (_github, site) = ground(json!([{ "login": "others" }])).await;
    let mut browser = Browser::new(&site);
    // The team of `acme` is no membership of it that its owners show.
    assert_eq!(failure(&back(&mut browser, "made-up").await), "400 code_refused");
    assert_eq!(failure(&back(&mut browser, "good").await), "400 membership_missing");
    assert_eq!(browser.cookie(SESSION), None);
}
