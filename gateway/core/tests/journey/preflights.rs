//! How do cross-origin preflights end?

use http::Method;
use portcullis_core::identify::Principal;
use portcullis_core::journey::Turned;
use portcullis_core::refusal::Code;

use crate::ground::{Asked, Files, Ground};
use crate::{refusal, told, travel};

const ROUTES: &str = r#"
[[routes]]
name = "closed"
match = "PUT /closed"
upstream = "app"
authenticate = ["jwt"]
[[routes]]
name = "granted"
match = "PUT /granted"
upstream = "app"
authenticate = ["jwt"]
cors = { origins = ["https://a.example"] }
[[routes]]
name = "theirs"
match = "PUT /theirs"
upstream = "app"
authenticate = ["jwt"]
cors = "app"
guard = { deny = ["198.51.100.0/24"] }
"#;
const ACTIONS: &str = "action \"closed\", \"granted\", \"theirs\" appliesTo { principal: [User], resource: [App] };";
const POLICIES: &str = "forbid (principal, action, resource);";

fn preflight(path: &'static str, origin: &str, method: &str) -> Asked {
    Asked::new(Method::OPTIONS, path).with("origin", origin).with("access-control-request-method", method)
}

#[test]
fn are_routed_by_the_method_they_ask_for() {
    let (ground, snapshot) = (Ground::usual(), Files::new(ROUTES, POLICIES, ACTIONS).compile());
    let check = |asked: Asked, expected: Code, way: &str| {
        let (outcome, trail) = travel(&snapshot, &ground, &asked, b"");
        assert_eq!((refusal(outcome).code, told(&trail).as_str()), (expected, way));
    };
    let not_allowed = "route:refused(method_not_allowed)";
    check(preflight("/granted", "https://a.example", "GET"), Code::MethodNotAllowed, not_allowed);
    let denied = "route:passed guard:passed guard:refused(cors_origin_denied)";
    check(preflight("/closed", "https://a.example", "PUT"), Code::CorsOriginDenied, denied);
    check(preflight("/granted", "https://b.example", "PUT"), Code::CorsOriginDenied, denied);
    // Without an origin it is a request like any other.
    let bare = Asked::new(Method::OPTIONS, "/granted").with("access-control-request-method", "PUT");
    check(bare, Code::MethodNotAllowed, not_allowed);
}

#[test]
fn of_a_granted_origin_are_answered_before_anybody_is_identified() {
    let (ground, snapshot) = (Ground::usual(), Files::new(ROUTES, POLICIES, ACTIONS).compile());
    let asked = preflight("/granted", "https://a.example", "PUT").with("authorization", "Bearer a.b.c");
    let (outcome, trail) = travel(&snapshot, &ground, &asked, b"");
    let Err(Turned::Answered(answer)) = outcome else { unreachable!("{outcome:?}") };
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert_eq!((told(&trail).as_str(), trail.refusal.is_none()), ("route:passed guard:passed", true));
}

#[test]
fn that_the_application_answers_go_on_without_an_identity() {
    let (ground, snapshot) = (Ground::usual(), Files::new(ROUTES, POLICIES, ACTIONS).compile());
    let asked = preflight("/theirs", "https://b.example", "PUT").with("authorization", "Bearer a.b.c");
    let (outcome, trail) = travel(&snapshot, &ground, &asked, b"");
    let permit = outcome.unwrap();
    assert_eq!((permit.forwards_identity(), &permit.identity().principal), (false, &Principal::Anonymous));
    assert_eq!(told(&trail), "route:passed guard:passed");
}
