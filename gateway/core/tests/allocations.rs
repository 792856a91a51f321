//! How often does a decision ask for memory? A bound for each way, so that nothing grows unseen.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "journey/ground.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod ground;

use std::alloc::System;

use bytes::Bytes;
use futures::FutureExt;
use http::Method;
use portcullis_core::journey::decide;
use portcullis_core::request::DeclaredBody;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;
use portcullis_core::validate::BodyPlan;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use ground::{Asked, Files, Ground, now};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUTES: &str = r#"
[[routes]]
name = "home"
match = "GET /"
upstream = "app"
authenticate = "public"
[[routes]]
name = "list"
match = "GET /orders/{id}"
upstream = "app"
authenticate = ["jwt"]
[[routes]]
name = "limited"
match = "GET /limited"
upstream = "app"
authenticate = ["jwt", "api_key"]
limits = [{ by = "principal", rate = "1000000/s" }]
[[routes]]
name = "create"
match = "POST /orders"
upstream = "app"
authenticate = ["jwt"]
body_schema = "order.json"
"#;
const ACTIONS: &str = r#"
action "home" appliesTo { principal: [Anonymous], resource: [App] };
action "list", "limited", "create" appliesTo { principal: [User, Client, ApiKey], resource: [App] };
"#;

/// The fewest allocations of several runs, to a permit or a refusal: the test's own harness may allocate meanwhile.
fn allocations(snapshot: &Snapshot, ground: &Ground, asked: &Asked) -> usize {
    let body = Bytes::from_static(b"{\"quantity\":1}");
    let once = || {
        let region = Region::new(ALLOCATOR);
        let mut trail = Trail::begin(now().steady);
        let request = asked.request();
        let decided = decide(&request, snapshot, &ground.world, now(), &mut trail).now_or_never().unwrap();
        if let Ok(granted) = decided {
            let permit = match granted.body() {
                BodyPlan::Nothing | BodyPlan::Stream(_) => granted.admit_unread(&mut trail),
                BodyPlan::Hold(_) => granted.admit(
                    &body,
                    (request.method, request.headers),
                    None,
                    (&*ground.world.clock, now()),
                    &mut trail,
                ),
            };
            drop(permit.unwrap());
        }
        drop(trail);
        region.change().allocations
    };
    (0..8).map(|_| once()).min().unwrap()
}

/// One test, for the counter is the whole process's.
#[test]
fn the_whole_way_of_a_request_asks_for_memory_a_bounded_number_of_times() {
    let (snapshot, ground) =
        (Files::new(ROUTES, "permit (principal, action, resource);", ACTIONS).compile(), Ground::usual());
    let bearer = format!("Bearer {}", ground.token);
    let order = || Asked {
        body: DeclaredBody::Length(14),
        ..Asked::new(Method::POST, "/orders").with("content-type", "application/json")
    };
    for (name, asked, most) in [
        ("public", Asked::new(Method::GET, "/"), 12),
        ("known token", Asked::new(Method::GET, "/orders/1").with("authorization", &bearer), 16),
        ("key", Asked::new(Method::GET, "/limited").with("x-api-key", &ground.key), 24),
        ("limit", Asked::new(Method::GET, "/limited").with("authorization", &bearer), 20),
        ("body", order().with("authorization", &bearer), 24),
        ("no route", Asked::new(Method::GET, "/nowhere"), 12),
        ("no credential", Asked::new(Method::GET, "/orders/1"), 16),
    ] {
        let counted = allocations(&snapshot, &ground, &asked);
        println!("{name}: {counted}");
        assert!(counted <= most, "{name}: {counted}");
    }
}

/// It lies in the future of the whole request, which is moved as a whole.
#[test]
fn what_a_decision_carries_across_its_waits_is_bounded() {
    let (snapshot, ground) =
        (Files::new(ROUTES, "permit (principal, action, resource);", ACTIONS).compile(), Ground::usual());
    let (asked, mut trail) = (Asked::new(Method::GET, "/"), Trail::begin(now().steady));
    let request = asked.request();
    let size = size_of_val(&decide(&request, &snapshot, &ground.world, now(), &mut trail));
    println!("{size}");
    assert!(size <= 4096, "{size}");
}
