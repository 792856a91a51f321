//! Every configuration that was applied, and what each changed.

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};

use crate::api_keys::operator;

const TICKETS: &str = "hunter2-hunter2-hunter2-hunter2-";

async fn start(more: &str) -> Site {
    let sections = format!("[tls]\nticket_secret = \"{TICKETS}\"\n[control]\nrevisions = 3\n{more}");
    let site = Setup::new().route("home", "GET /", "read", "").section(&sections);
    site.file("config/schemas/unused.json", "{}").start().await
}

async fn get(site: &Site, target: &str) -> Value {
    let answer = site.admin().await.get(target, &[("authorization", &operator(site))]).await;
    assert_eq!(answer.status, 200, "{target}: {answer:#?}");
    answer.json()
}

async fn numbers(site: &Site) -> Vec<u64> {
    let listed = get(site, "/v1/config/revisions").await;
    listed["items"].as_array().unwrap().iter().map(|item| item["number"].as_u64().unwrap()).collect()
}

fn policy(group: &str) -> String {
    format!("permit (principal in Group::\"test|{group}\", action, resource);\n")
}

/// Writes a policy about this group, and waits until the configuration has this number.
async fn apply(site: &Site, name: &str, number: u64) {
    site.files.write("policies/more.cedar", policy(name));
    site.gateway.reload().await.unwrap();
    within("a revision", async {
        while get(site, "/v1/status").await["config"]["revision"] != number {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_into_force_is_a_revision_with_its_texts_and_what_it_changed() {
    let site = start("").await;
    assert_eq!(numbers(&site).await, [1]);
    let first = get(&site, "/v1/config/revisions/1").await;
    assert_eq!(
        (&first["author"], &first["origin"], &first["in_force"]),
        (&json!("files"), &json!("files"), &json!(true))
    );
    assert_eq!((&first["changes"], &first["main"]), (&Value::Null, &json!("config/portcullis.toml")));
    let files: Vec<&String> = first["files"].as_object().unwrap().keys().collect();
    assert_eq!(files, ["config/portcullis.toml", "policies/schema.cedarschema", "policies/test.cedar"]);

    apply(&site, "one", 2).await;
    let second = get(&site, "/v1/config/revisions").await;
    assert_eq!(second["items"][0]["changes"], json!([{ "path": "policies/more.cedar", "change": "added" }]));
    assert_eq!((&second["items"][0]["in_force"], &second["items"][1]["in_force"]), (&json!(true), &json!(false)));
    apply(&site, "two", 3).await;
    let diff = get(&site, "/v1/config/revisions/3/diff").await;
    assert_eq!((&diff["from"], &diff["to"]), (&json!(2), &json!(3)));
    let lines = "--- a/policies/more.cedar\n+++ b/policies/more.cedar\n@@ -1 +1 @@\n\
                 -permit (principal in Group::\"test|one\", action, resource);\n\
                 +permit (principal in Group::\"test|two\", action, resource);\n";
    assert_eq!(diff["files"], json!([{ "path": "policies/more.cedar", "change": "changed", "diff": lines }]));
    let diff = get(&site, "/v1/config/revisions/1/diff?against=3").await;
    assert_eq!((&diff["from"], &diff["files"][0]["change"]), (&json!(3), &json!("removed")));
    assert!(diff["files"][0]["diff"].as_str().unwrap().contains("\n+++ /dev/null\n"), "{diff:#}");

    // What does not come into force is none, and neither is what is there already.
    site.files.write("policies/more.cedar", "permit (");
    assert!(site.gateway.reload().await.is_err());
    site.files.write("policies/more.cedar", policy("two"));
    site.gateway.reload().await.unwrap();
    let site = site.restart(|_| {}).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    assert_eq!(numbers(&site).await, [3, 2, 1]);
    let rows = site.gateway.store().audit(0, 100).await.unwrap();
    let loads: Vec<_> = rows.iter().filter(|row| row.action == "config.load").collect();
    assert_eq!(loads.iter().map(|row| &*row.subject).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(loads[0].before.is_none() && loads[1].before == loads[0].after && loads[2].before == loads[1].after);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_are_kept_and_pages_hold_each_once() {
    let site = start("").await;
    for number in 2..=5 {
        apply(&site, &format!("n{number}"), number).await;
    }
    assert_eq!(numbers(&site).await, [5, 4, 3], "`control.revisions`");
    let page = get(&site, "/v1/config/revisions?limit=2").await;
    assert_eq!((page["items"][1]["number"].as_u64(), &page["next_cursor"]), (Some(4), &json!("4")));
    assert_eq!(page["items"][1]["changes"][0]["path"], "policies/more.cedar");
    let page = get(&site, "/v1/config/revisions?limit=2&cursor=4").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next_cursor"]), (1, &Value::Null));
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    for target in ["2", "0", "6", "x", "18446744073709551616", "2/diff", "5/diff?against=2"] {
        let answer = admin.get(&format!("/v1/config/revisions/{target}"), auth).await;
        assert_eq!(answer.problem(), (404, "revision_not_found".to_owned()), "{target}");
    }
    for query in ["?cursor=x", "?limit=x", "?since=1", "/5/diff?against=x"] {
        let answer = admin.get(&format!("/v1/config/revisions{query}"), auth).await;
        assert_eq!(answer.problem(), (400, "invalid_parameter".to_owned()), "{query}");
    }
    // The oldest there is has nothing before it: all of it is new.
    let diff = get(&site, "/v1/config/revisions/3/diff").await;
    assert_eq!((&diff["from"], diff["files"].as_array().unwrap().len()), (&Value::Null, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_kept_however_it_was_written() {
    let variable = "hunter3-hunter3-hunter3-hunter3-";
    let provider = "[providers.p]\nissuer = \"https://p.test\"\nclient_id = \"p\"\nclient_secret = \"${FROM_OUTSIDE}\"\n\
                    [tokens.q]\nissuer = \"https://q.test\"\naudiences = [\"q\"]\nintrospection = { endpoint = \
                    \"https://q.test/i\", client_id = \"q\", client_secret = \"${file:certs/q.secret}\" }\n";
    let sections = format!("[tls]\nticket_secret = \"{TICKETS}\"\n{provider}");
    let site = Setup::new().route("home", "GET /", "read", "").section(&sections).variable("FROM_OUTSIDE", variable);
    let site = site.file("certs/q.secret", "hunter4-hunter4").start().await;
    let text =
        get(&site, "/v1/config/revisions/1").await["files"]["config/portcullis.toml"].as_str().unwrap().to_owned();
    for kept in ["\"${own:tls.ticket_secret}\"", "\"${FROM_OUTSIDE}\"", "\"${file:certs/q.secret}\"", "sqlite:data/"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    let page = portcullis_server::world::store::Listing::of;
    let mut everything = Vec::new();
    for kind in portcullis_server::world::store::Kind::ALL {
        for record in site.gateway.store().records().list(page(kind)).await.unwrap().records {
            everything.extend_from_slice(&record.body);
        }
    }
    let shown = get(&site, "/v1/config/revisions/1/diff").await.to_string();
    let everything = format!("{shown}{text}{}", String::from_utf8_lossy(&everything));
    for secret in [TICKETS, variable, "hunter4", "PRIVATE KEY"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_them() {
    let site = start("").await;
    site.name_admin();
    apply(&site, "one", 2).await;
    let ask = async |arguments: &[&str]| site.command(arguments).await;
    let shown = ask(&["config", "history"]).await;
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!((shown.code, lines.len()), (Some(0), 2), "{shown:#?}");
    assert!(lines[0].starts_with("*     2  20") && lines[0].ends_with("  files  +policies/more.cedar"), "{shown:#?}");
    assert!(lines[1].starts_with("      1  20") && lines[1].ends_with("  files"), "{shown:#?}");
    let shown = ask(&["config", "history", "--format", "json", "--limit", "1"]).await;
    assert_eq!(shown.json()["items"].as_array().unwrap().len(), 1);
    let newest = ask(&["config", "diff"]).await;
    assert!(newest.stdout.starts_with("--- /dev/null\n+++ b/policies/more.cedar\n@@ "), "{newest:#?}");
    assert_eq!(ask(&["config", "diff", "2", "1"]).await.stdout, newest.stdout);
    assert_eq!(ask(&["config", "diff", "2", "--format", "json"]).await.json()["files"][0]["change"], "added");
    let unknown = ask(&["config", "diff", "7"]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no revision of this number"), "{unknown:#?}");
    assert_eq!(ask(&["config", "diff", "0"]).await.code, Some(2));
}
