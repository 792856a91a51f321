//! The policies this repository ships.

use std::path::{Path, PathBuf};

use super::*;
use crate::gather::Known;

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

pub(super) fn sources(folder: &Path, extension: &str) -> Vec<Source> {
    let mut sources: Vec<Source> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| source(path.file_name().unwrap().to_str().unwrap(), &std::fs::read_to_string(&path).unwrap()))
        .collect();
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}

fn shipped() -> Policies {
    let schema = sources(&folder(), "cedarschema").pop().unwrap();
    // Those about administrators have a schema of their own.
    let files: Vec<Source> =
        sources(&folder(), "cedar").into_iter().filter(|source| source.file != "admin.cedar").collect();
    Policies::compile(&schema, &files).unwrap()
}

#[test]
fn passes_its_own_cases_and_leaves_no_policy_untouched() {
    let report = shipped().run_cases(&sources(&folder().join("tests"), "json")).unwrap();
    let failed: Vec<&Outcome> = report.outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).collect();
    assert!(report.passed(), "{failed:#?}");
    assert!(report.outcomes.len() > 60);
    assert_eq!(report.untouched, Vec::<Arc<str>>::new());
    assert_eq!(shipped().warnings(), []);
}

/// Name, resource, groups and callers of each route of the shipped configuration.
const ROUTES: [(&str, &str, &[&str], &[Caller]); 11] = [
    ("home", "App::\"demo\"", &[], &[Caller::Anonymous]),
    ("health", "App::\"demo\"", &[], &[Caller::Anonymous]),
    ("listOrders", "App::\"demo\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
    ("getOrder", "Order::\"{id}\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
    ("createOrder", "Order::\"new\"", &["write"], &[Caller::Jwt, Caller::ApiKey]),
    ("deleteOrder", "Order::\"{id}\"", &["write"], &[Caller::Jwt, Caller::ApiKey]),
    ("echo", "App::\"demo\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
    ("limited", "App::\"demo\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
    ("slow", "App::\"demo\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
    ("events", "App::\"demo\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
    ("ws", "App::\"demo\"", &["read"], &[Caller::Jwt, Caller::ApiKey]),
];

/// Whether `who` may take the route `name`, by way of the route's own slice of the policies.
fn may(
    policies: &Policies,
    (name, template, groups, callers): (&str, &str, &[&str], &[Caller]),
    who: &Identity,
) -> bool {
    let gather = Gather::compile(template, &["id"]).unwrap();
    let facts = RouteFacts {
        name,
        action_groups: groups,
        params: &["id"],
        query: &[],
        callers,
        resource: &gather,
        body: BodyUse::Unseen,
    };
    let authorize = policies.route(&facts).unwrap();
    assert_eq!(authorize.warnings(), <[String; 0]>::default(), "{name}");
    let ask = Ask::default();
    let resource = gather.resource(&ask.params).unwrap();
    // The order to be deleted is the caller's own.
    let owner = match (name, who.principal.kind()) {
        ("deleteOrder", "User") => Some("owner"),
        ("deleteOrder", "ApiKey") => Some("owner_key"),
        _ => None,
    };
    let attributes = owner.map(|owner| (owner.to_owned(), who.principal.to_string().into())).into_iter().collect();
    let resource = authorize.thing(&resource, &Known { attributes, parents: Vec::new() }).unwrap();
    match authorize.authorize(&ask.question(), who, resource) {
        Ok(_) => true,
        Err(denied) => {
            assert_eq!(denied.refusal.code, Code::Forbidden, "{denied:?}");
            false
        }
    }
}

#[test]
fn gives_each_caller_exactly_its_routes() {
    const PUBLIC: [&str; 2] = ["home", "health"];
    const WRITE: [&str; 2] = ["createOrder", "deleteOrder"];
    let policies = shipped();
    let key = |role: &str| Identity {
        principal: Principal::ApiKey("k1".into()),
        method: AuthMethod::ApiKey,
        attributes: Map::new(),
        ..user("", &[role], json!({}))
    };
    for route in ROUTES {
        let name = route.0;
        let (public, write) = (PUBLIC.contains(&name), WRITE.contains(&name));
        let reader = !public && !write;
        for (who, expected) in [
            (Identity::anonymous(), public),
            (user("alice", &["demo|writers"], json!({})), !public),
            (user("bob", &["demo|readers"], json!({})), reader),
            (user("carol", &[], json!({})), false),
            (user("alice", &["demo|writers"], json!({ "suspended": true })), false),
            (key("keys|readers"), reader),
            (key("keys|writers"), !public),
        ] {
            assert_eq!(may(&policies, route, &who), expected, "{name} by {}", who.principal);
        }
    }
}

#[test]
fn says_why_cases_fail() {
    let cases = r#"[
        {"name": "wrong", "request": {"principal": "Anonymous::\"anonymous\"", "action": "Action::\"home\"", "resource": "App::\"demo\"", "context": {}},
         "entities": [], "decision": "deny", "reason": ["x"], "num_errors": 1},
        {"request": {"principal": "alice", "action": "Action::\"home\"", "resource": "App::\"demo\"", "context": {}},
         "entities": [], "decision": "deny", "reason": [], "num_errors": 0},
        {"request": {"principal": "User::\"a\"", "action": "Action::\"home\"", "resource": "App::\"demo\"", "context": {}},
         "entities": [], "decision": "deny", "reason": [], "num_errors": 0}
    ]"#;
    let report = shipped().run_cases(&[source("a.json", cases)]).unwrap();
    let told: Vec<(&str, Vec<&str>)> = report
        .outcomes
        .iter()
        .map(|outcome| (outcome.name.as_str(), outcome.failures.iter().map(String::as_str).collect()))
        .collect();
    insta::assert_debug_snapshot!(told, @r##"
        [
            (
                "wrong",
                [
                    "expected `deny`, the policies say `allow`",
                    "expected it determined by `x`, it is by `anybody-sees-public-pages`",
                    "expected 1 evaluation errors, there are 0",
                ],
            ),
            (
                "#2",
                [
                    "`principal`: `alice` is not an entity such as `User::\"demo|alice\"`",
                ],
            ),
            (
                "#3",
                [
                    "the request does not fit the schema: principal type `User` is not valid for `Action::\"home\"`",
                ],
            ),
        ]
        "##);
    assert_eq!(report.untouched.len(), 4);
    let faults = shipped().run_cases(&[source("a.json", "[{\"nam\": 1}]")]).unwrap_err();
    insta::assert_snapshot!(faults[0].message, @r#"
        not a list of cases: unknown field `nam`, expected one of `name`, `request`, `entities`, `decision`, `reason`, `num_errors`
        "#);
}
