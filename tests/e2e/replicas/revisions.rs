//! One configuration for all: what is applied at one is done by the other, and by whichever starts again.

use std::collections::BTreeMap;

use portcullis_tests::program::Program;
use portcullis_tests::redis::Redis;
use portcullis_tests::site::Setup;
use portcullis_tests::within;
use serde_json::{Value, json};

use super::SOON;

async fn ask(program: &Program, method: &str, path: &str, body: &Value) -> Value {
    let operator = program.operator();
    let fields = [("authorization", operator.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = program.admin().await.send(method, path, &fields, body).await;
    assert!(answer.status.is_success(), "{method} {path}: {answer:#?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_is_applied_to_both_processes_and_outlives_kill_9() {
    let redis = Redis::durable().await;
    let setup = Setup::new().route("item", "GET /item", "read", "").section("[control]\nsource = \"store\"\n");
    let one = Program::lay(setup, Some(&format!("url = \"{}\"\ntimeout = \"5s\"", redis.url()))).await;
    let reader = {
        let claims = json!({ "iss": "https://idp.test", "aud": "https://app.test", "sub": "rita", "iat": 1_000_000_000,
            "exp": 4_000_000_000_u64, "groups": ["readers"] });
        format!("Bearer {}", one.ground.signer.sign(&claims))
    };
    let read = async |program: &Program| {
        let answer = program.client().await.get("/item", &[("authorization", &reader)]).await;
        answer.status.as_u16()
    };
    // Each on its machine, with ports of its own in a main file of the same name.
    let two = one.elsewhere();
    let _first = one.start().await;
    let second = two.start().await;
    assert_eq!((read(&one).await, read(&two).await), (200, 200));

    let shown = ask(&one, "GET", "/v1/config/revisions/1", &Value::Null).await;
    let mut files: BTreeMap<String, String> = serde_json::from_value(shown["files"].clone()).unwrap();
    let nobody = "@id(\"nobody\") forbid (principal, action, resource);\n";
    files.insert("policies/nobody.cedar".to_owned(), nobody.to_owned());
    ask(&one, "POST", "/v1/config/revisions", &json!({ "files": files })).await;
    assert_eq!(read(&one).await, 403, "at once where it was applied");
    let followed = async { while read(&two).await != 403 {} };
    assert!(tokio::time::timeout(SOON, followed).await.is_ok(), "longer than {SOON:?} at the other");

    let listed = within("both to say what they do", async {
        loop {
            let listed = ask(&one, "GET", "/v1/replicas", &Value::Null).await;
            if listed["agree"] == true && listed["items"].as_array().unwrap().iter().all(|one| one["revision"] == 2) {
                break listed;
            }
        }
    })
    .await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed:#}");

    second.signal("KILL").await;
    let killed = second.ended().await;
    assert_eq!(killed.code, None);
    let _third = two.start().await;
    assert_eq!(read(&two).await, 403, "what was applied last, not what stands in its files");
}
