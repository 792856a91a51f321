//! Is the matrix sound: does the engine allow whatever a cell allows, and nothing that a cell denies?

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const SCHEMA: &str = "entity Group; entity Team; entity User in [Group] { level: Long, team?: String, boss?: Bool };
    entity ApiKey in [Group]; entity Anonymous enum [\"anonymous\"]; entity Order in [Team]; entity App;
    action \"read\", \"write\";
    action \"getOrder\" in [\"read\"] appliesTo { principal: [User, ApiKey], resource: [Order], context: { query: { limit?: String } } };
    action \"putOrder\" in [\"write\"] appliesTo { principal: [User], resource: [App] };";

/// Conditions that are valid for every caller and every action.
fn condition() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "principal in Group::\"demo|a\"",
        "principal in [Group::\"demo|a\", Group::\"demo|b\"]",
        "principal == User::\"demo|alice\"",
        "principal is User",
        "principal is User in Group::\"demo|b\"",
        "principal is ApiKey",
        "resource is Order",
        "resource == App::\"app\"",
        "resource == Order::\"7\"",
        "action in Action::\"write\"",
        "action == Action::\"getOrder\"",
        "principal is User && principal.level > 3",
        "principal is User && principal.level + 1 > 3",
        "principal is User && principal has team && principal.team == \"x\"",
        "principal is User && principal has boss && principal.boss",
        "true",
        "\"a\" like \"a*\"",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("if ({a}) then ({b}) else ({c})")),
        ]
    })
}

fn policy() -> impl Strategy<Value = String> {
    let principal =
        select(vec!["principal", "principal is User", "principal in Group::\"demo|a\"", "principal is ApiKey"]);
    let action = select(vec!["action", "action in Action::\"read\"", "action == Action::\"putOrder\""]);
    let effect = select(vec!["permit", "permit", "forbid"]);
    let clause = option::of((select(vec!["when", "unless"]), condition()));
    (effect, principal, action, clause).prop_map(|(effect, principal, action, clause)| {
        let clause = clause.map(|(word, body)| format!(" {word} {{ {body} }}")).unwrap_or_default();
        format!("{effect} ({principal}, {action}, resource){clause};")
    })
}

/// Somebody of a role, about whom everything else is open.
fn somebody(role: &Role, (id, claims): (&str, &Value)) -> Identity {
    let groups: Vec<Arc<str>> = role.groups.iter().map(|group| group.as_str().into()).collect();
    let Value::Object(claims) = claims.clone() else { return Identity::anonymous() };
    let principal = match role.kind {
        "User" => Principal::User(format!("demo|{id}").into()),
        "ApiKey" => Principal::ApiKey(id.into()),
        _ => Principal::Anonymous,
    };
    Identity::described(principal, groups, claims)
}

fn claims() -> impl Strategy<Value = Value> {
    let level = select(vec![0, 3, 4, i64::MAX]);
    (level, option::of(select(vec!["x", "y"])), option::of(any::<bool>())).prop_map(|(level, team, boss)| {
        let mut claims = json!({ "level": level });
        if let Some(team) = team {
            claims["team"] = team.into();
        }
        if let Some(boss) = boss {
            claims["boss"] = boss.into();
        }
        claims
    })
}

/// Both routes of the schema.
fn doors<'a>(order: &'a Gather, app: &'a Gather) -> [Door<'a>; 2] {
    let door = |name, resource, callers| Door {
        name,
        pattern: "",
        callers,
        public: Public::No,
        resource,
        mode: crate::mode::Mode::Enforce,
    };
    [door("getOrder", order, &[Caller::Jwt, Caller::ApiKey]), door("putOrder", app, &[Caller::Jwt])]
}

/// What groups are in, by a file.
fn hierarchy(file: &Value) -> Arc<crate::gather::Hierarchy> {
    let config = json!({ "from": "file", "file": "groups.json", "parents": ["Group::\"{in}\""] });
    let configs = BTreeMap::from([("Group".to_owned(), serde_json::from_value(config).unwrap())]);
    let text = file.to_string();
    Arc::new(crate::gather::Hierarchy::compile(&configs, |_| Some(text.as_bytes())).unwrap())
}

