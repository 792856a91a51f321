//! How often does a decision ask for memory? A bound for each way, so that nothing grows unseen.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "journey/ground.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod ground;

use std::alloc::System;

use futures::FutureExt;
use http::Method;
use portcullis_core::journey::decide;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;
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
"#;
const ACTIONS: &str = r#"
action "home" appliesTo { principal: [Anonymous], resource: [App] };
action "list" appliesTo { principal: [User, Client], resource: [App] };
"#;

/// The fewest allocations of several runs: the test's own harness may allocate meanwhile.
fn allocations(snapshot: &Snapshot, ground: &Ground, asked: &Asked) -> usize {
    let once = || {
        let region = Region::new(ALLOCATOR);
        let mut trail = Trail::begin(now().steady);
        let granted = decide(&asked.request(), snapshot, &ground.world, now(), &mut trail).now_or_never();
        drop(granted.unwrap().unwrap().admit_unread(&mut trail).unwrap());
        region.change().allocations
    };
    (0..8).map(|_| once()).min().unwrap()
}

/// One test, for the counter is the whole process's.
#[test]
fn the_whole_way_of_a_request_asks_for_memory_a_bounded_number_of_times() {
    let (snapshot, ground) =
        (Files::new(ROUTES, "permit (principal, action, resource);", ACTIONS).compile(), Ground::usual());
    let public = allocations(&snapshot, &ground, &Asked::new(Method::GET, "/"));
    let bearer = format!("Bearer {}", ground.token);
    let known = Asked::new(Method::GET, "/orders/1").with("authorization", &bearer);
    let known = allocations(&snapshot, &ground, &known);
    println!("public {public}, known token {known}");
    assert!(public <= 40, "{public}");
    assert!(known <= 50, "{known}");
}
