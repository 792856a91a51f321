//! Is a snapshot a pure function of the files?

use std::path::Path;

use portcullis_core::snapshot::compile;

use crate::ground::Files;

const ROUTES: &str = r#"
[[routes]]
name = "list"
match = "GET /orders"
upstream = "app"
authenticate = ["jwt"]
body_schema = "order.json"
"#;
const ACTIONS: &str = "action \"list\" appliesTo { principal: [User], resource: [App] };";
const POLICIES: &str = "permit (principal, action, resource);";

fn files() -> Files {
    let routes = ROUTES.replace("GET", "POST");
    Files::new(&routes, POLICIES, ACTIONS)
}

/// The faults as `file:line: message`.
fn faults(files: &Files) -> Vec<String> {
    let errors = compile(Path::new("config/portcullis.toml"), files).err().unwrap_or_default();
    errors.iter().map(|error| format!("{}:{}: {}", error.file.display(), error.line, error.message)).collect()
}

fn changed(path: &str, change: impl FnOnce(&str) -> String) -> Files {
    let mut files = files();
    let text = files.0.get_mut(Path::new(path)).unwrap();
    *text = change(text);
    files
}

#[test]
fn refuses_files_that_do_not_fit_together_and_names_the_place() {
    let line = |needle: &str| {
        let text = &files().0[Path::new("config/portcullis.toml")];
        text.lines().position(|line| line.contains(needle)).unwrap() + 1
    };
    let config = |change: &dyn Fn(&str) -> String| faults(&changed("config/portcullis.toml", change));
    let check = |found: Vec<String>, place: String, words: &str| {
        assert!(
            found.iter().any(|fault| fault.starts_with(&place) && fault.contains(words)),
            "{place} {words}: {found:?}"
        );
    };
    let at = |needle: &str| format!("config/portcullis.toml:{}:", line(needle));
    check(config(&|text| text.replace("upstream = \"app\"", "upstream = \"ap\"")), at("upstream = "), "`ap`");
    check(config(&|text| text.replace("name = \"list\"", "name = \"lst\"")), at("name = "), "`lst`");
    check(config(&|text| text.replace("[\"jwt\"]", "[\"api_key\"]")), at("authenticate"), "`ApiKey`");
    check(config(&|text| format!("{text}scopes = [\"a b\"]\n")), "config/portcullis.toml:20:".into(), "`a b`");
    check(config(&|text| format!("{text}resource = 'Ordr::\"1\"'\n")), "config/portcullis.toml:".into(), "`Ordr`");

    let schema = |text: &str| faults(&changed("policies/schema.cedarschema", |_| text.to_owned()));
    check(schema("entity"), "policies/schema.cedarschema:1:".into(), "");
    check(faults(&changed("policies/a.cedar", |_| "permit (principal".into())), "policies/a.cedar:1:".into(), "");
    let misspelt = "permit (principal, action == Action::\"lost\", resource);";
    check(faults(&changed("policies/a.cedar", |_| misspelt.into())), "policies/a.cedar:1:".into(), "lost");
    check(faults(&changed("config/order.json", |_| "{".into())), "config/order.json:".into(), "");
    check(
        faults(&changed("config/order.json", |_| "{\"type\":\"objekt\"}".into())),
        "config/order.json:".into(),
        "type",
    );
}

#[test]
fn what_a_variable_stands_for_is_not_in_the_faults_of_any_stage() {
    let found = faults(&changed("config/portcullis.toml", |text| text.replace("file:jwks.json", "${SECRET}")));
    assert!(!found.is_empty() && found.iter().all(|fault| !fault.contains("hunter2")), "{found:?}");
}

#[test]
fn never_serves_without_policies() {
    let mut nothing = files();
    nothing.0.retain(|path, _| !path.starts_with("policies"));
    assert!(faults(&nothing).iter().any(|fault| fault.starts_with("policies/schema.cedarschema:0:")));
}

#[test]
fn tells_the_faults_of_all_files_at_once() {
    let mut broken = changed("policies/a.cedar", |_| "permit (".into());
    *broken.0.get_mut(Path::new("policies/schema.cedarschema")).unwrap() = "entity".into();
    let found = faults(&broken);
    assert!(found.iter().any(|fault| fault.starts_with("policies/a.cedar")), "{found:?}");
    assert!(found.iter().any(|fault| fault.starts_with("policies/schema")), "{found:?}");
}

#[test]
fn the_version_changes_with_every_file_that_is_read_and_with_nothing_else() {
    let version = |files: &Files| files.compile().version.to_string();
    let usual = version(&files());
    assert_eq!((usual.len(), version(&files())), (16, usual.clone()));
    let mut beside = files();
    beside.0.insert("config/other.toml".into(), "x".into());
    beside.0.insert("policies/readme.md".into(), "x".into());
    assert_eq!(version(&beside), usual);
    for (path, end) in [
        ("config/portcullis.toml", "\n# x"),
        ("config/order.json", "\n"),
        ("policies/a.cedar", "\n// x"),
        ("policies/schema.cedarschema", "\n// x"),
    ] {
        assert_ne!(version(&changed(path, |text| format!("{text}{end}"))), usual, "{path}");
    }
    let mut more = files();
    more.0.insert("policies/b.cedar".into(), String::new());
    assert_ne!(version(&more), usual);
}

#[test]
fn watches_the_folders_of_all_its_files() {
    let folders = files().compile().folders();
    for folder in ["config", "policies"] {
        assert!(folders.iter().any(|found| found.as_path() == Path::new(folder)), "{folder} {folders:?}");
    }
}
