//! Ways through the journey that are measured, and the ground they stand on.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use http::Method;
use portcullis_core::journey::decide;
use portcullis_core::refusal::Code;
use portcullis_core::request::DeclaredBody;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;
use portcullis_core::validate::BodyPlan;

use crate::ground::{Asked, Files, Ground, Says, now};

const ROUTES: &str = r#"
[[routes]]
name = "home"
match = "GET /"
upstream = "app"
authenticate = "public"
guard = { rate = "1000000000/s", failures = "1000000000/s" }
[[routes]]
name = "list"
match = "GET /orders/{id}"
upstream = "app"
authenticate = ["jwt", "api_key"]
guard = { rate = "1000000000/s", failures = "1000000000/s" }
[[routes]]
name = "limited"
match = "GET /limited"
upstream = "app"
authenticate = ["jwt"]
limits = [{ by = "principal", rate = "1000000000/s" }]
guard = { rate = "1000000000/s", failures = "1000000000/s" }
[[routes]]
name = "many"
match = "GET /many"
upstream = "app"
authenticate = ["jwt"]
guard = { rate = "1000000000/s", failures = "1000000000/s" }
[[routes]]
name = "asked"
match = "GET /asked/{id}"
upstream = "app"
authenticate = ["jwt"]
resource = 'App::"{id}"'
guard = { rate = "1000000000/s", failures = "1000000000/s" }
[[routes]]
name = "create"
match = "POST /orders"
upstream = "app"
authenticate = ["jwt"]
body_schema = "order.json"
guard = { rate = "1000000000/s", failures = "1000000000/s" }
"#;

const ACTIONS: &str = r#"
action "home" appliesTo { principal: [Anonymous], resource: [App] };
action "list", "limited", "many", "asked", "create" appliesTo { principal: [User, Client, ApiKey], resource: [App] };
"#;

/// A few routes, one of them with twenty policies.
pub(crate) fn snapshot() -> Arc<Snapshot> {
    let mut policies = String::from(
        "permit (principal == Anonymous::\"anonymous\", action == Action::\"home\", resource);
         permit (principal in Group::\"demo|writers\", action, resource);
         permit (principal in Group::\"keys|writers\", action, resource);",
    );
    for at in 0..20 {
        let _ = write!(policies, "forbid (principal in Group::\"demo|g{at}\", action == Action::\"many\", resource);");
    }
    Files::new(ROUTES, &policies, ACTIONS).compile()
}

/// As many routes as that, and for each tenth a policy of its own.
pub(crate) fn snapshot_of(routes: usize) -> Arc<Snapshot> {
    let (mut text, mut policies, mut actions) = (String::new(), String::new(), String::new());
    for at in 0..routes {
        let _ = write!(
            text,
            "[[routes]]\nname = \"r{at}\"\nmatch = \"GET /a{at}/{{id}}\"\nupstream = \"app\"\nauthenticate = [\"jwt\"]\n"
        );
        let _ = writeln!(actions, "action \"r{at}\" appliesTo {{ principal: [User, Client], resource: [App] }};");
        if at % 10 == 0 {
            let _ = writeln!(
                policies,
                "permit (principal in Group::\"demo|writers\", action == Action::\"r{at}\", resource);"
            );
        }
    }
    Files::new(&text, &policies, &actions).compile()
}

/// A snapshot with so many policies more that forbid `action`.
pub(crate) fn with_policies(number: usize, action: &str) -> Arc<Snapshot> {
    let mut policies = String::from("permit (principal in Group::\"demo|writers\", action, resource);");
    for at in 0..number {
        let _ =
            write!(policies, "forbid (principal in Group::\"demo|g{at}\", action == Action::\"{action}\", resource);");
    }
    let page = "permit (principal == Anonymous::\"anonymous\", action == Action::\"home\", resource);";
    Files::new(ROUTES, &format!("{policies}{page}"), ACTIONS).compile()
}

/// Where no limit is ever reached.
pub(crate) fn unlimited() -> Ground {
    Ground::new(Arc::new(Says(true)), Arc::new(Says(true)))
}

/// One way, and where it ends.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) asked: Asked,
    /// `None`: at a permit.
    pub(crate) refused: Option<Code>,
}

/// What is asked of [`snapshot`].
pub(crate) fn cases(ground: &Ground) -> Vec<Case> {
    let get = |path: &'static str| Asked::new(Method::GET, path);
    let bearer = |token: &str| format!("Bearer {token}");
    let (known, stranger) = (bearer(&ground.token), bearer(&ground.stranger));
    let json = Asked {
        body: DeclaredBody::Length(BODY.len() as u64),
        ..Asked::new(Method::POST, "/orders").with("content-type", "application/json")
    };
    let case = |name, asked, refused| Case { name, asked, refused };
    vec![
        case("public", get("/"), None),
        case("cached_jwt", get("/orders/1").with("authorization", &known), None),
        case("api_key", get("/orders/1").with("x-api-key", &ground.key), None),
        case("limit", get("/limited").with("authorization", &known), None),
        case("twenty_policies", get("/many").with("authorization", &known), None),
        case("asked", get("/asked/1").with("authorization", &known), None),
        case("body", json.with("authorization", &known), None),
        case("no_route", get("/nowhere"), Some(Code::RouteNotFound)),
        case("no_credential", get("/orders/1"), Some(Code::AuthenticationRequired)),
        case("bad_token", get("/orders/1").with("authorization", "Bearer a.b.c"), Some(Code::InvalidToken)),
        case("forbidden", get("/orders/1").with("authorization", &stranger), Some(Code::Forbidden)),
    ]
}

const BODY: &[u8] = b"{\"quantity\":1}";

/// The whole way, which must end where the case says.
pub(crate) fn travel(snapshot: &Snapshot, ground: &Ground, case: &Case) {
    let mut trail = Trail::begin(now().steady);
    let request = case.asked.request();
    let decided = decide(&request, snapshot, &ground.world, now(), &mut trail).now_or_never().unwrap();
    let Ok(granted) = decided else {
        assert_eq!(trail.refusal.map(|refusal| refusal.code), case.refused, "{}", case.name);
        return;
    };
    let posted = (&case.asked.method, &case.asked.headers);
    let permit = match granted.body() {
        BodyPlan::Nothing | BodyPlan::Stream(_) => granted.admit_unread(&mut trail),
        BodyPlan::Hold(_) => {
            let body = Bytes::from_static(BODY);
            granted.admit(&body, posted, None, (&*ground.world.clock, now()), &mut trail)
        }
    };
    assert_eq!(case.refused, None, "{}", case.name);
    black_box(permit.unwrap());
}
