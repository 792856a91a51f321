//! Configurations that are applied through the admin API, rolled back, and followed by every replica.

use std::collections::BTreeMap;

use portcullis_server::app::Gateway;
use portcullis_tests::client::{Answer, Client};
use portcullis_tests::redis::Redis;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};

use crate::api_keys::{make, operator};

const TICKETS: &str = "hunter2-hunter2-hunter2-hunter2-";

pub(crate) fn setup(source: &str) -> Setup {
    let sections = format!("[tls]\nticket_secret = \"{TICKETS}\"\n[control]\nsource = \"{source}\"\n");
    Setup::new().route("item", "GET /items/{id}", "read", "").section(&sections)
}

pub(crate) async fn connect(site: &Site, gateway: &Gateway) -> Client {
    let address = gateway.admin.unwrap();
    let mut client = Client::h1(address, "localhost", site.ca()).await.unwrap();
    client.authority = format!("localhost:{}", address.port());
    client
}

async fn status(site: &Site, gateway: &Gateway) -> Value {
    let answer = connect(site, gateway).await.get("/v1/status", &[("authorization", &operator(site))]).await;
    answer.json()["config"].clone()
}

/// The texts of the newest revision.
pub(crate) async fn texts(site: &Site) -> BTreeMap<String, String> {
    let operator = operator(site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut admin = site.admin().await;
    let newest = admin.get("/v1/config/revisions?limit=1", auth).await.json()["items"][0]["number"].clone();
    let shown = admin.get(&format!("/v1/config/revisions/{newest}"), auth).await;
    serde_json::from_value(shown.json()["files"].clone()).unwrap()
}

async fn post(site: &Site, target: &str, more: &[(&str, &str)], body: &Value) -> Answer {
    let operator = operator(site);
    let fields = [&[("authorization", operator.as_str())], more].concat();
    site.admin().await.post_json(target, &fields, body).await
}

pub(crate) async fn apply(site: &Site, files: &BTreeMap<String, String>) -> Answer {
    post(site, "/v1/config/revisions", &[], &json!({ "files": files, "note": "a try" })).await
}

/// Readers may not read any more.
pub(crate) fn closed(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut files = files.clone();
    let nobody = "@id(\"nobody\") forbid (principal, action, resource);\n";
    files.insert("policies/nobody.cedar".to_owned(), nobody.to_owned());
    files
}

async fn read(site: &Site, gateway: &Gateway) -> u16 {
    let mut client = Client::h1(gateway.https.unwrap(), "app.test", site.ca()).await.unwrap();
    "app.test".clone_into(&mut client.authority);
    client.get("/items/1", &[("authorization", &site.reader())]).await.status.as_u16()
}

async fn until(site: &Site, gateway: &Gateway, member: &str, wanted: &Value) {
    within(&format!("{member} = {wanted}"), async {
        while status(site, gateway).await[member] != *wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) async fn moved(site: Site, redis: &Redis) -> Site {
    let store = format!("url = \"{}\"\ntimeout = \"2s\"\nfolder = \"data\"", redis.url());
    let _ = std::fs::remove_file(site.files.path("data/admin.key"));
    let site =
        site.restart(|files| files.edit("config/portcullis.toml", "url = \"sqlite:data/portcullis.db\"", &store));
    let site = site.await.unwrap_or_else(|(error, _)| panic!("{error}"));
    site.gateway.warm().await;
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn where_files_decide_nothing_is_applied_but_what_it_would_do_is_told() {
    let site = setup("files").start().await;
    let before = texts(&site).await;
    let refused = apply(&site, &closed(&before)).await;
    assert_eq!(refused.problem(), (409, "config_from_files".to_owned()));
    let mut wider = before.clone();
    let open = "@id(\"open\") permit (principal, action, resource);\n";
    wider.insert("policies/open.cedar".to_owned(), open.to_owned());
    let main = wider.get_mut("config/portcullis.toml").unwrap();
    main.push_str(
        "\n[[routes]]\nname = \"more\"\nmatch = \"GET /more\"\nupstream = \"app\"\nauthenticate = \"public\"\n",
    );
    let schema = wider.get_mut("policies/schema.cedarschema").unwrap();
    schema.push_str("action \"more\" appliesTo { principal: [Anonymous], resource: [App] };\n");
    let would = post(&site, "/v1/config/revisions?dry_run=true", &[], &json!({ "files": wider })).await;
    assert_eq!((would.status.as_u16(), would.header("x-portcullis-dry-run")), (200, Some("true")), "{would:#?}");
    let would = would.json();
    assert_eq!(
        (&would["result"], &would["revision"], &would["widens"]),
        (&json!("would_apply"), &Value::Null, &json!(true))
    );
    let after = json!({ "match": "GET /more", "authenticate": "public", "upstream": "app" });
    assert_eq!(would["routes"], json!([{ "name": "more", "before": null, "after": after }]));
    let paths: Vec<&Value> = would["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(paths, ["config/portcullis.toml", "policies/open.cedar", "policies/schema.cedarschema"]);
    let widened =
        |change: &Value| change["route"] == "item" && change["after"] == "allow" && change["direction"] == "widens";
    assert!(would["matrix"].as_array().unwrap().iter().any(widened), "{would:#}");
    assert_eq!(read(&site, &site.gateway).await, 200);
    assert_eq!(texts(&site).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_over_files_holds_until_they_change_across_restarts() {
    let site = setup("files").start().await;
    let nobody = "@id(\"nobody\") forbid (principal, action, resource);\n";
    site.files.write("policies/nobody.cedar", nobody);
    site.gateway.reload().await.unwrap();
    until(&site, &site.gateway, "revision", &json!(2)).await;
    assert_eq!(read(&site, &site.gateway).await, 403);

    let would = post(&site, "/v1/config/revisions/1/rollback?dry_run=true", &[], &json!({})).await;
    assert_eq!((would.status.as_u16(), &would.json()["widens"]), (200, &json!(true)), "{would:#?}");
    assert_eq!(read(&site, &site.gateway).await, 403, "a rehearsal changes nothing");
    let back = post(&site, "/v1/config/revisions/1/rollback", &[("if-match", "\"2\"")], &json!({})).await;
    assert_eq!((back.status.as_u16(), back.header("location")), (201, Some("/v1/config/revisions/3")), "{back:#?}");
    let revision = &back.json()["revision"];
    assert_eq!(
        (&revision["origin"], &revision["in_force"], &revision["author"], &revision["note"]),
        (&json!("rollback"), &json!(true), &json!("admin"), &json!("revision 1"))
    );
    assert_eq!(read(&site, &site.gateway).await, 200);
    let again = post(&site, "/v1/config/revisions/2/rollback", &[("if-match", "\"2\"")], &json!({})).await;
    assert_eq!(again.problem(), (412, "precondition_failed".to_owned()));
    site.gateway.reload().await.unwrap();
    assert_eq!((read(&site, &site.gateway).await, &status(&site, &site.gateway).await["pinned"]), (200, &json!(true)));

    let site = site.restart(|_| {}).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    let stands = status(&site, &site.gateway).await;
    assert_eq!((&stands["revision"], &stands["pinned"], &stands["source"]), (&json!(3), &json!(true), &json!("files")));
    assert_eq!(read(&site, &site.gateway).await, 200);
    // Other files are in force again, and the same ones are, too, when they come back.
    for (number, text) in [(4, format!("// once more\n{nobody}")), (5, nobody.to_owned())] {
        site.files.write("policies/nobody.cedar", text);
        until(&site, &site.gateway, "revision", &json!(number)).await;
        assert_eq!(
            (read(&site, &site.gateway).await, &status(&site, &site.gateway).await["pinned"]),
            (403, &json!(false))
        );
    }
    let rows = site.gateway.store().audit(0, 100).await.unwrap();
    let actions: Vec<_> = rows.iter().filter(|row| row.action.starts_with("config.")).map(|row| &*row.action).collect();
    assert_eq!(actions, ["config.load", "config.load", "config.rollback", "config.load", "config.load"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_refused_with_all_that_is_wrong_and_changes_nothing() {
    let site = setup("store").variable("HUNTER", "hunter3").start().await;
    let before = texts(&site).await;
    let with = |path: &str, text: String| {
        let mut files = before.clone();
        files.insert(path.to_owned(), text);
        files
    };
    let main = before["config/portcullis.toml"].clone();
    let replaced = |from: &str, to: &str| {
        assert!(main.contains(from), "{from} in {main}");
        with("config/portcullis.toml", main.replace(from, to))
    };
    let mut without_schema = before.clone();
    without_schema.remove("policies/schema.cedarschema");
    for (files, says) in [
        (with("policies/x.cedar", "permit (".to_owned()), "policies/x.cedar"),
        (with("policies/more.txt", String::new()), "nothing refers to this file"),
        (without_schema, "is not among the files of the revision"),
        (replaced("grace_period = \"5s\"", "grace_period = \"6s\""), "`[server]` is another than on the machine"),
        (replaced("source = \"store\"", "source = \"files\""), "`[control]` is another than on the machine"),
        (replaced("${own:tls.ticket_secret}", TICKETS), "a secret in clear would be kept"),
        (replaced("${own:tls.ticket_secret}", "${own:tls.none}"), "they hold none there"),
        (replaced("${own:tls.ticket_secret}", "${file:certs/app.key}"), "a text that is sent names no file"),
        (replaced("${own:tls.ticket_secret}", "${NOWHERE}"), "the variable `NOWHERE` is not set"),
    ] {
        let refused = apply(&site, &files).await;
        assert_eq!(refused.problem(), (422, "config_refused".to_owned()), "{says}: {refused:#?}");
        let errors = refused.json()["errors"].to_string();
        assert!(errors.contains(says) && !errors.contains("hunter"), "{says}: {errors}");
    }
    for files in [
        json!({}),
        json!({ "policies/x.cedar": "" }),
        json!({ "config/portcullis.toml": main, "../x.cedar": "" }),
        json!({ "config/portcullis.toml": main, "/etc/x.cedar": "" }),
        json!({ "config/portcullis.toml": main, "policies/./x.cedar": "" }),
        json!({ "config/portcullis.toml": 1 }),
    ] {
        let refused = post(&site, "/v1/config/revisions", &[], &json!({ "files": files })).await;
        assert_eq!(refused.problem(), (422, "schema_violation".to_owned()), "{files}");
    }
    for note in ["a\u{1b}[2J", "a\u{202e}b", &"x".repeat(501)] {
        let refused = post(&site, "/v1/config/revisions", &[], &json!({ "files": before, "note": note })).await;
        assert_eq!(refused.json()["errors"][0]["pointer"], "/note", "{refused:#?}");
    }
    let large = json!({ "files": { "config/portcullis.toml": "#".repeat(2 * 1024 * 1024) } });
    assert_eq!(post(&site, "/v1/config/revisions", &[], &large).await.problem().0, 413);
    let same = apply(&site, &before).await;
    assert_eq!((same.status.as_u16(), &same.json()["result"]), (200, &json!("unchanged")), "{same:#?}");
    let key = make(&site, &json!({ "name": "o", "roles": ["portcullis:operator"] })).await;
    let shown: &[(&str, &str)] = &[("x-api-key", key["secret"].as_str().unwrap())];
    let refused = site.admin().await.post_json("/v1/config/revisions", shown, &json!({ "files": before })).await;
    assert_eq!(refused.problem().0, 403);
    assert_eq!((texts(&site).await, status(&site, &site.gateway).await["revision"].clone()), (before, json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_one_store_do_what_was_applied_to_either_and_after_a_restart_too() {
    let redis = Redis::start().await;
    let site = moved(setup("store").start().await, &redis).await;
    let other = site.replica().await;
    let first = texts(&site).await;
    assert_eq!(status(&site, &other).await["revision"], 1, "what the first began with holds for the second");

    let again: &[(&str, &str)] = &[("idempotency-key", "\"one\""), ("if-match", "\"1\"")];
    let body = json!({ "files": closed(&first) });
    let made = post(&site, "/v1/config/revisions", again, &body).await;
    assert_eq!((made.status.as_u16(), made.header("etag")), (201, Some("\"2\"")), "{made:#?}");
    let repeated = post(&site, "/v1/config/revisions", again, &body).await;
    assert_eq!((repeated.status.as_u16(), repeated.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(read(&site, &site.gateway).await, 403, "at once where it was applied");
    until(&site, &other, "revision", &json!(2)).await;
    assert_eq!(read(&site, &other).await, 403);
    assert_eq!(status(&site, &other).await["hash"], status(&site, &site.gateway).await["hash"]);

    // Files of a machine change nothing there, and a start does what was applied last.
    site.files.write("policies/open.cedar", "@id(\"open\") permit (principal, action, resource);\n");
    site.gateway.reload().await.unwrap();
    other.reload().await.unwrap();
    other.stop().await;
    let other = site.replica().await;
    assert_eq!((read(&site, &site.gateway).await, read(&site, &other).await), (403, 403));
    assert_eq!(status(&site, &other).await["revision"], 2);

    // Rolled back at the other one, which tells the first.
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let back = connect(&site, &other).await.post_json("/v1/config/revisions/1/rollback", auth, &json!({})).await;
    assert_eq!(back.status, 201, "{back:#?}");
    assert_eq!(read(&site, &other).await, 200);
    until(&site, &site.gateway, "revision", &json!(3)).await;
    assert_eq!(read(&site, &site.gateway).await, 200);
    let verdict = site.gateway.store().verify_audit().await.unwrap();
    assert!(matches!(verdict, portcullis_server::world::store::AuditVerdict::Whole { .. }));
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_no_store_and_is_kept_when_the_store_is_back() {
    let redis = Redis::start().await;
    let site = moved(setup("files").start().await, &redis).await;
    assert_eq!(read(&site, &site.gateway).await, 200);
    redis.pause().await;
    site.files.write("policies/nobody.cedar", "@id(\"nobody\") forbid (principal, action, resource);\n");
    site.gateway.reload().await.unwrap();
    assert_eq!(read(&site, &site.gateway).await, 403);
    redis.resume().await;
    within("a second revision", async {
        while site.gateway.store().revisions.standing().await.map_or(0, |standing| standing.latest) != 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// What one machine has and another has not: a variable.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_does_not_load_here_leaves_what_is_in_force_and_says_so() {
    let redis = Redis::start().await;
    let site = moved(setup("store").variable("PTCL_TEST_HOST", "app.test").start().await, &redis).await;
    let poor = site.replica_with(&[]).await.unwrap();
    let mut files = closed(&texts(&site).await);
    let main = files.get_mut("config/portcullis.toml").unwrap();
    *main = main.replace("match = \"GET /items/{id}\"", "match = \"GET /items/{id}\"\nhost = \"${PTCL_TEST_HOST}\"");
    let made = apply(&site, &files).await;
    assert_eq!((made.status.as_u16(), &made.json()["revision"]["in_force"]), (201, &json!(true)), "{made:#?}");
    within("the fault", async {
        while status(&site, &poor).await["pending_errors"] == json!([]) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let stands = status(&site, &poor).await;
    assert!(
        stands["pending_errors"][0].as_str().unwrap().contains("the variable `PTCL_TEST_HOST` is not set"),
        "{stands:#}"
    );
    assert_eq!((&stands["revision"], read(&site, &poor).await), (&json!(1), 200), "the old one goes on");
    assert_eq!(read(&site, &site.gateway).await, 403);
    // A start has nothing to go on with.
    let error = site.replica_with(&[]).await.err().unwrap().to_string();
    assert!(error.contains("revision 2 of the store does not load") && error.contains("roll back"), "{error}");
    // What comes after it comes into force.
    assert_eq!(post(&site, "/v1/config/revisions/1/rollback", &[], &json!({})).await.status, 201);
    until(&site, &poor, "revision", &json!(3)).await;
    assert_eq!(status(&site, &poor).await["pending_errors"], json!([]));
    poor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_applies_and_rolls_back() {
    let site = setup("store").start().await;
    site.name_admin();
    let ask = async |arguments: &[&str]| site.command(arguments).await;
    // Of its own files a machine needs no more than what is its own.
    std::fs::rename(site.files.path("policies"), site.files.path("elsewhere")).unwrap();
    let right = portcullis_tests::binary::run(site.files.root(), &["check", "--offline"]).await;
    std::fs::rename(site.files.path("elsewhere"), site.files.path("policies")).unwrap();
    let summary = "config/portcullis.toml: revision 1 of the store: 1 route, 1 policy";
    assert!(right.code == Some(0) && right.stdout.contains(summary), "{right:#?}");
    // The files it sends are those of `config/client.toml`, which is no main file of the gateway.
    let refused = ask(&["config", "apply"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("there is no `config/portcullis.toml`"), "{refused:#?}");
    assert!(refused.stderr.contains("`tls.ticket_secret` stands in the files in clear"), "{refused:#?}");
    let nobody = "@id(\"nobody\") forbid (principal, action, resource);\n";
    site.files.write("policies/nobody.cedar", nobody);
    let files = ["config", "apply", "config/portcullis.toml"];
    let would = ask(&[&files[..], &["--dry-run"]].concat()).await;
    assert_eq!(would.code, Some(0), "access narrows: {would:#?}");
    assert!(would.stdout.starts_with("--- /dev/null\n+++ b/policies/nobody.cedar\n@@ -0,0 +1 @@\n+@id"), "{would:#?}");
    assert!(would.stdout.contains("narrows  item for User in test|readers: allow -> deny\n"), "{would:#?}");
    let applied = ask(&[&files[..], &["--note", "closed for tonight"]].concat()).await;
    assert!(applied.code == Some(0) && applied.stdout.ends_with("revision 2 is in force\n"), "{applied:#?}");
    assert_eq!(read(&site, &site.gateway).await, 403);
    let shown = ask(&["config", "history"]).await;
    assert!(shown.stdout.contains("  admin  closed for tonight  +policies/nobody.cedar\n"), "{shown:#?}");
    let would = ask(&["config", "rollback", "1", "--dry-run"]).await;
    assert_eq!(would.code, Some(1), "access would widen: {would:#?}");
    assert!(would.stdout.contains("WIDENS   item for User in test|readers: deny -> allow\n"), "{would:#?}");
    assert!(would.stdout.ends_with("nothing was changed\n"), "{would:#?}");
    let stale = ask(&["config", "rollback", "1", "--if-match", "1"]).await;
    assert!(stale.code == Some(1) && stale.stderr.contains("412"), "{stale:#?}");
    let back = ask(&["config", "rollback", "1", "--if-match", "2"]).await;
    assert!(back.code == Some(0) && back.stdout.ends_with("revision 3 is in force\n"), "{back:#?}");
    assert_eq!(read(&site, &site.gateway).await, 200);
    let none = ask(&["config", "rollback", "9"]).await;
    assert!(none.code == Some(1) && none.stderr.contains("no revision of this number"), "{none:#?}");
}
