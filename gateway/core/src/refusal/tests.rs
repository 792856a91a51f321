use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::{ADMIN_ONLY, Code, Fault, LoginFailure, Refusal};

/// The public table, as documentation. `PORTCULLIS_BLESS=1` writes it anew.
#[test]
fn the_documentation_is_the_table() {
    let mut text = String::from(
        "# Refusals\n\nEvery way to be turned away. `code` is the member of the problem document (RFC 9457), the label in \
         metrics and logs, and the last part of `type`, whose page the gateway itself serves.\n\n\
         | status | code | what it says | what to do |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let row = code.row();
        let _ = writeln!(text, "| {} | `{}` | {} | {} |", row.status, row.name, row.detail, row.remedy);
    }
    text.push_str("\n## Of the admin API alone\n\n| status | code | what it says | what to do |\n|---|---|---|---|\n");
    for row in ADMIN_ONLY {
        let _ = writeln!(text, "| {} | `{}` | {} | {} |", row.status, row.name, row.detail, row.remedy);
    }
    text.push_str(
        "\n## Failed logins\n\nA login that comes to nothing is one of these. Its page shows the code; scripts find it in the \
         member `login_failure`.\n\n| login_failure | status | what it says | what the operator checks | what helps \
         |\n|---|---|---|---|---|\n",
    );
    for failure in LoginFailure::ALL {
        let row = failure.row();
        let status = row.code.row().status;
        let _ = writeln!(text, "| `{}` | {status} | {} | {} | {} |", row.name, row.what, row.check, row.remedy);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/refusals.md");
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, text, "docs/refusals.md is stale: run the tests once with PORTCULLIS_BLESS=1");
}

#[test]
fn codes_have_names_of_their_own_and_stand_in_order() {
    let all = || Code::ALL.iter().map(|code| code.name()).chain(ADMIN_ONLY.iter().map(|row| row.name));
    let names: BTreeSet<&str> = all().collect();
    assert_eq!(names.len(), all().count());
    let statuses: Vec<u16> = Code::ALL.iter().map(|code| code.row().status).collect();
    assert!(statuses.is_sorted());
}

#[test]
fn failures_of_logins_have_names_of_their_own() {
    let names: BTreeSet<&str> = LoginFailure::ALL.iter().map(|failure| failure.name()).collect();
    assert_eq!(names.len(), LoginFailure::ALL.len());
    let refusal = LoginFailure::NonceMismatch.refusal("secret detail");
    let problem = serde_json::to_value(refusal.problem("d", "r")).unwrap();
    assert_eq!((&problem["code"], &problem["login_failure"]), (&"login_failed".into(), &"nonce_mismatch".into()));
    assert!(!problem.to_string().contains("secret"), "{problem}");
}

#[test]
fn the_caller_never_reads_what_the_operator_reads() {
    let refusal = Refusal::new(Code::Forbidden).because("forbidden by `secret-policy`");
    let problem = serde_json::to_string(&refusal.problem("d1", "r1")).unwrap();
    assert!(!problem.contains("secret-policy"), "{problem}");
}

#[test]
fn tells_at_most_ten_faults() {
    let fault =
        |n: usize| Fault { pointer: format!("/{n}"), keyword: "type".into(), message: "must be a string".into() };
    let refusal = Refusal::new(Code::SchemaViolation).errors((0..25).map(fault).collect());
    assert_eq!(refusal.problem("d", "r").errors.len(), 10);
}

#[test]
fn writes_the_problem_document() {
    let refusal = Refusal::new(Code::RateLimited).retry_after(Duration::from_secs(3)).detail("Slow down.");
    let problem = serde_json::to_value(refusal.problem("0af7651916cd43dd8448eb211c80319c", "req-1")).unwrap();
    let expected = serde_json::json!({
        "type": "/_portcullis/refusals/rate_limited",
        "title": "Too many requests",
        "status": 429,
        "detail": "Slow down.",
        "instance": "0af7651916cd43dd8448eb211c80319c",
        "code": "rate_limited",
        "request_id": "req-1",
    });
    assert_eq!(problem, expected);
}

/// Whatever is refused, and whatever the names of a request are.
#[test]
fn writes_every_document_as_serde_does() {
    let fault = Fault { pointer: "/a\"b".into(), keyword: "type".into(), message: "must be a string".into() };
    let plain = Code::ALL.iter().map(|code| Refusal::new(*code));
    let told = Code::ALL.iter().map(|code| Refusal::new(*code).detail("It says \"no\"\n — and why."));
    let more =
        [Refusal::new(Code::SchemaViolation).errors(vec![fault]), LoginFailure::NonceMismatch.refusal("secret detail")];
    for refusal in plain.chain(told).chain(more) {
        for (base, request_id) in [("", "r1"), ("https://app.test", "r\"1"), ("https://app.test", "r\\\u{1}")] {
            for login_url in [None, Some("https://app.test/login?\"".to_owned())] {
                let mut problem = refusal.problem("d1", request_id);
                problem.kind = format!("{base}{}", problem.kind);
                problem.login_url.clone_from(&login_url);
                let expected = serde_json::to_string(&problem).unwrap();
                let document = refusal.document(base, "d1", request_id, login_url);
                assert_eq!(String::from_utf8(document).unwrap(), expected);
            }
        }
    }
}
