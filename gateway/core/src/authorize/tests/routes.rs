//! Routes against the schema.

use super::*;

fn fault(about: About, message: &str, help: &str) -> RouteFault {
    RouteFault { about, message: message.to_owned(), help: help.to_owned() }
}

/// What is wrong with the route [`facts`], changed by `change`.
fn faults<'a>(schema: &str, resource: &'a Gather, change: impl FnOnce(&mut RouteFacts<'a>)) -> Vec<RouteFault> {
    let mut facts = facts(resource);
    change(&mut facts);
    compile(schema, PERMIT).unwrap().route(&facts).err().unwrap_or_default()
}

#[test]
fn refuses_a_route_whose_action_the_schema_lacks() {
    let order = order();
    let check = |name: &'static str, help: &str| {
        let found = faults(&schema("", ""), &order, |facts| {
            facts.name = name;
            facts.action_groups = &["read"];
            facts.callers = &[Caller::Jwt, Caller::ApiKey];
        });
        assert_eq!(found, [fault(About::Name, &format!("the schema has no action `{name}`"), help)]);
    };
    let line = |name| {
        format!(
            "add to the schema: `action \"{name}\" in [\"read\"] appliesTo {{ principal: [ApiKey, Client, User], resource: [Order] }};`"
        )
    };
    check("getOrders", &format!("did you mean `getOrder`? if not, {}", line("getOrders")));
    check("unheardOf", &line("unheardOf"));
}

#[test]
fn refuses_an_action_in_a_namespace() {
    let schema = "namespace Shop { entity User; entity Order;
        action getOrder appliesTo { principal: [User], resource: [Order] }; }";
    let help = "`Shop::Action::\"getOrder\"` is in a namespace; actions of routes stand outside any";
    let expected = fault(About::Name, "the schema has no action `getOrder`", help);
    assert_eq!(faults(schema, &order(), |_| {}), [expected]);
}

#[test]
fn refuses_groups_that_differ_from_the_schema() {
    let order = order();
    let help = "policies go by the schema: make both the same, or leave `action_groups` out";
    let check = |groups: &'static [&'static str], message: Option<&str>| {
        let expected: Vec<_> = message.map(|message| fault(About::ActionGroups, message, help)).into_iter().collect();
        assert_eq!(faults(&schema("", ""), &order, |facts| facts.action_groups = groups), expected);
    };
    check(&["write"], Some("`getOrder` is in `write` here, and in `read` in the schema"));
    check(&["read", "write"], Some("`getOrder` is in `read` and `write` here, and in `read` in the schema"));
    check(&["read"], None);
    check(&[], None);
}

#[test]
fn refuses_a_resource_the_action_does_not_apply_to() {
    let check = |template: &str, message: &str, help: &str| {
        let gather = Gather::compile(template, &[]).unwrap();
        assert_eq!(faults(&schema("", ""), &gather, |_| {}), [fault(About::Resource, message, help)]);
    };
    check(
        "Ordr::\"1\"",
        "the schema has no entity type `Ordr`",
        "did you mean `Order`? if not, add to the schema: `entity Ordr;`",
    );
    check(
        "Group::\"1\"",
        "action `getOrder` does not apply to resources of type `Group`",
        "it applies to `Order`; add `Group` to its `resource: […]`, or change the route's `resource`",
    );
}

#[test]
fn refuses_resources_that_need_attributes() {
    let schema = schema("", "").replace("secret?: Bool", "owner: String, secret: Bool");
    let expected = fault(
        About::Resource,
        "`Order` requires `owner` and `secret`, and the route does not say where it comes from",
        "give the route `resource_attributes`, or make them optional in the schema and ask `has` before reading them",
    );
    assert_eq!(faults(&schema, &order(), |_| {}), [expected]);
}

#[test]
fn refuses_a_way_in_that_lets_nobody_through() {
    let expected = [
        fault(
            About::Authenticate,
            "`api_key` yields `ApiKey`, for whom the schema's action `getOrder` is not",
            "add `ApiKey` to its `principal: […]`, or change `authenticate`",
        ),
        fault(
            About::Authenticate,
            "`public` or `optional` yields `Anonymous`, for whom the schema's action `getOrder` is not",
            "add `Anonymous` to its `principal: […]`, or change `authenticate`",
        ),
    ];
    let order = order();
    let found = faults(&schema("", ""), &order, |facts| {
        facts.callers = &[Caller::Jwt, Caller::ApiKey, Caller::Anonymous];
    });
    assert_eq!(found, expected);
}

