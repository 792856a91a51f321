//! Does an explanation say what happened?

use std::fmt::Write as _;

use super::*;

const SCHEMA: &str = "entity Group; entity User in [Group] { level: Long, team?: String }; entity ApiKey in [Group];
    entity Order { owner?: User };
    action \"read\";
    action \"getOrder\" in [\"read\"] appliesTo { principal: [User, ApiKey], resource: [Order], context: { ip: __cedar::ipaddr } };
    action \"putOrder\" appliesTo { principal: [User], resource: [Order] };";

const POLICIES: &str = r#"
    @id("readers") @reason("may read") permit (principal in Group::"demo|readers", action in Action::"read", resource)
    when { principal is User && context.ip.isInRange(ip("192.0.2.0/24")) } unless { principal.level < 2 };
    @id("own") permit (principal is User, action, resource) when { resource has owner && resource.owner == principal };
    @id("sum") forbid (principal is User, action == Action::"getOrder", resource) when { principal.level + 9223372036854775807 < 0 };
    @id("keys") permit (principal is ApiKey, action, resource);
    @id("put") permit (principal, action == Action::"putOrder", resource);
"#;

fn explained(level: i64, groups: &[&str], owner: Option<&str>, ip: &str) -> Result<Explanation, String> {
    let policies = compile(SCHEMA, POLICIES).unwrap();
    let attributes: Map<String, Value> = owner.map(|owner| ("owner".to_owned(), owner.into())).into_iter().collect();
    let Value::Object(context) = json!({ "ip": ip }) else { return Err(String::new()) };
    let facts = Facts {
        identity: &user("alice", groups, json!({ "level": level })),
        action: "getOrder",
        resource: "Order::\"7\"",
        resource_attributes: &attributes,
        context: &context,
    };
    policies.asked(&facts).map(|asked| asked.explain())
}

fn told(explanation: &Explanation) -> String {
    let mut text = format!("{:?}, {} elsewhere\n", explanation.decision, explanation.elsewhere);
    for policy in &explanation.policies {
        let _ = writeln!(
            text,
            "{} {} {}{}",
            policy.effect,
            policy.id,
            policy.applies.name(),
            if policy.decided { " *" } else { "" }
        );
        for condition in &policy.conditions {
            let _ = writeln!(text, "  {}: {}", condition.verdict.name(), condition.text);
        }
    }
    text
}

#[test]
fn tells_of_every_condition_which_is_true_false_or_not_reached() {
    insta::assert_snapshot!(told(&explained(-1, &["demo|readers"], None, "192.0.2.7").unwrap()));
}

#[test]
fn an_error_decides_whatever_else_is_true() {
    let explanation = explained(2, &["demo|readers"], Some("User::\"demo|alice\""), "192.0.2.7").unwrap();
    assert_eq!(explanation.decision, Decided::PolicyError);
    let decided: Vec<_> = explanation.policies.iter().filter(|policy| policy.decided).map(|p| p.id.as_str()).collect();
    assert_eq!(decided, ["sum"]);
    insta::assert_snapshot!(told(&explanation));
}

#[test]
fn an_owner_is_told_by_the_entity_it_is() {
    let own = explained(-1, &[], Some("User::\"demo|alice\""), "203.0.113.1").unwrap();
    assert_eq!(own.decision, Decided::Allow);
    let other = explained(-1, &[], Some("User::\"demo|bob\""), "203.0.113.1").unwrap();
    assert_eq!(other.decision, Decided::Deny);
    assert!(explained(-1, &[], Some("Order::\"1\""), "203.0.113.1").unwrap_err().contains("no such entity"));
}

#[test]
fn says_what_the_context_needs() {
    let policies = compile(SCHEMA, POLICIES).unwrap();
    let facts = Facts {
        identity: &user("alice", &[], json!({ "level": 1 })),
        action: "getOrder",
        resource: "Order::\"7\"",
        resource_attributes: &Map::new(),
        context: &Map::new(),
    };
    assert_eq!(policies.asked(&facts).unwrap_err(), "the context of `getOrder` needs `ip`");
    let unknown = Facts { action: "gone", ..facts };
    assert_eq!(policies.asked(&unknown).unwrap_err(), "the schema has no action `gone`");
}
