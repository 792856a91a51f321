//! Folders in folders, groups in groups: is whoever is far below in what is far above?

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::{Reply, Upstream};
use serde_json::json;

use crate::api_keys::make;

const SCHEMA: &str = "entity Folder in [Folder]; entity Order in [Folder]; entity Drawer;
    action \"order\" appliesTo { principal: [User], resource: [Order] };
    action \"folder\" appliesTo { principal: [User], resource: [Folder] };
    action \"staff\" appliesTo { principal: [User, ApiKey], resource: [App] };";
const POLICIES: &str = r#"@id("shared") permit (principal, action == Action::"order", resource in Folder::"shared");
    @id("folders") permit (principal, action == Action::"folder", resource in Folder::"shared");
    @id("staff") permit (principal, action == Action::"staff", resource)
    when { principal in [Group::"test|staff", Group::"keys|staff"] };"#;

fn route(name: &str, pattern: &str, more: &str) -> String {
    format!("[[routes]]\nname = {name:?}\nmatch = {pattern:?}\nupstream = \"app\"\n{more}\n")
}

/// Orders and folders, and a page for the staff; `hierarchy` is TOML.
fn setup(hierarchy: &str) -> Setup {
    let order = "authenticate = [\"jwt\"]\nresource = 'Order::\"{id}\"'\n\
                 resource_attributes = { from = \"file\", file = \"orders.json\", parents = ['Folder::\"{folder}\"'] }";
    let folder = "authenticate = [\"jwt\"]\nresource = 'Folder::\"{id}\"'";
    Setup::new()
        .section(hierarchy)
        .section(&route("order", "GET /orders/{id}", order))
        .section(&route("folder", "GET /folders/{id}", folder))
        .section(&route("staff", "GET /staff", "authenticate = [\"jwt\", \"api_key\"]"))
        .file("orders.json", json!({ "1": { "folder": "mine" }, "2": { "folder": "other" } }).to_string())
        .schema(SCHEMA)
        .policies(POLICIES)
}

fn site(hierarchy: &str) -> Setup {
    // Groups in groups are declared in the schema of their own accord.
    setup(hierarchy).groups_in_groups()
}

async fn get(site: &Site, path: &str, groups: &[&str]) -> (u16, String) {
    let answer = site.h1().await.get(path, &[("authorization", &site.bearer("rita", groups))]).await;
    if answer.status == 200 { (200, String::new()) } else { answer.problem() }
}

fn forbidden() -> (u16, String) {
    (403, "forbidden".to_owned())
}

fn asking(things: &Upstream, more: &str) -> String {
    format!(
        "[hierarchy.Folder]\nfrom = \"http\"\nurl = \"{}/folders/{{id}}\"\nparents = ['Folder::\"{{in}}\"']\n{more}",
        things.url()
    )
}