#[test]
fn warns_of_callers_and_routes_that_are_always_refused() {
    let schema = schema("", "").replace("[User, Client]", "[User]");
    let order = order();
    let policies =
        compile(&schema, "@id(\"put\") permit (principal, action == Action::\"putOrder\", resource);").unwrap();
    let authorize = policies.route(&facts(&order)).unwrap();
    assert_eq!(
        authorize.warnings(),
        [
            "`jwt` may yield `Client`, for whom the schema's action `getOrder` is not: they are always refused",
            "no policy can permit `getOrder`, so it always refuses",
        ]
    );
}

#[test]
fn refuses_a_context_the_gateway_cannot_supply() {
    let order = order();
    let check = |declared: &str, message: &str, help: &str| {
        let message = format!("context of action `getOrder`: {message}");
        assert_eq!(faults(&schema("", declared), &order, |_| {}), [fault(About::Schema, &message, help)], "{declared}");
    };
    check("methd: String", "unknown attribute `methd`", "did you mean `method`?");
    check(
        "colour: String",
        "unknown attribute `colour`",
        "there is `auth_age`, `auth_method`, `body`, `headers`, `ip`, `method`, `now`, `params`, `path`, `query` and `scopes`",
    );
    check("ip: String", "`ip` is a `ipaddr`, not a `String`", "declare it as `ipaddr`");
    check("scopes: Set<Long>", "`scopes` is a `Set<String>`, not a `Set<Long>`", "declare it as `Set<String>`");
    check("params: String", "`params` is a `{…}`, not a `String`", "declare it as `{…}`");
    check("params: { id: Long }", "`params.id` is a `String`, not a `Long`", "declare it as `String`");
    check("params: { ids: String }", "the path has no parameter `ids`", "did you mean `id`?");
    check("query: { lmit?: String }", "route `getOrder` declares no query parameter `lmit`", "did you mean `limit`?");
    let optional = |what: &str, last: &str, why: &str| {
        (format!("`{what}` must be optional: {why}"), format!("write `{last}?`, and ask `has` before reading it"))
    };
    for (declared, (message, help)) in [
        ("query: { limit: String }", optional("query.limit", "limit", "a request may come without it")),
        ("headers: { \"x-a\": String }", optional("headers.x-a", "x-a", "a request may come without it")),
        ("auth_age: Long", optional("auth_age", "auth_age", "not every credential tells")),
    ] {
        check(declared, &message, &help);
    }
    check(
        "headers: { \"X-Tenant\"?: String }",
        "`headers.X-Tenant` is not a field name",
        "write it in lower case and quotes: `\"x-tenant\"?: String`",
    );
    check(
        "headers: { authorization?: String }",
        "`headers.authorization` holds a credential",
        "decide by the principal: identify has read the credential already",
    );
    check(
        "headers: { \"x-forwarded-for\"?: String }",
        "`headers.x-forwarded-for` can be written by anybody",
        "use `ip` and the principal, which the gateway vouches for",
    );
    check("body: { boss: User }", "`body.boss` is an entity, which no body can hold", "declare it as `String`");
    let unseen = faults(&schema("", "body: { total: Long }"), &order, |facts| facts.body = BodyUse::Unseen);
    let expected = fault(
        About::Schema,
        "context of action `getOrder`: `body` is not read before policies are asked",
        "set `authorize_body = true` on route `getOrder`, or take `body` out of the schema",
    );
    assert_eq!(unseen, [expected]);
}

#[test]
fn asks_only_the_policies_that_can_concern_the_route() {
    let policies = "
        @id(\"any\") permit (principal, action, resource);
        @id(\"in-read\") permit (principal, action in Action::\"read\", resource);
        @id(\"in-write\") permit (principal, action in Action::\"write\", resource);
        @id(\"in-some\") permit (principal, action in [Action::\"putOrder\", Action::\"getOrder\"], resource);
        @id(\"is-get\") permit (principal is User, action == Action::\"getOrder\", resource is Order);
        @id(\"is-put\") permit (principal, action == Action::\"putOrder\", resource);
        @id(\"one-order\") permit (principal in Group::\"g\", action, resource == Order::\"1\");
        @id(\"app\") permit (principal, action, resource is App);
        @id(\"key\") permit (principal is ApiKey, action, resource);";
    let schema = schema("", "")
        + "entity App; entity ApiKey; action \"home\" appliesTo { principal: [ApiKey], resource: [App] };";
    let order = order();
    let authorize = compile(&schema, policies).unwrap().route(&facts(&order)).unwrap();
    let ids: Vec<String> = authorize.policy_ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["any", "in-read", "in-some", "is-get", "one-order"]);
}
