//! When is an answer remembered, and when never?

use super::*;

const GROUPED: &str = "@id(\"ops\") permit (principal in Group::\"demo|ops\", action, resource);";

/// The route `getOrder` on one order for all, under these policies.
fn route(context: &str, policies: &str) -> (Authorize, Gather) {
    let gather = Gather::compile("Order::\"all\"", &["id"]).unwrap();
    let policies = compile(&schema("level?: Long", context), policies).unwrap();
    (policies.route(&facts(&gather)).unwrap(), gather)
}

/// Asks, keeps the answer, and says what is remembered then.
fn remembers(context: &str, policies: &str, ask: &Ask, who: &Arc<Identity>) -> Option<bool> {
    let (authorize, gather) = route(context, policies);
    let resource = gather.resource(&ask.params).unwrap();
    let question = ask.question();
    assert!(authorize.remembered(&question, who).is_none());
    let answer = authorize.ask(&question, who, resource);
    authorize.remember(who, &answer);
    let remembered = authorize.remembered(&question, who);
    let outcome = remembered.as_ref().map(|remembered| &remembered.outcome);
    assert!(outcome.is_none() || outcome == Some(&answer.outcome), "{remembered:?} is not {answer:?}");
    remembered.map(|answer| answer.outcome.is_ok())
}

#[test]
fn remembers_a_yes_and_a_no() {
    let ask = Ask::default();
    let ops = Arc::new(user("alice", &["demo|ops"], json!({})));
    let other = Arc::new(user("bob", &[], json!({})));
    assert_eq!(remembers("ip: ipaddr", GROUPED, &ask, &ops), Some(true));
    assert_eq!(remembers("ip: ipaddr", GROUPED, &ask, &other), Some(false));
}

#[test]
fn never_remembers_where_a_policy_looks_at_the_request() {
    let who = Arc::new(user("alice", &["demo|ops"], json!({})));
    for policy in [
        "permit (principal, action == Action::\"getOrder\", resource) when { context.ip == ip(\"203.0.113.9\") };",
        "permit (principal, action, resource);
         forbid (principal, action == Action::\"getOrder\", resource) unless { [true].contains(context.ip.isIpv4()) };",
    ] {
        assert_eq!(remembers("ip: ipaddr", policy, &Ask::default(), &who), None, "{policy}");
    }
}

#[test]
fn never_remembers_where_each_request_has_a_resource_of_its_own() {
    let (gather, ask) = (order(), Ask::default());
    let policies = compile(&schema("", ""), PERMIT).unwrap();
    let authorize = policies.route(&facts(&gather)).unwrap();
    let who = Arc::new(user("alice", &[], json!({})));
    let answer = authorize.ask(&ask.question(), &who, gather.resource(&ask.params).unwrap());
    authorize.remember(&who, &answer);
    assert!(authorize.remembered(&ask.question(), &who).is_none());
}

#[test]
fn another_identity_is_asked_again() {
    let (authorize, gather) = route("", GROUPED);
    let ask = Ask::default();
    let ops = Arc::new(user("alice", &["demo|ops"], json!({})));
    let answer = authorize.ask(&ask.question(), &ops, gather.resource(&ask.params).unwrap());
    authorize.remember(&ops, &answer);
    // The same person, with another token, without the group.
    let fewer = Arc::new(user("alice", &[], json!({})));
    assert!(authorize.remembered(&ask.question(), &fewer).is_none());
}

#[test]
fn two_routes_have_answers_of_their_own() {
    let gather = Gather::compile("Order::\"all\"", &["id"]).unwrap();
    let policies = "permit (principal, action == Action::\"getOrder\", resource);";
    let policies = compile(&schema("", ""), policies).unwrap();
    let get = policies.route(&facts(&gather)).unwrap();
    let put = policies.route(&RouteFacts { name: "putOrder", ..facts(&gather) }).unwrap();
    let (ask, who) = (Ask::default(), Arc::new(user("alice", &[], json!({}))));
    let answer = get.ask(&ask.question(), &who, gather.resource(&ask.params).unwrap());
    get.remember(&who, &answer);
    assert!(answer.outcome.is_ok());
    assert!(put.remembered(&ask.question(), &who).is_none());
}

#[test]
fn a_policy_that_fails_is_asked_again() {
    let policy = "permit (principal, action, resource) when { principal has level && principal.level * 2 > 0 };";
    let who = Arc::new(user("alice", &[], json!({ "level": i64::MAX })));
    assert_eq!(remembers("", policy, &Ask::default(), &who), None);
}

#[test]
fn a_context_that_cannot_be_had_refuses_although_a_yes_is_remembered() {
    let (authorize, gather) = route("headers: { \"x-tenant\"?: String }", GROUPED);
    let who = Arc::new(user("alice", &["demo|ops"], json!({})));
    let mut ask = Ask::default();
    let answer = authorize.ask(&ask.question(), &who, gather.resource(&ask.params).unwrap());
    authorize.remember(&who, &answer);
    assert_eq!(authorize.remembered(&ask.question(), &who).unwrap().outcome, answer.outcome);
    ask.headers.append("x-tenant", "a".parse().unwrap());
    ask.headers.append("x-tenant", "b".parse().unwrap());
    let (code, reason) = told(authorize.remembered(&ask.question(), &who).unwrap().outcome);
    assert_eq!((code, reason.contains("more than once")), (Code::PolicyError, true), "{reason}");
}
