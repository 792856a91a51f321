//! What policies get to know of a request.

use super::*;

/// Grants only if `condition` holds under a context of `declared`.
fn holds(declared: &str, condition: &str, ask: &Ask) {
    let policies = format!("permit (principal, action == Action::\"getOrder\", resource) when {{ {condition} }};");
    let decision = decide(&schema("", declared), &policies, ask, &user("alice", &[], json!({})));
    assert!(decision.is_ok(), "{condition}: {decision:?}");
}

fn refused(declared: &str, ask: &Ask, reason: &str) {
    let decision = decide(&schema("", declared), PERMIT, ask, &user("alice", &[], json!({})));
    assert_eq!(told(decision), (Code::PolicyError, reason.to_owned()));
}

fn headers(lines: &[(&'static str, &'static str)]) -> Ask {
    let mut ask = Ask::default();
    for (name, value) in lines {
        ask.headers.append(*name, value.parse().unwrap());
    }
    ask
}

#[test]
fn refuses_what_a_policy_and_the_app_may_read_differently() {
    let tenant = "headers: { \"x-tenant\"?: String }";
    let twice = headers(&[("x-tenant", "a"), ("x-tenant", "b")]);
    refused(tenant, &twice, "context attribute `headers.x-tenant` appears more than once");
    refused(tenant, &headers(&[("x-tenant", "é")]), "context attribute `headers.x-tenant` is not plain text");
    let limit = "query: { limit?: String }";
    let ask = Ask { query: Some("limit=1&%6Cimit=2"), ..Ask::default() };
    refused(limit, &ask, "context attribute `query.limit` appears more than once");
}

#[test]
fn supplies_what_the_schema_declares() {
    let ask = headers(&[("x-tenant", "blue")]);
    holds("method: String, path: String", "context.method == \"GET\" && context.path == \"/orders/7\"", &ask);
    holds("params: { id: String }", "context.params.id == \"7\"", &ask);
    holds("query: { limit?: String }", "context.query has limit && context.query.limit == \"5\"", &ask);
    holds("query: { limit?: String }", "!(context.query has limit)", &Ask { query: None, ..Ask::default() });
    holds("ip: ipaddr", "context.ip.isInRange(ip(\"203.0.113.0/24\"))", &ask);
    holds("now: datetime", "context.now == datetime(\"1970-01-01T00:17:40Z\")", &ask);
    holds("scopes: Set<String>", "context.scopes.contains(\"orders:read\")", &ask);
    holds("auth_method: String", "context.auth_method == \"jwt\"", &ask);
    holds("auth_age?: Long", "context has auth_age && context.auth_age == 60", &ask);
    let tenant = "headers: { \"x-tenant\"?: String }";
    holds(tenant, "context.headers has \"x-tenant\" && context.headers[\"x-tenant\"] == \"blue\"", &ask);
    holds(tenant, "!(context.headers has \"x-tenant\")", &Ask::default());
    let body = Ask { body: Some(json!({ "total": 12, "note": "left out" })), ..Ask::default() };
    holds("body: { total: Long }", "context.body.total == 12", &body);
    holds("body?: { total: Long }", "!(context has body)", &ask);
}

#[test]
fn shows_a_path_by_one_spelling() {
    for path in ["/orders/a@b", "/orders/a%40b"] {
        holds("path: String", "context.path == \"/orders/a@b\"", &Ask { path, ..Ask::default() });
    }
}

#[test]
fn means_the_same_address_by_both_its_spellings() {
    let mapped = Ask { client: "::ffff:203.0.113.9".parse().unwrap(), ..Ask::default() };
    holds("ip: ipaddr", "context.ip == ip(\"203.0.113.9\")", &mapped);
    let compatible = Ask { client: "::203.0.113.9".parse().unwrap(), ..Ask::default() };
    holds("ip: ipaddr", "context.ip.isIpv6()", &compatible);
}

#[test]
fn resolves_common_types() {
    let schema = "type Id = String; type Params = { id: Id }; namespace Shop { type Context = { params: Params }; }
        entity User; entity Client; entity Order;
        action \"getOrder\" appliesTo { principal: [User, Client], resource: [Order], context: Shop::Context };";
    let policies = "permit (principal, action, resource) when { context.params.id == \"7\" };";
    assert!(decide(schema, policies, &Ask::default(), &user("alice", &["demo|x"], json!({}))).is_ok());
}