#[test]
fn a_group_is_in_what_its_group_is_in() {
    let policies = compile(
        &SCHEMA.replace("entity Group;", "entity Group in [Group];"),
        r#"permit (principal in Group::"demo|b", action, resource); permit (principal in Group::"demo|a", action, resource);
           forbid (principal in Group::"demo|c", action, resource);"#,
    )
    .unwrap();
    policies.under(&hierarchy(&json!({ "demo|a": { "in": ["demo|b"] }, "demo|b": { "in": "demo|c" } }))).unwrap();
    let gather = Gather::compile("Order::\"{id}\"", &["id"]).unwrap();
    let door = Door {
        name: "getOrder",
        pattern: "GET /{id}",
        callers: &[Caller::Jwt],
        public: Public::No,
        resource: &gather,
        mode: crate::mode::Mode::Enforce,
    };
    let roles = policies.roles(&BTreeSet::from(["User"]));
    let matrix = policies.matrix(&[door], &roles);
    let cells: Vec<&Cell> = matrix.rows[0].cells.iter().collect();
    assert_eq!(cells, [&Cell::Deny; 4], "whoever is in any of them is in `demo|c`");
    let authorize = policies.route(&facts(&gather)).unwrap();
    let ask = Ask::default();
    for role in &roles {
        let who = somebody(role, ("alice", &json!({ "level": 1 })));
        let answer = authorize.authorize(&ask.question(), &who, gather.resource(&ask.params).unwrap());
        assert!(answer.is_err(), "{role:?}");
    }
}

