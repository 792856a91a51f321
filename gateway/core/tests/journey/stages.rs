//! In which order do the stages come, and what does each leave behind?

use http::Method;
use portcullis_core::identify::Principal;
use portcullis_core::request::DeclaredBody;

use crate::ground::{Asked, Files, Ground};
use crate::{refusal, told, travel};

const ROUTES: &str = r#"
[[routes]]
name = "home"
match = "GET /"
upstream = "app"
authenticate = "public"
[[routes]]
name = "maybe"
match = "GET /maybe"
upstream = "app"
authenticate = "optional"
[[routes]]
name = "list"
match = "GET /orders"
upstream = "app"
authenticate = ["jwt", "api_key"]
action_groups = ["read"]
parameters = [{ in = "query", name = "limit", schema = { type = "integer" } }]
limits = [{ by = "principal", rate = "2/min" }]
[[routes]]
name = "create"
match = "POST /orders"
upstream = "app"
authenticate = ["jwt"]
action_groups = ["write"]
body_schema = "order.json"
[[routes]]
name = "judged"
match = "POST|GET /judged"
upstream = "app"
authenticate = ["jwt"]
action_groups = ["write"]
body_schema = "order.json"
authorize_body = true
[[routes]]
name = "broken"
match = "GET /broken"
upstream = "app"
authenticate = ["jwt"]
"#;

const ACTIONS: &str = r#"
action "home", "maybe" appliesTo { principal: [Anonymous, User, ApiKey, Client], resource: [App] };
action "list" in ["read"] appliesTo { principal: [User, Client, ApiKey], resource: [App] };
action "create" in ["write"] appliesTo { principal: [User], resource: [App] };
action "judged" in ["write"] appliesTo { principal: [User], resource: [App], context: { body?: { quantity: Long } } };
action "broken" appliesTo { principal: [User], resource: [App] };
"#;

const POLICIES: &str = r#"
@id("open") permit (principal, action in [Action::"home", Action::"maybe"], resource);
@id("writers") @reason("may write")
permit (principal, action in [Action::"read", Action::"write"], resource)
when { principal in [Group::"demo|writers", Group::"keys|writers"] };
@id("small") @public_reason("At most ten.")
forbid (principal, action == Action::"judged", resource)
when { context has body && context.body.quantity > 10 };
permit (principal, action == Action::"broken", resource);
@id("overflows")
forbid (principal, action == Action::"broken", resource)
when { 9223372036854775807 + 1 > 0 };
"#;

fn check(asked: &Asked, ground: &Ground, body: &str, expected: &str) {
    let snapshot = Files::new(ROUTES, POLICIES, ACTIONS).compile();
    let (outcome, trail) = travel(&snapshot, ground, asked, body.as_bytes());
    assert_eq!(told(&trail), expected, "{} {}", asked.method, asked.path);
    assert_eq!(outcome.is_ok(), !expected.contains(":refused"));
}

fn get(path: &'static str) -> Asked {
    Asked::new(Method::GET, path)
}

fn post(path: &'static str, token: &str, body: &str) -> Asked {
    let asked = Asked::new(Method::POST, path).with("content-type", "application/json");
    Asked { body: DeclaredBody::Length(body.len() as u64), ..asked.with("authorization", &format!("Bearer {token}")) }
}

#[test]
fn every_refusal_ends_the_journey_where_it_arises() {
    let ground = Ground::usual();
    let bearer = |asked: Asked, token: &str| asked.with("authorization", &format!("Bearer {token}"));
    let known = "route:passed guard:passed identify:passed limit:passed";

    check(&get("/nowhere"), &ground, "", "route:refused(route_not_found)");
    check(&Asked::new(Method::PUT, "/"), &ground, "", "route:refused(method_not_allowed)");
    check(&get("/orders"), &ground, "", "route:passed guard:passed identify:refused(authentication_required)");
    let bad = bearer(get("/maybe"), "a.b.c");
    check(&bad, &ground, "", "route:passed guard:passed identify:refused(invalid_token)");

    let mut odd = bearer(get("/orders"), &ground.token);
    odd.query = Some("limit=x");
    check(&odd, &ground, "", &format!("{known} parameters:refused(invalid_parameter)"));
    let stranger = bearer(get("/orders"), &ground.stranger);
    check(&stranger, &ground, "", &format!("{known} parameters:passed authorize:refused(forbidden)"));
    let broken = bearer(get("/broken"), &ground.token);
    check(&broken, &ground, "", &format!("{known} parameters:passed authorize:refused(policy_error)"));

    let allowed = format!("{known} parameters:passed authorize:passed");
    let text = post("/orders", &ground.token, "{}").with("content-type", "text/plain");
    check(&text, &ground, "{}", &format!("{allowed} body:refused(unsupported_media_type)"));
    let large = Asked { body: DeclaredBody::Length(2 << 20), ..post("/orders", &ground.token, "{}") };
    check(&large, &ground, "{}", "route:passed guard:refused(body_too_large)");
    let wrong = post("/orders", &ground.token, "{}");
    check(&wrong, &ground, "{}", &format!("{allowed} body:passed body:refused(schema_violation)"));
}

