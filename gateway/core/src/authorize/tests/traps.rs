//! Where Cedar alone would allow, or fail without saying so.

use super::*;

fn refused(schema: &str, policies: &str, ask: &Ask, who: &Identity, code: Code, reason: &str) {
    assert_eq!(told(decide(schema, policies, ask, who)), (code, reason.to_owned()));
}

fn alice(claims: Value) -> Identity {
    user("alice", &["demo|writers"], claims)
}

#[test]
fn refuses_when_a_forbid_cannot_be_evaluated() {
    let policies = format!(
        "{PERMIT} @id(\"overflow\") @reason(\"why\") forbid (principal is User, action, resource)
         when {{ principal.level + 9223372036854775807 > 0 }};"
    );
    let denied =
        decide(&schema("level: Long", ""), &policies, &Ask::default(), &alice(json!({ "level": 1 }))).unwrap_err();
    assert_eq!(denied.refusal.code, Code::PolicyError);
    assert_eq!(denied.policies, ["overflow".into()]);
    assert_eq!(denied.reasons, ["why".into()]);
    assert!(denied.refusal.reason.contains("overflow"), "{}", denied.refusal.reason);
    assert_eq!(denied.refusal.detail, "", "the caller learns nothing of the policies");
}

#[test]
fn refuses_a_policy_that_may_miss_its_attribute_at_load() {
    let faults = compile(
        &schema("suspended?: Bool", ""),
        "permit (principal, action, resource); forbid (principal is User, action, resource) when { principal.suspended };",
    )
    .unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].message.contains("optional attribute"), "{}", faults[0].message);
}

#[test]
fn refuses_when_a_forbid_asks_an_entity_nobody_knows() {
    let schema = "entity Group { frozen: Bool }; entity User in [Group]; entity Client; entity Order;
        action \"getOrder\" appliesTo { principal: [User, Client], resource: [Order] };";
    let policies = format!("{PERMIT} forbid (principal, action, resource) when {{ Group::\"demo|writers\".frozen }};");
    assert_eq!(told(decide(schema, &policies, &Ask::default(), &alice(json!({})))).0, Code::PolicyError);
}

#[test]
fn has_the_resource_in_the_store() {
    let policies =
        format!("{PERMIT} forbid (principal, action, resource) when {{ resource has secret && resource.secret }};");
    assert!(decide(&schema("", ""), &policies, &Ask::default(), &alice(json!({}))).is_ok());
}

#[test]
fn refuses_a_claim_of_another_type() {
    let schema = schema("level: Long", "");
    let policies = format!("{PERMIT} forbid (principal is User, action, resource) when {{ principal.level < 3 }};");
    for (value, found) in [
        (json!("2"), "a string"),
        (json!(null), "null"),
        (json!(2.5), "a number with a fraction"),
        (json!(9_223_372_036_854_775_808_u64), "a whole number beyond 64 bits"),
    ] {
        let reason = format!(
            "attribute `level` does not fit: the schema wants `Long`, this is {found} (of User::\"demo|alice\")"
        );
        refused(&schema, &policies, &Ask::default(), &alice(json!({ "level": value })), Code::PolicyError, &reason);
    }
    let reason = "attribute `level` does not fit: the schema wants `Long`, this is missing (of User::\"demo|alice\")";
    refused(&schema, &policies, &Ask::default(), &alice(json!({})), Code::PolicyError, reason);
}

#[test]
fn refuses_an_address_with_a_port() {
    let schema = schema("home: ipaddr", "");
    let policies = format!(
        "{PERMIT} forbid (principal is User, action, resource) when {{ !principal.home.isInRange(ip(\"10.0.0.0/8\")) }};"
    );
    let reason =
        "attribute `home` does not fit: the schema wants `ipaddr`, this is not an address (of User::\"demo|alice\")";
    let who = alice(json!({ "home": "10.0.0.1:80" }));
    refused(&schema, &policies, &Ask::default(), &who, Code::PolicyError, reason);
}

