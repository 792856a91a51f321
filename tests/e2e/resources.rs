//! What is known of the thing asked for, who is asked for it, and what if nobody answers?

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::{Reply, Upstream};
use serde_json::json;

const SCHEMA: &str = "entity Folder; entity Order in [Folder] { owner?: User, state?: String };
    action \"order\" appliesTo { principal: [User], resource: [Order] };";
const POLICIES: &str = r#"@id("own") permit (principal is User, action == Action::"order", resource) when { resource has owner && resource.owner == principal };
    @id("shared") permit (principal is User, action == Action::"order", resource in Folder::"shared");"#;

/// One route about one order, with these keys of `resource_attributes`.
fn setup(attributes: &str) -> Setup {
    let route = format!(
        "[[routes]]\nname = \"order\"\nmatch = \"GET /orders/{{id}}\"\nupstream = \"app\"\nauthenticate = [\"jwt\"]\n\
         resource = 'Order::\"{{id}}\"'\nresource_attributes = {{ {attributes} }}\n"
    );
    Setup::new().section(&route).schema(SCHEMA).policies(POLICIES).route("page", "GET /", "read", "")
}

fn asking(things: &Upstream, more: &str) -> String {
    format!(
        "from = \"http\", url = \"{}/things/{{id}}\", set = {{ owner = 'User::\"test|{{owner}}\"' }}, parents = ['Folder::\"{{folder}}\"']{more}",
        things.url()
    )
}

