//! Every role, every operation: what the `OpenAPI` document names is tried by everybody.

use std::fmt::Write as _;
use std::path::Path;

use portcullis_tests::client::Client;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use crate::api_keys::{make, operator};

/// Whom an operation is tried by; the key managers manage the project `a`.
const WHO: [&str; 6] = ["nobody", "user", "viewer", "operator", "key-manager", "admin"];

async fn credential(site: &Site, who: &str) -> Option<String> {
    let role = match who {
        "nobody" => return None,
        "user" => "readers".to_owned(),
        role => format!("portcullis:{role}"),
    };
    let key = make(site, &json!({ "name": who, "roles": [role], "metadata": { "project": "a" } })).await;
    Some(format!("Bearer {}", key["secret"].as_str().unwrap()))
}

/// May they? Tried without doing it: what changes something is rehearsed.
async fn may(admin: &mut Client, method: &str, target: &str, credential: Option<&str>, body: &str) -> char {
    let mut fields = vec![("content-type", "application/json")];
    fields.extend(credential.map(|text| ("authorization", text)));
    let request = admin.request(method, target, &fields, body.to_owned());
    let answer = admin.open(request).await.unwrap();
    let status = answer.status().as_u16();
    assert!(status < 500, "{method} {target}: {status}");
    // A stream has no end to wait for.
    if answer.headers().get("content-type").is_none_or(|kind| kind != "text/event-stream") {
        portcullis_tests::client::Answer::read(answer).await.unwrap();
    }
    match status {
        401 => '?',
        403 => '-',
        _ => 'x',
    }
}

/// Bodies and paths by operation, where the operation is about a key: one of the project `a`, one of `b`.
fn cases(operation: &str, path: &str, own: &str, other: &str) -> Vec<(String, String, String)> {
    let described = |project: &str, role: &str| {
        json!({ "name": "k", "roles": [role], "metadata": { "project": project } }).to_string()
    };
    if operation == "createKey" {
        return vec![
            (format!("{operation} (own project)"), path.to_owned(), described("a", "readers")),
            (format!("{operation} (another)"), path.to_owned(), described("b", "readers")),
            (format!("{operation} (an administrator)"), path.to_owned(), described("a", "portcullis:viewer")),
        ];
    }
    if path.starts_with("/v1/keys/{id}") {
        return vec![
            (format!("{operation} (own project)"), path.replace("{id}", own), "{}".to_owned()),
            (format!("{operation} (another)"), path.replace("{id}", other), "{}".to_owned()),
        ];
    }
    let filled: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
    vec![(operation.to_owned(), filled.join("/"), "{}".to_owned())]
}

