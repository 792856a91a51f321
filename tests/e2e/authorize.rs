//! What do the policies decide, and what is said about it?

use portcullis_tests::site::{Setup, Site};
use serde_json::json;

async fn ask(site: &Site, path: &str, authorization: &str) -> (u16, String) {
    let answer = site.h1().await.get(path, &[("authorization", authorization)]).await;
    if answer.status == 200 { (200, String::new()) } else { answer.problem() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_fails_refuses_although_another_permits_and_is_counted() {
    let overflow = r#"@id("fails") forbid (principal is User, action, resource)
        when { principal has level && principal.level + 9223372036854775807 < 0 };"#;
    let site = Setup::new().policies(overflow).route("page", "GET /", "read", "").start().await;
    assert_eq!(ask(&site, "/", &site.reader()).await.0, 200, "nothing fails without the claim");
    let mut claims = site.claims("rita", &["readers"]);
    claims["level"] = 1.into();
    let authorization = format!("Bearer {}", site.signer.sign(&claims));
    assert_eq!(ask(&site, "/", &authorization).await, (403, "policy_error".to_owned()));
    assert_eq!(site.upstream.heads(), 1);
    assert!(site.metrics().await.contains("portcullis_policy_errors_total{route=\"page\"} 1"));
    let decisions = site.log("logs/decisions.jsonl").await;
    assert_eq!((&decisions[1]["outcome"], &decisions[1]["policies"]), (&json!("policy_error"), &json!(["fails"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_reads_the_public_reason_and_only_the_operator_the_other() {
    let policy = r#"@id("nights") @reason("fraud desk ticket 4711") @public_reason("Closed for maintenance.")
        forbid (principal, action in Action::"read", resource);"#;
    let site = Setup::new().policies(policy).route("page", "GET /", "read", "").start().await;
    let answer = site.h1().await.get("/", &[("authorization", &site.reader())]).await;
    assert_eq!(answer.problem(), (403, "forbidden".to_owned()));
    assert_eq!(answer.json()["detail"], "Closed for maintenance.");
    let said = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
    assert!(!said.contains("4711") && !said.contains("nights"), "{said}");
    let decisions = site.log("logs/decisions.jsonl").await;
    assert_eq!(decisions[0]["policy_reasons"], json!(["fraud desk ticket 4711"]));
    assert_eq!(decisions[0]["policies"], json!(["nights"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_may_speak_about_the_body() {
    let schema =
        r#"{ "type": "object", "required": ["quantity"], "properties": { "quantity": { "type": "integer" } } }"#;
    // The harness declares the action without a context, so this one stands beside it.
    let route = "[[routes]]\nname = \"order\"\nmatch = \"POST /order\"\nupstream = \"app\"\nauthenticate = [\"jwt\"]\nbody_schema = \"order.json\"\nauthorize_body = true\n";
    let site = Setup::new()
        .section(route)
        .schema("action \"order\" appliesTo { principal: [User], resource: [App], context: { body: { quantity: Long } } };")
        .policies(r#"@id("few") permit (principal, action == Action::"order", resource) when { context.body.quantity < 10 };"#)
        .file("config/order.json", schema)
        .route("page", "GET /", "read", "")
        .start()
        .await;
    let reader = site.reader();
    let mut client = site.h1().await;
    let authorization: &[(&str, &str)] = &[("authorization", &reader)];
    assert_eq!(client.post_json("/order", authorization, &json!({ "quantity": 10 })).await.problem().1, "forbidden");
    assert_eq!(
        client.post_json("/order", authorization, &json!({ "quantity": "9" })).await.problem().1,
        "schema_violation"
    );
    assert_eq!(site.upstream.heads(), 0);
    assert_eq!(client.post_json("/order", authorization, &json!({ "quantity": 9 })).await.status, 200);
    assert_eq!(site.upstream.only().json(), json!({ "quantity": 9 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_built_from_its_parts_however_odd_the_id() {
    let policy = r#"@id("one") permit (principal, action in Action::"things", resource == Thing::"a\" || true");"#;
    let route = "resource = 'Thing::\"{id}\"'\n";
    let site = Setup::new()
        .schema("action \"things\";")
        .policies(policy)
        .route("thing", "GET /things/{id}", "things", route)
        .start()
        .await;
    let reader = site.reader();
    for (id, status) in
        [("a", 403), ("a%22%20%7C%7C%20true", 200), ("Thing::%22a%22", 403), ("%7Bid%7D", 403), ("%C3%A4", 403)]
    {
        assert_eq!(ask(&site, &format!("/things/{id}"), &reader).await.0, status, "{id}");
    }
    let seen = site.upstream.only();
    assert_eq!(seen.target, "/things/a%22%20%7C%7C%20true");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_another_issuer_mean_nothing() {
    let site = Setup::new().route("page", "GET /", "read", "").start().await;
    for (groups, status) in [(&[][..], 403), (&["keys|readers"], 403), (&["Readers"], 403), (&["readers"], 200)] {
        assert_eq!(ask(&site, "/", &site.bearer("rita", groups)).await.0, status, "{groups:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_scope_is_challenged_for_it() {
    let site =
        Setup::new().route("page", "GET /", "read", "scopes = [\"orders:read\", \"orders:list\"]\n").start().await;
    let mut claims = site.claims("rita", &["readers"]);
    claims["scope"] = "orders:read".into();
    let authorization = format!("Bearer {}", site.signer.sign(&claims));
    let answer = site.h1().await.get("/", &[("authorization", &authorization)]).await;
    assert_eq!(answer.problem().0, 403);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("orders:list"), "{challenge}");
    claims["scope"] = "orders:list other orders:read".into();
    let authorization = format!("Bearer {}", site.signer.sign(&claims));
    assert_eq!(ask(&site, "/", &authorization).await.0, 200);
}