async fn get(site: &Site, path: &str, user: &str) -> (u16, String) {
    let answer = site.h1().await.get(path, &[("authorization", &site.bearer(user, &[]))]).await;
    if answer.status == 200 { (200, String::new()) } else { answer.problem() }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_says_whose_it_is_and_where_it_lies() {
    let things = Upstream::recording().await;
    things.always(|asked| match asked.target.as_str() {
        "/things/1" => Reply::json(200, json!({ "owner": "rita", "folder": "private", "more": [1] }).to_string()),
        "/things/2" => Reply::json(200, json!({ "folder": "shared" }).to_string()),
        "/things/a%22%3A%3A%2F" | "/things/a%20b" => Reply::json(200, json!({ "owner": "rita\" || \"" }).to_string()),
        "/things/4" => Reply::json(200, json!({ "owner": "rita", "state": 4 }).to_string()),
        _ => Reply::json(404, "{}"),
    });
    let site = setup(&asking(&things, "")).start().await;
    assert_eq!(get(&site, "/orders/1", "rita").await.0, 200, "her own");
    assert_eq!(get(&site, "/orders/1", "paul").await, refused(403, "forbidden"));
    assert_eq!(get(&site, "/orders/2", "paul").await.0, 200, "in the shared folder");
    assert_eq!(get(&site, "/orders/3", "rita").await, refused(403, "forbidden"), "there is none");
    assert_eq!(get(&site, "/orders/a%20b", "rita").await, refused(403, "forbidden"), "an odd owner is nobody else");
    assert_eq!(get(&site, "/orders/4", "rita").await, refused(403, "policy_error"), "it does not fit the schema");
    let asked = things.requests();
    assert_eq!(asked.len(), 6, "nothing is kept unless it is said");
    assert!(asked.iter().all(|request| request.header("authorization").is_none()), "no credential goes there");
    assert_eq!(site.upstream.heads(), 2);
    let decisions = site.log("logs/decisions.jsonl").await;
    let reason = decisions[5]["reason"].as_str().unwrap().to_owned();
    assert_eq!(
        reason,
        "attribute `state` does not fit: the schema wants `String`, this is a whole number (of the resource, a `Order`)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_answers_it_is_refused_or_absent_as_declared() {
    let things = Upstream::recording().await;
    things.always(|asked| match asked.target.as_str() {
        "/things/never" => Reply::never(),
        "/things/closed" => Reply::closed(),
        "/things/list" => Reply::json(200, "[]"),
        "/things/large" => Reply::json(200, format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))),
        "/things/moved" => Reply::json(302, "{}").header("location", "/things/other"),
        _ => Reply::json(500, "{}"),
    });
    let refusing = setup(&asking(&things, ", timeout = \"50ms\"")).start().await;
    let absent = setup(&asking(&things, ", timeout = \"50ms\", on_failure = \"absent\"")).start().await;
    let shadow =
        setup(&asking(&things, ", timeout = \"50ms\"")).section("[authorize]\nmode = \"shadow\"").start().await;
    for path in ["/orders/never", "/orders/closed", "/orders/list", "/orders/large", "/orders/moved", "/orders/broken"]
    {
        assert_eq!(get(&refusing, path, "rita").await, refused(503, "dependency_unavailable"), "{path}");
        assert_eq!(get(&absent, path, "rita").await, refused(403, "forbidden"), "{path}");
        assert_eq!(get(&shadow, path, "rita").await.0, 200, "{path}");
    }
    let lines = shadow.log("logs/access.jsonl").await;
    assert_eq!(lines[0]["portcullis.would_refuse"], json!(["dependency_unavailable"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_at_the_same_time_asks_once_and_an_answer_is_kept_as_long_as_declared() {
    let things = Upstream::recording().await;
    let (reply, release) = Reply::json(200, json!({ "owner": "rita" }).to_string()).held();
    things.next(reply);
    things.always(|_| Reply::json(200, json!({ "owner": "paul" }).to_string()));
    let site = setup(&asking(&things, ", timeout = \"30s\", cache = \"1h\"")).start().await;
    let both = async { tokio::join!(get(&site, "/orders/1", "rita"), get(&site, "/orders/1", "rita")) };
    let waiting = async {
        things.wait_for_heads(1).await;
        drop(release);
    };
    let ((one, other), ()) = tokio::join!(both, waiting);
    assert_eq!((one.0, other.0), (200, 200));
    assert_eq!(get(&site, "/orders/1", "paul").await.0, 403, "what was answered still holds");
    assert_eq!(things.heads(), 1);
    assert_eq!(get(&site, "/orders/2", "paul").await.0, 200, "another thing, another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_come_from_a_file_or_from_the_path_too() {
    let site = setup("from = \"file\", file = \"orders.json\"")
        .file("orders.json", json!({ "1": { "owner": "User::\"test|rita\"" } }).to_string())
        .start()
        .await;
    assert_eq!(get(&site, "/orders/1", "rita").await.0, 200);
    assert_eq!(get(&site, "/orders/1", "paul").await.0, 403);
    assert_eq!(get(&site, "/orders/2", "rita").await.0, 403, "of others nothing is known");
    let site = setup("from = \"path\", set = { owner = 'User::\"test|{id}\"' }").start().await;
    assert_eq!(get(&site, "/orders/rita", "rita").await.0, 200);
    assert_eq!(get(&site, "/orders/rita", "paul").await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_told_at_load() {
    for (attributes, told) in [
        ("from = \"http\"", "`http` takes `url`, and no `file`"),
        ("from = \"http\", url = \"http://{id}.test/\"", "`url` is not an address with a fixed host"),
        ("from = \"http\", url = \"http://a.test/{key}\"", "the path has no parameter `key`"),
        ("from = \"path\", set = { owner = 'User::\"{name}\"' }", "the path has no parameter `name`"),
        ("from = \"path\", set = { ownr = 'User::\"{id}\"' }", "`set` makes an attribute `ownr`"),
        ("from = \"path\", parents = ['Group::\"{id}\"']", "the schema's `Order` cannot be in a `Group`"),
        ("from = \"file\", file = \"none.json\"", "does not exist"),
        ("from = \"path\", timeout = \"1ms\"", "`1ms` is out of bounds"),
    ] {
        let Err((error, _)) = setup(attributes).try_start().await else { panic!("{attributes} starts") };
        assert!(error.to_string().contains(told), "`{told}` in {error}");
    }
}