fn golden(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "{}: write it anew with PORTCULLIS_BLESS=1, and look at what has changed", path.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_what_the_table_says() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let document = admin.get("/v1/openapi.json", &[("authorization", &operator)]).await.json();
    let key = |project: &str| json!({ "name": "k", "roles": ["readers"], "metadata": { "project": project } });
    let (own, other) = (make(&site, &key("a")).await, make(&site, &key("b")).await);
    let (own, other) = (own["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let mut credentials = Vec::new();
    for who in WHO {
        credentials.push(credential(&site, who).await);
    }

    let mut table = format!("{:44} {}\n", "", WHO.join(" "));
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let rehearsed =
                operation["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "dry_run");
            for (name, target, body) in cases(id, path, own, other) {
                let target = if rehearsed { format!("{target}?dry_run=true") } else { target };
                let _ = write!(table, "{name:44}");
                for (who, credential) in WHO.iter().zip(&credentials) {
                    let verdict = may(&mut admin, &method.to_uppercase(), &target, credential.as_deref(), &body).await;
                    let _ = write!(table, " {verdict:^width$}", width = who.len());
                    if admin.is_closed() {
                        admin = site.admin().await;
                    }
                }
                table = format!("{}\n", table.trim_end());
            }
        }
    }
    table.push_str("\nx: may, -: may not (403), ?: is nobody here (401)\n");
    golden("e2e/admin/roles.txt", &table);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_manager_sees_and_makes_the_keys_of_its_project_alone() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    for project in ["a", "b"] {
        make(&site, &json!({ "name": project, "roles": ["readers"], "metadata": { "project": project } })).await;
    }
    let manager = credential(&site, "key-manager").await.unwrap();
    let auth: &[(&str, &str)] = &[("authorization", &manager)];
    let listed = admin.get("/v1/keys", auth).await.json();
    let names: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["a", "key-manager"]);
    let wanted = json!({ "name": "new", "roles": ["readers"], "metadata": { "project": "a" } });
    let made = admin.post_json("/v1/keys", auth, &wanted).await;
    assert_eq!(made.status, 201, "{made:#?}");
    let refused = json!({ "name": "new", "roles": ["portcullis:admin"], "metadata": { "project": "a" } });
    let refused = admin.post_json("/v1/keys", auth, &refused).await;
    assert_eq!(refused.problem(), (403, "forbidden".to_owned()));
    assert_eq!(refused.json()["detail"], "Only an admin may make or change a key with a role of the admin API.");
    // A project that is no text is none.
    for body in [json!({ "name": "n" }), json!({ "name": "n", "metadata": { "project": ["a"] } })] {
        assert_eq!(admin.post_json("/v1/keys", auth, &body).await.problem().0, 403, "{body}");
    }
    let unknown = admin.get("/v1/keys/000000000000", auth).await;
    assert_eq!(unknown.problem(), (403, "forbidden".to_owned()), "which keys there are elsewhere is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_it_by_the_groups_of_their_holders_and_for_its_own_audience_alone() {
    let section = "[admin]\nissuers = [\"test\"]\naudiences = [\"https://admin.test\"]\nroles = { \"test|platform\" = \
                   [\"admin\"], \"test|staff\" = [\"viewer\"], \"test|leads\" = [\"key-manager\"] }\n";
    let site = Setup::new().route("home", "GET /", "read", "").section(section).start().await;
    let mut admin = site.admin().await;
    let token = |groups: &[&str], audience: &str, project: Value| {
        let mut claims = site.claims("ann", groups);
        claims["aud"] = audience.into();
        claims["project"] = project;
        format!("Bearer {}", site.signer.sign(&claims))
    };
    let ours = "https://admin.test";
    let wanted = json!({ "name": "k", "roles": ["readers"], "metadata": { "project": "a" } });
    for (groups, audience, project, read, make) in [
        (&["platform"][..], ours, json!(null), 200, 201),
        (&["staff"], ours, json!(null), 200, 403),
        (&["strangers"], ours, json!(null), 403, 403),
        (&[], ours, json!(null), 403, 403),
        (&["platform"], "https://app.test", json!(null), 401, 401),
        (&["leads"], ours, json!(["b", "a"]), 200, 201),
        (&["leads"], ours, json!("b"), 200, 403),
    ] {
        let shown = token(groups, audience, project);
        let auth: &[(&str, &str)] = &[("authorization", &shown)];
        assert_eq!(admin.get("/v1/keys", auth).await.status, read, "{groups:?} {audience}");
        assert_eq!(admin.post_json("/v1/keys", auth, &wanted).await.status, make, "{groups:?} {audience}");
    }
    let rows = site.gateway.store().audit(0, 100).await.unwrap();
    assert_eq!(rows.last().unwrap().actor, r#"User::"test|ann""#);
}

/// What cannot be read at first sight is asked about once more, as it is made.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_made_that_the_policies_were_not_asked_about() {
    let policies = r#"permit (principal, action, resource);
                      @id("no-administrators") forbid (principal, action == Action::"createKey", resource)
                      when { resource.grants_admin_role };"#;
    let site = Setup::new().route("home", "GET /", "read", "").file("policies/admin.cedar", policies).start().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator), ("content-type", "application/json")];
    let mut admin = site.admin().await;
    for metadata in ["{}", r#"{"project": 1}"#, r#"{"project": ["a"]}"#, r#"{"project": "a", "project": "b"}"#] {
        let body = format!(r#"{{"name": "k", "roles": ["portcullis:admin"], "metadata": {metadata}}}"#);
        let answer = admin.send("POST", "/v1/keys", auth, body).await;
        assert_eq!(answer.problem().0, 403, "{metadata}");
    }
    assert_eq!(admin.get("/v1/keys", auth).await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_the_operator_decide() {
    let policies = r#"@public_reason("The archive is closed.") forbid (principal, action == Action::"listKeys", resource);
                      permit (principal in Role::"viewer", action == Action::"showStatus", resource);"#;
    let site = Setup::new().route("home", "GET /", "read", "").file("policies/admin.cedar", policies).start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let refused = admin.get("/v1/keys", auth).await;
    assert_eq!((refused.problem().0, &refused.json()["detail"]), (403, &json!("The archive is closed.")));
    // Not even the admin key, where nobody permits it.
    assert_eq!(admin.get("/v1/status", auth).await.problem().0, 403);
    assert_eq!(admin.get("/readyz", auth).await.body, "ready\n");
}
