//! Is every failure of the closed list told by name, with what to check and what helps?

use std::path::Path;

use portcullis_core::refusal::LoginFailure;
use portcullis_tests::jar::Browser;
use portcullis_tests::{binary, within};
use serde_json::{Value, json};

use super::{idp_with, setup};

/// Everything below a folder of the project, as one text.
fn all(folder: &str) -> String {
    let mut text = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

#[test]
fn each_failure_is_shown_by_a_test_and_explained_in_the_documentation() {
    let tests = all("e2e");
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/refusals.md")).unwrap();
    for failure in LoginFailure::ALL {
        let row = failure.row();
        let status = row.code.status().as_u16();
        // At a login the page of a browser shows it; a renewal tells it to the operator alone.
        let shown = tests.contains(&format!("\"{status} {}\"", row.name));
        let logged = *failure == LoginFailure::SubjectMismatch && tests.contains("says(\"subject_mismatch\")");
        assert!(shown || logged, "no test shows `{}`", row.name);
        for text in [row.name, row.check, row.remedy] {
            assert!(docs.contains(text), "`{}` in docs/refusals.md: {text}", row.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_speaks_of_somebody_else_is_told_to_the_operator() {
    let idp = idp_with(&[("IDP_ACCESS_TTL", "2")]).await;
    let ground = setup(&idp, "").lay().await;
    let mut gateway = binary::spawn_with(ground.folder.path(), &["run"], &[]);
    let ready: Value = serde_json::from_str(&gateway.says("\"ready\"").await).unwrap();
    let address = ready["https"].as_str().unwrap().trim_start_matches("Some(").trim_end_matches(')');
    let mut browser = Browser::at(address.parse().unwrap(), ground.authority.pem());
    assert_eq!(browser.follow("https://app.test/page", "alice").await.answer.status, 200);
    idp.tamper(json!({ "path": "/token", "token": "id_token", "claims": { "sub": "somebody-else" } })).await;
    // So many requests may meet a limit before.
    let over = async { while browser.fetch("GET", "https://app.test/page").await.status != 401 {} };
    within("the end of the session", over).await;
    gateway.says("subject_mismatch").await;
    gateway.signal("TERM").await;
    gateway.ended().await;
}