const GROUPS: &str = "[hierarchy.Group]\nfrom = \"file\"\nfile = \"groups.json\"\nparents = ['Group::\"{in}\"']\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_app_says_what_folders_are_in_and_what_has_no_end_is_refused() {
    let things = Upstream::recording().await;
    things.always(|asked| match asked.target.as_str() {
        "/folders/mine" => Reply::json(200, json!({ "in": "team" }).to_string()),
        "/folders/team" => Reply::json(200, json!({ "in": ["shared", "archive"] }).to_string()),
        "/folders/round" => Reply::json(200, json!({ "in": "about" }).to_string()),
        "/folders/about" => Reply::json(200, json!({ "in": "round" }).to_string()),
        "/folders/broken" => Reply::json(500, "{}"),
        _ => Reply::json(404, "{}"),
    });
    let site = setup(&asking(&things, "")).start().await;
    assert_eq!(get(&site, "/orders/2", &[]).await, forbidden(), "in another folder");
    assert_eq!(get(&site, "/orders/1", &[]).await.0, 200, "in a folder in a folder in it");
    assert_eq!(get(&site, "/folders/mine", &[]).await.0, 200, "a folder is a resource too");
    assert_eq!(get(&site, "/folders/archive", &[]).await, forbidden());
    assert_eq!(get(&site, "/folders/round", &[]).await, (403, "policy_error".to_owned()));
    assert_eq!(get(&site, "/folders/broken", &[]).await, (503, "dependency_unavailable".to_owned()));
    assert!(things.requests().iter().all(|request| request.header("authorization").is_none()));
    assert_eq!(site.upstream.heads(), 2);
    let decisions = site.log("logs/decisions.jsonl").await;
    let reason = "the resource's parents: what it is in leads back to itself at Folder::\"round\"";
    assert_eq!(decisions[4]["reason"], reason);

    let absent = setup(&asking(&things, "on_failure = \"absent\"\n")).start().await;
    assert_eq!(get(&absent, "/folders/broken", &[]).await, forbidden());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_in_what_a_file_says_until_it_says_otherwise() {
    let told = |staff: &str| json!({ "test|leads": { "in": "test|writers" }, "test|writers": { "in": [staff] }, "keys|lead": { "in": "keys|staff" } });
    let site = site(GROUPS).file("groups.json", told("test|staff").to_string()).start().await;
    let key = make(&site, &json!({ "name": "k", "roles": ["lead"] })).await;
    let key = key["secret"].as_str().unwrap();
    assert_eq!(get(&site, "/staff", &[]).await, forbidden());
    assert_eq!(get(&site, "/staff", &["strangers"]).await, forbidden());
    // One token throughout: what was remembered of its holder must not outlive the file.
    let leads = site.bearer("lena", &["leads"]);
    let mut client = site.h1().await;
    for _ in 0..2 {
        assert_eq!(client.get("/staff", &[("authorization", &leads)]).await.status, 200);
        assert_eq!(client.get("/staff", &[("x-api-key", key)]).await.status, 200);
    }
    site.files.write("groups.json", told("test|guests").to_string());
    site.gateway.reload().await.unwrap();
    assert_eq!(client.get("/staff", &[("authorization", &leads)]).await.status, 403);
    assert_eq!(client.get("/staff", &[("x-api-key", key)]).await.status, 200);
    // What leads back to itself does not come into force.
    site.files.write("groups.json", told("test|leads").to_string());
    let errors = site.gateway.reload().await.unwrap_err();
    assert!(errors[0].to_string().contains("what it is in leads back to itself"), "{errors:?}");
    assert_eq!(client.get("/staff", &[("authorization", &leads)]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_schema_is_told_at_load() {
    let section =
        |kind: &str, from: &str, parents: &str| format!("[hierarchy.{kind}]\n{from}\nparents = ['{parents}']\n");
    let (file, http) =
        ("from = \"file\"\nfile = \"groups.json\"", "from = \"http\"\nurl = \"http://127.0.0.1:9/{id}\"");
    for (hierarchy, told) in [
        (section("Foldr", http, "Folder::\"{in}\""), "did you mean `Folder`?"),
        (section("Folder", http, "Drawer::\"{in}\""), "the schema's `Folder` cannot be in a `Drawer`"),
        (section("Folder", http, "Folder::\"{in\""), "a lone `{` in the resource template"),
        (section("Folder", "from = \"file\"", "Folder::\"{in}\""), "`file` takes `file`, and no `url`"),
        (section("User", file, "Group::\"{in}\""), "a `User` is in what its credential says"),
        (section("Group", http, "Group::\"{in}\""), "callers may be in a `Group`, and nobody is asked about callers"),
        (section("Group", "from = \"file\"\nfile = \"none.json\"", "Group::\"{in}\""), "does not exist"),
        (section("Group", "from = \"path\"", "Group::\"{in}\""), "from"),
    ] {
        let setup = site(&hierarchy).file("groups.json", "{}");
        let Err((error, _)) = setup.try_start().await else { panic!("{hierarchy} starts") };
        assert!(error.to_string().contains(told), "`{told}` in {error}");
    }
}