#[test]
fn never_lets_a_value_become_an_entity() {
    let escape = json!({ "__entity": { "type": "User", "id": "demo|admin" } });
    let reason =
        "attribute `boss` does not fit: the schema wants `String`, this is an object (of User::\"demo|alice\")";
    let who = alice(json!({ "boss": escape }));
    refused(&schema("boss: String", ""), PERMIT, &Ask::default(), &who, Code::PolicyError, reason);

    let faults = compile(&schema("boss: User", ""), PERMIT).unwrap_err();
    assert_eq!(faults[0].message, "attribute `boss` of `User` is an entity, which no claim can be");

    // As a record it stays a record, and the member the schema does not name is left out.
    let ask = Ask { body: Some(json!({ "boss": escape })), ..Ask::default() };
    let policies = "permit (principal, action == Action::\"getOrder\", resource) when { context.body.boss has name };";
    let schema = schema("", "body: { boss: { name?: String } }");
    let reason = "no policy permits User::\"demo|alice\" to Action::\"getOrder\"";
    refused(&schema, policies, &ask, &alice(json!({})), Code::Forbidden, reason);
}

#[test]
fn matches_actions_by_their_group() {
    let policies = format!(
        "{PERMIT} @id(\"frozen\") @reason(\"audit week\") @public_reason(\"Read only this week.\")
         forbid (principal, action in Action::\"read\", resource);"
    );
    let denied = decide(&schema("", ""), &policies, &Ask::default(), &alice(json!({}))).unwrap_err();
    let expected = Denied {
        refusal: Refusal::new(Code::Forbidden)
            .because("forbidden by `frozen` (audit week)")
            .detail("Read only this week."),
        policies: vec!["frozen".into()],
        reasons: vec!["audit week".into()],
    };
    assert_eq!(denied, expected);
}

#[test]
fn refuses_a_body_that_does_not_fit() {
    let schema = schema("", "body: { total: Long }");
    for (body, found) in [(json!({ "total": 2.5 }), "a number with a fraction"), (json!({}), "missing")] {
        let reason = format!("context attribute `body.total` does not fit: the schema wants `Long`, this is {found}");
        let ask = Ask { body: Some(body), ..Ask::default() };
        refused(&schema, PERMIT, &ask, &alice(json!({})), Code::PolicyError, &reason);
    }
    let reason = "context attribute `body` does not fit: the schema wants `{…}`, this is missing";
    refused(&schema, PERMIT, &Ask::default(), &alice(json!({})), Code::PolicyError, reason);
}

#[test]
fn refuses_a_kind_of_caller_the_action_is_not_for() {
    let who = Identity { principal: Principal::ApiKey("k1".into()), ..alice(json!({})) };
    let reason = "action Action::\"getOrder\" is not for principals of type `ApiKey`";
    refused(&schema("", ""), PERMIT, &Ask::default(), &who, Code::Forbidden, reason);
}

#[test]
fn trusts_no_email_but_a_verified_one() {
    let schema = schema("email?: String", "");
    let policies = "permit (principal is User, action, resource) when { principal has email && principal.email == \"boss@demo\" };";
    let claimed = alice(json!({ "email": "boss@demo" }));
    assert!(decide(&schema, policies, &Ask::default(), &claimed).is_err());
    let verified = Identity { email: Some("boss@demo".into()), ..alice(json!({})) };
    assert!(decide(&schema, policies, &Ask::default(), &verified).is_ok());
}

#[test]
fn lets_a_caller_ask_for_its_own_entity() {
    let schema = "entity Group; entity Client; entity User in [Group] { level?: Long };
        action \"getOrder\" appliesTo { principal: [User, Client], resource: [User] };";
    let policies = "permit (principal is User, action, resource)
        when { principal == resource && principal has level && principal.level == 1 };";
    let gather = Gather::compile("User::\"demo|{id}\"", &["id"]).unwrap();
    let authorize = compile(schema, policies).unwrap().route(&facts(&gather)).unwrap();
    let ask = Ask { params: vec![("id", "alice".into())], ..Ask::default() };
    let resource = gather.resource(&ask.params).unwrap();
    assert!(authorize.authorize(&ask.question(), &alice(json!({ "level": 1 })), resource).is_ok());
}

#[test]
fn names_the_permits_that_allow() {
    let policies = "@id(\"b\") permit (principal, action, resource);
        @id(\"a\") @reason(\"a group\") permit (principal in Group::\"demo|writers\", action, resource);
        @id(\"other\") permit (principal in Group::\"demo|admins\", action, resource);";
    let grant = decide(&schema("", ""), policies, &Ask::default(), &alice(json!({}))).unwrap();
    assert_eq!(grant, Grant { policies: vec!["b".into(), "a".into()], reasons: vec!["a group".into()] });
}
