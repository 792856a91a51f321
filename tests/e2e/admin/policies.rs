//! What the policies say, as operators ask them.

use portcullis_tests::client::Client;
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

use crate::api_keys::{make, operator};

async fn start() -> Site {
    let policies = r#"@id("no-suspended") @reason("suspended") @public_reason("You are suspended.")
                      forbid (principal is User, action, resource) when {
                        principal has suspended && principal.suspended ||
                        principal has level && principal.level * 9223372036854775807 < 0 };"#;
    Setup::new()
        .route("item", "GET /items/{id}", "read", r#"resource = "Thing::\"{id}\"""#)
        .route("change", "PUT /items/{id}", "write", "")
        .policies(policies)
        .start()
        .await
}

async fn evaluate(site: &Site, question: &Value) -> Value {
    let auth: &[(&str, &str)] = &[("authorization", &operator(site))];
    let answer = site.admin().await.post_json("/v1/policies/evaluate", auth, question).await;
    assert_eq!(answer.status, 200, "{question}: {answer:#?}");
    answer.json()
}

/// Decision, who determined it, and who failed.
fn gist(answer: &Value) -> (&str, Vec<&str>, Vec<&str>) {
    let determining = answer["determining"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let errors = answer["errors"].as_array().unwrap().iter().filter_map(|error| error["policy"].as_str()).collect();
    (answer["decision"].as_str().unwrap(), determining, errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_described_request_is_decided_as_a_real_one_would_be() {
    let site = start().await;
    let user = |groups: Value, suspended: Value| {
        json!({ "principal": "User::\"test|ann\"", "groups": groups, "attributes": suspended,
                "request": { "method": "GET", "target": "/items/17?x=1" } })
    };
    let fine = json!({ "suspended": false });
    let answer = evaluate(&site, &user(json!(["test|readers"]), fine.clone())).await;
    assert_eq!(gist(&answer), ("allow", vec!["read"], vec![]), "{answer:#}");
    assert_eq!(
        (&answer["principal"], &answer["action"], &answer["resource"]),
        (&json!("User::\"test|ann\""), &json!("item"), &json!("Thing::\"17\""))
    );
    let answer = evaluate(&site, &user(json!([]), fine)).await;
    assert_eq!(gist(&answer), ("deny", vec![], vec![]));
    let answer = evaluate(&site, &user(json!(["test|readers"]), json!({ "suspended": true }))).await;
    assert_eq!(gist(&answer), ("deny", vec!["no-suspended"], vec![]));
    assert_eq!(answer["explanation"]["policies"][1]["reason"], "suspended", "{answer:#}");
    // A `forbid` that fails refuses, and is named.
    let answer = evaluate(&site, &user(json!(["test|readers"]), json!({ "level": 2 }))).await;
    assert_eq!(gist(&answer), ("policy_error", vec!["no-suspended"], vec!["no-suspended"]), "{answer:#}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("overflow"));
    let key = json!({ "principal": "ApiKey::\"k1\"", "groups": ["keys|writers"], "action": "change",
                      "resource": "App::\"app\"" });
    assert_eq!(gist(&evaluate(&site, &key).await), ("allow", vec!["write"], vec![]));
    let now = site.gateway.now().seconds();
    let claims = json!({ "claims": { "iss": "https://idp.test", "sub": "ann", "exp": now, "groups": ["writers"],
                         "suspended": false }, "action": "change" });
    let answer = evaluate(&site, &claims).await;
    assert_eq!((gist(&answer).0, &answer["principal"]), ("allow", &json!("User::\"test|ann\"")), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_policies_are_asked_in_the_place_of_those_in_force_and_change_nothing() {
    let site = start().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let question = |policies: Value| {
        json!({ "principal": "ApiKey::\"k1\"", "groups": ["keys|readers"], "policies": policies,
                "request": { "method": "GET", "target": "/items/17" } })
    };
    let closed = json!({ "a.cedar": "@id(\"all\") permit (principal, action, resource);",
                         "b.cedar": "@id(\"closed\") forbid (principal, action, resource == Thing::\"17\");" });
    assert_eq!(gist(&evaluate(&site, &question(closed)).await), ("deny", vec!["closed"], vec![]));
    let mut others =
        question(json!({ "a.cedar": "permit (principal, action, resource) when { principal.level > 3 };" }));
    others["schema"] = json!(
        "entity ApiKey { level: Long }; entity Thing;
        action \"item\" appliesTo { principal: [ApiKey], resource: [Thing], context: {} };"
    );
    others["attributes"] = json!({ "level": 4 });
    others["groups"] = json!([]);
    assert_eq!(gist(&evaluate(&site, &others).await), ("allow", vec!["a.cedar#1"], vec![]));

    let mut admin = site.admin().await;
    for (policies, line, says) in [
        ("permit (principal, action, resource)", Some(1), "unexpected end of input"),
        ("\n\npermit (principal, action == Action::\"itm\", resource);", Some(3), "unrecognized action"),
        ("permit (principal == ?principal, action, resource);", Some(1), "a policy template"),
        ("", None, "there is no policy"),
    ] {
        let answer = admin.post_json("/v1/policies/evaluate", auth, &question(json!({ "a.cedar": policies }))).await;
        assert_eq!(answer.problem(), (422, "policies_refused".to_owned()), "{policies}");
        let told = answer.json()["errors"][0].clone();
        assert!(told["message"].as_str().unwrap().contains(says), "{policies}: {told}");
        assert_eq!(told["line"].as_u64(), line, "{policies}: {told}");
    }
    // Nothing of all this came into force, or into the log.
    assert_eq!(site.h1().await.get("/items/17", &[("authorization", &site.reader())]).await.status, 200);
    assert_eq!(site.gateway.store().audit(0, 100).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_none_is_told_what_it_lacks() {
    let site = start().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut admin = site.admin().await;
    let get = json!({ "method": "GET", "target": "/items/1" });
    for (question, says) in [
        (json!({}), "either `action` or `request`"),
        (json!({ "action": "item", "request": get }), "either `action` or `request`"),
        (json!({ "action": "itm" }), "no route is named `itm`"),
        (json!({ "action": "item" }), "its resource depends on the path"),
        (json!({ "action": "item", "resource": "Thing" }), "is not an entity"),
        (json!({ "request": { "method": "GET", "target": "/nowhere" } }), "404 route_not_found"),
        (json!({ "request": { "method": "GET", "target": "/items/%zz" } }), "`/items/%zz`"),
        (json!({ "request": get, "principal": "Nobody" }), "is no principal"),
        (json!({ "request": get, "principal": "User::\"test|a\"", "claims": {} }), "say who asks once"),
        (json!({ "request": get, "claims": { "iss": "https://evil.test", "sub": "a" } }), "no `[tokens.…]`"),
        (json!({ "request": get, "attributes": { "level": "high" }, "principal": "User::\"test|a\"" }), "level"),
        (json!({ "request": get, "schema": "entity X;" }), "there are no `policies`"),
        (json!({ "request": get, "policy": "x" }), "unknown field"),
    ] {
        let answer = admin.post_json("/v1/policies/evaluate", auth, &question).await;
        assert_eq!(answer.problem(), (422, "schema_violation".to_owned()), "{question}");
        assert!(answer.json()["errors"].to_string().contains(says), "{question}: {}", answer.json()["errors"]);
    }
    let answer = admin.post_json("/v1/policies/evaluate?dry_run=true", auth, &json!({})).await;
    assert_eq!(answer.problem(), (400, "invalid_parameter".to_owned()), "there is nothing to rehearse");
}

/// What is deep is refused by its depth, and never by a crash.
#[tokio::test(flavor = "multi_thread")]
async fn policies_that_would_take_the_stack_are_refused() {
    let site = start().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let deep =
        format!("permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(50_000), ")".repeat(50_000));
    let many = "permit (principal, action, resource);".repeat(1_000);
    let mut admin = site.admin().await;
    for (policies, status) in [(deep, 422), (many, 200)] {
        let question = json!({ "principal": "User::\"a\"", "action": "change", "resource": "App::\"app\"", "policies": { "a.cedar": policies } });
        assert_eq!(admin.post_json("/v1/policies/evaluate", auth, &question).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_in_force_are_listed_as_they_were_written() {
    let site = start().await;
    let mut admin: Client = site.admin().await;
    let viewer = make(&site, &json!({ "name": "v", "roles": ["portcullis:viewer"] })).await;
    let auth: &[(&str, &str)] = &[("x-api-key", viewer["secret"].as_str().unwrap())];
    let listed = admin.get("/v1/policies", auth).await.json();
    let ids: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|policy| &policy["id"]).collect();
    assert_eq!(ids, ["read", "write", "no-suspended"], "{listed:#}");
    let last = &listed["items"][2];
    assert_eq!((&last["effect"], &last["public_reason"]), (&json!("forbid"), &json!("You are suspended.")));
    assert!(last["text"].as_str().unwrap().contains("principal.suspended"), "{last}");
    assert!(listed["schema"].as_str().unwrap().contains("entity User"));
    assert_eq!(listed["version"].as_str(), Some(&*site.gateway.version()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_asks_the_gateway_that_runs() {
    let site = start().await;
    site.name_admin();
    // The files are at fault; what is in force is not.
    site.files.write("policies/test.cedar", "permit (");
    let ask = async |arguments: &[&str]| site.command(arguments).await;
    let question = ["--principal", "ApiKey::\"k\"", "--group", "keys|readers", "GET", "/items/1"];
    let ran = ask(&[&["policy", "explain", "--live"], &question[..]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.starts_with("ApiKey::\"k\" asks for item on Thing::\"1\"\n"), "{ran:#?}");
    assert_eq!(ask(&[&["policy", "explain"], &question[..]].concat()).await.code, Some(2));
    let ran =
        ask(&["policy", "explain", "--live", "--principal", "ApiKey::\"k\"", "GET", "/items/1", "--format", "json"])
            .await;
    assert_eq!((ran.code, &ran.json()["decision"]), (Some(1), &json!("deny")), "{ran:#?}");
    let ran = ask(&["policy", "list"]).await;
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 3), "{ran:#?}");
    assert!(ran.stdout.starts_with("permit  read  "), "{ran:#?}");
}