#[test]
fn a_used_up_limit_refuses_before_anything_is_validated() {
    let ground = Ground::usual();
    let snapshot = Files::new(ROUTES, POLICIES, ACTIONS).compile();
    let mut asked = get("/orders").with("x-api-key", &ground.key);
    asked.query = Some("limit=x");
    for _ in 0..2 {
        let (_, trail) = travel(&snapshot, &ground, &asked, b"");
        assert!(told(&trail).ends_with("limit:passed parameters:refused(invalid_parameter)"), "{}", told(&trail));
    }
    let (outcome, trail) = travel(&snapshot, &ground, &asked, b"");
    assert!(told(&trail).ends_with("identify:passed limit:refused(rate_limited)"), "{}", told(&trail));
    assert_eq!(refusal(outcome).extra.unwrap().limits.len(), 1);
}

#[test]
fn policies_that_speak_about_the_body_are_asked_when_it_is_there() {
    let ground = Ground::usual();
    let before = "route:passed guard:passed identify:passed limit:passed parameters:passed";
    let token = &ground.token;
    let check = |body: &str, expected: &str| {
        check(&post("/judged", token, body), &ground, body, &format!("{before} {expected}"));
    };
    check("{", "body:passed body:refused(invalid_json)");
    check("{\"quantity\":11}", "body:passed body:passed authorize:refused(forbidden)");
    check("{\"quantity\":10}", "body:passed body:passed authorize:passed");
    // Where there is no body, nothing needs to be waited for.
    let bodiless = get("/judged").with("authorization", &format!("Bearer {token}"));
    self::check(&bodiless, &ground, "", &format!("{before} body:passed authorize:passed"));
}

#[test]
fn a_body_that_was_not_read_gives_no_permit() {
    use futures::FutureExt;
    use portcullis_core::journey::decide;
    use portcullis_core::trail::Trail;

    let ground = Ground::usual();
    let snapshot = Files::new(ROUTES, POLICIES, ACTIONS).compile();
    for path in ["/orders", "/judged"] {
        let asked = post(path, &ground.token, "{\"quantity\":1}");
        let mut trail = Trail::default();
        let request = asked.request();
        let decided = decide(&request, &snapshot, &ground.world, crate::ground::now(), &mut trail).now_or_never();
        let outcome = decided.unwrap().unwrap().admit_unread(&mut trail);
        assert_eq!(refusal(outcome).code.name(), "internal_error", "{path}");
        assert!(trail.refusal.is_some());
    }
}

#[test]
fn public_routes_judge_no_credential_and_forward_no_identity() {
    let ground = Ground::usual();
    let snapshot = Files::new(ROUTES, POLICIES, ACTIONS).compile();
    let bearer = format!("Bearer {}", ground.token);
    let check = |asked: Asked, forwards: bool, user: bool, consumed: &[&str]| {
        let (outcome, trail) = travel(&snapshot, &ground, &asked, b"");
        let permit = outcome.unwrap();
        assert_eq!(permit.forwards_identity(), forwards);
        assert_eq!(permit.identity().principal != Principal::Anonymous, user);
        assert_eq!(permit.consumed(), consumed);
        assert_eq!(trail.identity.unwrap().principal, permit.identity().principal);
    };
    check(get("/").with("authorization", "Bearer a.b.c"), false, false, &[]);
    check(get("/").with("authorization", &bearer), false, false, &[]);
    check(get("/maybe"), true, false, &[]);
    check(get("/maybe").with("authorization", &bearer), true, true, &["authorization"]);
    check(get("/orders").with("x-api-key", &ground.key), true, true, &["x-api-key"]);
}

#[test]
fn the_trail_names_route_caller_and_determining_policies() {
    let ground = Ground::usual();
    let snapshot = Files::new(ROUTES, POLICIES, ACTIONS).compile();
    let (_, trail) = travel(&snapshot, &ground, &get("/orders").with("x-api-key", &ground.key), b"");
    let names = |texts: &[std::sync::Arc<str>]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(trail.route.as_deref(), Some("list"));
    assert_eq!((names(&trail.policies), names(&trail.reasons)), (vec!["writers".into()], vec!["may write".into()]));
    let timed = |name: &str| trail.steps().iter().filter(|s| s.stage.name() == name).all(|step| !step.took.is_zero());
    assert!(timed("identify") && timed("authorize"));
    assert!(!timed("route"), "not worth a reading of the clock");

    let body = "{\"quantity\":11}";
    let (outcome, trail) = travel(&snapshot, &ground, &post("/judged", &ground.token, body), body.as_bytes());
    assert_eq!(names(&trail.policies), ["small"]);
    assert_eq!(refusal(outcome).detail, "At most ten.");
}

#[test]
fn the_future_of_a_decision_stays_small() {
    use portcullis_core::journey::decide;
    use portcullis_core::trail::Trail;

    let ground = Ground::usual();
    let snapshot = Files::new(ROUTES, POLICIES, ACTIONS).compile();
    let asked = get("/");
    let request = asked.request();
    let mut trail = Trail::default();
    let size = std::mem::size_of_val(&decide(&request, &snapshot, &ground.world, crate::ground::now(), &mut trail));
    assert!(size <= 4096, "{size} bytes");
}
