//! Rules people can trust: checked, tried, explained, and seen as a whole.

use std::path::Path;

use portcullis_tests::binary::{self, Ran};
use serde_json::json;
use tempfile::TempDir;

use super::{here, project};

/// A copy of what is shipped, to be changed.
fn copy() -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(&path, &to).unwrap();
            }
        }
    }
    let folder = TempDir::new().unwrap();
    copy(&project().join("policies"), &folder.path().join("policies"));
    copy(&project().join("config/schemas"), &folder.path().join("config/schemas"));
    std::fs::copy(project().join("config/portcullis.toml"), folder.path().join("config/portcullis.toml")).unwrap();
    folder
}

fn edit(folder: &TempDir, file: &str, old: &str, new: &str) {
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{file} has no `{old}`");
    std::fs::write(path, text.replace(old, new)).unwrap();
}

async fn policy(folder: &Path, arguments: &[&str]) -> Ran {
    binary::run(folder, &[&["policy"], arguments].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_policies_pass_their_cases_and_none_is_untouched() {
    let ran = here(&["policy", "test"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(" 0 failed, 0 policies untouched\n"), "{}", ran.stdout);
    let ran = here(&["--format", "json", "policy", "test", "policies"]).await;
    assert_eq!((ran.code, &ran.json()["ok"]), (Some(0), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_fails_and_a_policy_nobody_tries_are_findings() {
    let folder = copy();
    edit(&folder, "policies/orders.cedar", "Action::\"write\"", "Action::\"read\"");
    let ran = policy(folder.path(), &["test"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.contains("alice, a writer, may createOrder\n  expected `allow`, the policies say `deny`"),
        "{}",
        ran.stdout
    );

    let folder = copy();
    let more =
        "@id(\"nobody-tries-this\") permit (principal == User::\"demo|x\", action in Action::\"read\", resource);";
    std::fs::write(folder.path().join("policies/more.cedar"), more).unwrap();
    let ran = policy(folder.path(), &["test"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("untouched: no case is decided by `nobody-tries-this`"), "{}", ran.stdout);
    assert_eq!(policy(folder.path(), &["test", "--allow-untouched"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_folders_of_cedars_own_cases() {
    let folder = TempDir::new().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("data/s.cedarschema", "entity User; action view appliesTo { principal: User, resource: User };");
    write("data/p.cedar", "permit (principal, action, resource == User::\"a\");");
    write("data/e.json", r#"[{"uid": {"type": "User", "id": "a"}, "attrs": {}, "parents": []}]"#);
    let uid = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let case = |decision: &str, reason: &[&str]| {
        json!({ "schema": "data/s.cedarschema", "policies": "data/p.cedar", "entities": "data/e.json", "shouldValidate": true,
            "requests": [{ "description": "a sees a", "principal": uid("User", "a"), "action": uid("Action", "view"),
                "resource": uid("User", "a"), "context": {}, "decision": decision, "reason": reason, "errors": [] }] })
    };
    write("tests/deep/one.json", &case("allow", &["policy0"]).to_string());
    let ran = policy(folder.path(), &["test", "tests"]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "2 cases, 0 failed, 0 policies untouched\n"),
        "{}",
        ran.stderr
    );
    write("tests/two.json", &case("deny", &[]).to_string());
    let ran = policy(folder.path(), &["test", "."]).await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.contains("./tests/two.json: a sees a\n  expected `deny`, the policies say `allow`"),
        "{}",
        ran.stdout
    );
    let none = TempDir::new().unwrap();
    let ran = policy(none.path(), &["test", "."]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no case in `.`"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_everything_wrong_with_its_place_and_what_was_meant() {
    let folder = copy();
    edit(&folder, "policies/orders.cedar", "Action::\"write\"", "Action::\"wriet\"");
    edit(&folder, "policies/guardrails.cedar", "principal has suspended && principal.suspended", "principal.suspendd");
    let ran = policy(folder.path(), &["check", "--format", "json"]).await;
    assert_eq!((ran.code, &ran.json()["ok"]), (Some(2), &json!(false)));
    let ran = policy(folder.path(), &["check", "policies"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_condition_made_the_difference() {
    let bob = ["--principal", "User::\"demo|bob\"", "--group", "demo|readers"];
    let ran = here(&[&["policy", "explain", "POST", "/api/orders"], &bob[..]].concat()).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ran.stdout);
    let ran = here(&[&["policy", "explain", "--action", "listOrders", "--format", "json"], &bob[..]].concat()).await;
    assert_eq!((ran.code, &ran.json()["explanation"]["decision"]), (Some(0), &json!("allow")));
    let folder = TempDir::new().unwrap();
    let claims = json!({ "iss": "http://localhost:9444", "sub": "alice", "groups": ["writers"], "suspended": true });
    let file = folder.path().join("claims.json");
    std::fs::write(&file, claims.to_string()).unwrap();
    let ran = here(&["policy", "explain", "GET", "/api/orders?limit=1", "--claims", file.to_str().unwrap()]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("deny: forbidden by `suspended-users-are-refused`"), "{}", ran.stdout);
    for wrong in [&["explain"][..], &["explain", "GET", "/nowhere"], &["explain", "GET", "/", "--principal", "bob"]] {
        assert_eq!(policy(project(), wrong).await.code, Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_under_review_is_what_the_policies_say() {
    let ran = here(&["policy", "matrix", "--check", "policies/matrix.md"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let folder = copy();
    edit(&folder, "policies/orders.cedar", "action in Action::\"write\"", "action in Action::\"read\"");
    let ran = policy(folder.path(), &["matrix", "--check", "policies/matrix.md"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("\n- | createOrder") && ran.stdout.contains("\n+ | createOrder"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_finds_whoever_may_do_more() {
    let (wider, narrower) = (copy(), copy());
    edit(
        &wider,
        "policies/orders.cedar",
        "[Group::\"demo|writers\", Group::\"keys|writers\"]",
        "[Group::\"demo|readers\", Group::\"demo|writers\", Group::\"keys|writers\"]",
    );
    edit(&narrower, "policies/public.cedar", "[Action::\"home\", Action::\"health\"]", "[Action::\"home\"]");
    let path = |folder: &TempDir| folder.path().to_str().unwrap().to_owned();
    let ran = here(&["policy", "diff", ".", &path(&wider)]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("WIDENS   createOrder for Client in demo|readers: deny -> allow"), "{}", ran.stdout);
    let folder = format!("{}/policies", path(&narrower));
    let ran = here(&["policy", "diff", "policies", &folder]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("narrows  health for no credential: allow -> deny"), "{}", ran.stdout);
    let ran = here(&["policy", "diff", ".", "."]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "nobody may do more or less\n"));
    let ran = here(&["policy", "diff", "policies", "nowhere"]).await;
    assert!(ran.stderr.starts_with("`nowhere` does not exist: name a configuration file"), "{}", ran.stderr);
    assert_eq!(ran.code, Some(2));
    std::fs::write(narrower.path().join("policies/public.cedar"), "permit (").unwrap();
    let ran = here(&["policy", "diff", "policies", &folder]).await;
    assert!(
        ran.stderr.starts_with(&format!("{folder}/public.cedar:1:")),
        "what is wrong is where it is: {}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_derived_schema_does_for_the_shipped_policies() {
    let folder = copy();
    let ran = here(&["policy", "schema"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    std::fs::write(folder.path().join("policies/schema.cedarschema"), ran.stdout).unwrap();
    let ran = policy(folder.path(), &["check"]).await;
    assert_eq!((ran.code, ran.stdout.ends_with("valid under their schema\n")), (Some(0), true), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn fmt_checks_before_it_writes() {
    let folder = copy();
    assert_eq!(policy(folder.path(), &["fmt", "--check"]).await.code, Some(0), "what is shipped is formatted");
    let file = folder.path().join("policies/public.cedar");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before.replace('\n', "\n\n")).unwrap();
    let ran = policy(folder.path(), &["fmt", "--check"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "policies/public.cedar\n"));
    assert!(ran.stderr.contains("`portcullis policy fmt` does"), "{}", ran.stderr);
    assert_eq!(policy(folder.path(), &["fmt"]).await.code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    std::fs::write(&file, "permit (").unwrap();
    assert_eq!(policy(folder.path(), &["fmt", "policies/public.cedar"]).await.code, Some(2));
}
