//! What does a decision cost? `cargo bench -p portcullis-core`; `-- --quick` for a first look.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "../tests/journey/ground.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod ground;

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use http::Method;
use portcullis_core::journey::decide;
use portcullis_core::request::DeclaredBody;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;
use portcullis_core::validate::BodyPlan;

use ground::{Asked, Files, Ground, now};

const ROUTES: &str = r#"
[[routes]]
name = "home"
match = "GET /"
upstream = "app"
authenticate = "public"
guard = { rate = "1000000000/s" }
[[routes]]
name = "list"
match = "GET /orders/{id}"
upstream = "app"
authenticate = ["jwt", "api_key"]
guard = { rate = "1000000000/s" }
[[routes]]
name = "limited"
match = "GET /limited"
upstream = "app"
authenticate = ["jwt"]
limits = [{ by = "principal", rate = "1000000000/s" }]
guard = { rate = "1000000000/s" }
[[routes]]
name = "many"
match = "GET /many"
upstream = "app"
authenticate = ["jwt"]
guard = { rate = "1000000000/s" }
[[routes]]
name = "asked"
match = "GET /asked/{id}"
upstream = "app"
authenticate = ["jwt"]
resource = 'App::"{id}"'
guard = { rate = "1000000000/s" }
[[routes]]
name = "create"
match = "POST /orders"
upstream = "app"
authenticate = ["jwt"]
body_schema = "order.json"
guard = { rate = "1000000000/s" }
"#;

const ACTIONS: &str = r#"
action "home" appliesTo { principal: [Anonymous], resource: [App] };
action "list", "limited", "many", "asked", "create" appliesTo { principal: [User, Client, ApiKey], resource: [App] };
"#;

fn snapshot() -> std::sync::Arc<Snapshot> {
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

/// The whole way to the permit, which must be given.
fn travel(snapshot: &Snapshot, ground: &Ground, asked: &Asked, body: &Bytes) {
    let mut trail = Trail::begin(now().steady);
    let granted = decide(&asked.request(), snapshot, &ground.world, now(), &mut trail).now_or_never().unwrap().unwrap();
    let permit = match granted.body() {
        BodyPlan::Nothing | BodyPlan::Stream(_) => granted.admit_unread(&mut trail),
        BodyPlan::Hold(_) => {
            granted.admit(body, (&asked.method, &asked.headers), None, (&*ground.world.clock, now()), &mut trail)
        }
    };
    black_box(permit.unwrap());
}

fn decisions(criterion: &mut Criterion) {
    let (snapshot, ground) = (snapshot(), Ground::usual());
    let get = |path: &'static str| Asked::new(Method::GET, path);
    let bearer = format!("Bearer {}", ground.token);
    let body = Bytes::from_static(b"{\"quantity\":1}");
    let json = Asked {
        body: DeclaredBody::Length(body.len() as u64),
        ..Asked::new(Method::POST, "/orders").with("content-type", "application/json")
    };
    let mut group = criterion.benchmark_group("decide");
    for (name, asked) in [
        ("public", get("/")),
        ("cached_jwt", get("/orders/1").with("authorization", &bearer)),
        ("api_key", get("/orders/1").with("x-api-key", &ground.key)),
        ("limit", get("/limited").with("authorization", &bearer)),
        ("twenty_policies", get("/many").with("authorization", &bearer)),
        ("body", json.with("authorization", &bearer)),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| travel(&snapshot, &ground, &asked, &body)));
    }
    group.finish();
}

/// A snapshot with so many policies more that forbid `action`.
fn with_policies(number: usize, action: &str) -> std::sync::Arc<Snapshot> {
    let mut policies = String::from("permit (principal in Group::\"demo|writers\", action, resource);");
    for at in 0..number {
        let _ =
            write!(policies, "forbid (principal in Group::\"demo|g{at}\", action == Action::\"{action}\", resource);");
    }
    let page = "permit (principal == Anonymous::\"anonymous\", action == Action::\"home\", resource);";
    Files::new(ROUTES, &format!("{policies}{page}"), ACTIONS).compile()
}

/// What policies cost that may apply, and those that cannot: the latter nothing.
fn policies(criterion: &mut Criterion) {
    let ground = Ground::usual();
    let bearer = format!("Bearer {}", ground.token);
    let asked = Asked::new(Method::GET, "/asked/1").with("authorization", &bearer);
    for (name, action) in [("policies_that_may_apply", "asked"), ("policies_that_cannot_apply", "many")] {
        let mut group = criterion.benchmark_group(name);
        for number in [5, 50, 500, 5000] {
            let snapshot = with_policies(number, action);
            group.bench_function(number.to_string(), |bencher| {
                bencher.iter(|| travel(&snapshot, &ground, &asked, &Bytes::new()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, decisions, policies);
criterion_main!(benches);
