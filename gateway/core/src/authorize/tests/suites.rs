//! Cases that bring their own policies along, as Cedar's integration tests do.

use super::*;

const POLICIES: &str = "permit (principal == User::\"a\", action, resource);
    forbid (principal, action, resource) when { principal.age < 18 };";
const SCHEMA: &str =
    "entity User { age: Long }; entity File; action view appliesTo { principal: User, resource: File };";
const ENTITIES: &str = r#"[{"uid": {"type": "User", "id": "a"}, "attrs": {"age": 20}, "parents": []},
    {"uid": {"type": "User", "id": "b"}, "attrs": {"age": 2}, "parents": []}, {"uid": {"type": "File", "id": "f"}, "attrs": {}, "parents": []}]"#;

fn run(requests: Value, valid: bool) -> Result<Report, Vec<PolicyFault>> {
    let case =
        json!({ "schema": "s", "policies": "p", "entities": "e", "shouldValidate": valid, "requests": requests });
    let read = |named: &str| {
        let text = match named {
            "s" => SCHEMA,
            "p" => POLICIES,
            "e" => ENTITIES,
            _ => return None,
        };
        Some(text.to_owned())
    };
    run_whole(&source("case.json", &case.to_string()), &read).unwrap()
}

fn request(who: &str, decision: &str, reason: &[&str]) -> Value {
    json!({ "description": who, "principal": { "type": "User", "id": who }, "action": { "type": "Action", "id": "view" },
        "resource": { "type": "File", "id": "f" }, "context": {}, "decision": decision, "reason": reason, "errors": [] })
}

#[test]
fn runs_the_format_of_cedars_integration_tests() {
    let requests = json!([request("a", "allow", &["policy0"]), request("b", "deny", &["policy1"])]);
    let report = run(requests, true).unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!((report.outcomes.len(), report.untouched.len()), (3, 0));
}

#[test]
fn says_what_such_a_case_expected_and_what_nobody_touched() {
    let report = run(json!([request("a", "deny", &[])]), false).unwrap();
    let failures: Vec<&str> = report.outcomes.iter().flat_map(|o| &o.failures).map(String::as_str).collect();
    assert_eq!(
        failures,
        [
            "expected invalid policies, they are valid",
            "expected `deny`, the policies say `allow`",
            "expected it determined by no policy, it is by `policy0`",
        ]
    );
    assert_eq!(report.untouched, ["case.json: policy1".into()]);
}

#[test]
fn other_files_are_no_such_cases() {
    for text in ["[]", "{}", "not json", "{\"policies\": \"p\"}"] {
        assert!(run_whole(&source("a.json", text), &|_| None).is_none(), "{text}");
    }
    let fault = run_whole(&source("a.json", r#"{"policies": "p", "schema": "s"}"#), &|_| None).unwrap().unwrap_err();
    assert!(fault[0].message.contains("missing field `entities`"), "{fault:?}");
    let lost =
        run_whole(&source("a.json", r#"{"policies": "p", "schema": "s", "entities": "e", "requests": []}"#), &|_| None);
    assert_eq!(lost.unwrap().unwrap_err()[0].message, "`s` cannot be read");
}