/// Or a file that lets more people in would change nothing in the matrix.
#[test]
fn a_group_that_no_policy_names_has_a_column_where_it_is_in_one_that_is() {
    let policies = compile(
        &SCHEMA.replace("entity Group;", "entity Group in [Group];"),
        r#"permit (principal in Group::"demo|writers", action, resource);"#,
    )
    .unwrap();
    let file = json!({ "demo|interns": { "in": ["demo|staff"] }, "demo|staff": { "in": ["demo|writers"] },
        "demo|others": { "in": ["demo|nobody"] } });
    policies.under(&hierarchy(&file)).unwrap();
    let gather = Gather::compile("Order::\"{id}\"", &["id"]).unwrap();
    let door = Door {
        name: "getOrder",
        pattern: "GET /{id}",
        callers: &[Caller::Jwt],
        public: Public::No,
        resource: &gather,
        mode: crate::mode::Mode::Enforce,
    };
    let matrix = policies.matrix(&[door], &policies.roles(&BTreeSet::from(["User"])));
    let groups = matrix.roles.iter().map(|role| role.groups.iter().cloned().collect::<String>());
    let cells: Vec<(String, &Cell)> = groups.zip(&matrix.rows[0].cells).collect();
    let expected =
        [("", Cell::Deny), ("demo|interns", Cell::Allow), ("demo|staff", Cell::Allow), ("demo|writers", Cell::Allow)];
    assert_eq!(cells.iter().map(|(group, cell)| (group.as_str(), (*cell).clone())).collect::<Vec<_>>(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_a_cell_allows_is_allowed_and_what_it_denies_is_denied(
        texts in vec(policy(), 1..6),
        people in vec((select(vec!["alice", "bob"]), claims(), select(vec!["7", "8"])), 6),
    ) {
        // A policy that can never apply does not compile: nothing to judge.
        let Ok(policies) = compile(SCHEMA, &texts.concat()) else { return Ok(()) };
        let (order, app) = (order(), Gather::of_upstream("app").unwrap());
        let doors = doors(&order, &app);
        let roles = policies.roles(&BTreeSet::from(["User", "ApiKey"]));
        let matrix = policies.matrix(&doors, &roles);
        for (door, row) in doors.iter().zip(&matrix.rows) {
            let route = RouteFacts {
                name: door.name, action_groups: &[], params: &["id"], query: &["limit"], callers: door.callers,
                resource: door.resource, body: BodyUse::Unseen,
            };
            let authorize = policies.route(&route).unwrap();
            for (role, cell) in roles.iter().zip(&row.cells) {
                if !door.callers.iter().any(|caller| caller.yields().contains(&role.kind)) {
                    prop_assert_eq!(cell, &Cell::Deny);
                    continue;
                }
                for (id, claims, order) in &people {
                    let ask = Ask { params: vec![("id", Cow::Borrowed(*order))], ..Ask::default() };
                    let resource = door.resource.resource(&ask.params).unwrap();
                    let answer = authorize.authorize(&ask.question(), &somebody(role, (id, claims)), resource);
                    match cell {
                        Cell::Allow => prop_assert!(answer.is_ok(), "{role:?} {claims} on {}: {answer:?}", door.name),
                        Cell::Deny => prop_assert!(answer.is_err(), "{role:?} {claims} on {}: {answer:?}", door.name),
                        Cell::Depends(_) => {}
                        Cell::Unenforced => prop_assert!(false, "this route is enforced"),
                    }
                }
            }
        }
    }
}

/// One policy set's cells for a user in `demo|a` and one in no group, on `getOrder`.
fn cells(policies: &str) -> Vec<Cell> {
    let policies = compile(SCHEMA, policies).unwrap();
    let (order, app) = (order(), Gather::of_upstream("app").unwrap());
    let role =
        |groups: &[&str]| Role { kind: "User", groups: groups.iter().map(|group| (*group).to_owned()).collect() };
    let roles = BTreeSet::from([role(&[]), role(&["demo|a"])]);
    policies.matrix(&doors(&order, &app), &roles).rows[0].cells.clone()
}

#[test]
fn says_allow_deny_and_on_what_it_depends() {
    let depends = |text: &str| Cell::Depends(text.to_owned());
    for (policies, expected) in [
        ("permit (principal in Group::\"demo|a\", action, resource);", [Cell::Deny, Cell::Allow]),
        ("permit (principal, action, resource) unless { principal in Group::\"demo|a\" };", [Cell::Allow, Cell::Deny]),
        (
            "permit (principal, action, resource) when { resource == Order::\"7\" };",
            [depends("resource == Order::\"7\""), depends("resource == Order::\"7\"")],
        ),
        (
            "permit (principal, action, resource); forbid (principal is User, action, resource)
             when { principal in Group::\"demo|a\" && principal.level < 3 };",
            [Cell::Allow, depends("!(principal.level < 3)")],
        ),
        // What may fail to be evaluated allows nothing for certain.
        (
            "permit (principal, action, resource); permit (principal is User, action, resource) when { principal.level + 1 > 0 };",
            [depends("no policy fails to evaluate"), depends("no policy fails to evaluate")],
        ),
    ] {
        assert_eq!(cells(policies), expected, "{policies}");
    }
}

#[test]
fn tells_which_way_a_change_goes() {
    let (order, app) = (order(), Gather::of_upstream("app").unwrap());
    let matrix = |text: &str| {
        let policies = compile(SCHEMA, text).unwrap();
        let role = Role { kind: "User", groups: BTreeSet::from(["demo|a".to_owned()]) };
        policies.matrix(&doors(&order, &app), &BTreeSet::from([role]))
    };
    let none = matrix(
        "permit (principal == User::\"x\", action == Action::\"putOrder\", resource) when { principal.level > 0 };",
    );
    let some = matrix("permit (principal, action, resource) when { resource == Order::\"7\" };");
    let all = matrix("permit (principal, action, resource);");
    let way = |before: &Matrix, after: &Matrix| {
        let changes = differences(before, after);
        changes.into_iter().find(|change| change.route == "getOrder").map(|change| change.direction)
    };
    assert_eq!(way(&none, &some), Some(Direction::Widens));
    assert_eq!(way(&some, &all), Some(Direction::Widens));
    assert_eq!(way(&all, &some), Some(Direction::Narrows));
    assert_eq!(way(&all, &all), None);
    let other = matrix("permit (principal, action, resource) when { resource == Order::\"8\" };");
    assert_eq!(way(&some, &other), Some(Direction::Changes));
}
