//! What does a decision cost? `cargo bench -p portcullis-core --bench journey`; `-- --quick` for a first look.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "shared/cases.rs"]
mod cases;
#[path = "../tests/journey/ground.rs"]
mod ground;

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use http::Method;
use portcullis_core::validate::{BodySchema, Limits};

use cases::{Case, cases, snapshot, snapshot_of, travel, unlimited, with_policies};
use ground::{Asked, Ground, now};

fn decisions(criterion: &mut Criterion) {
    let (snapshot, ground) = (snapshot(), Ground::usual());
    let mut group = criterion.benchmark_group("decide");
    for case in cases(&ground) {
        group.bench_function(case.name, |bencher| bencher.iter(|| travel(&snapshot, &ground, &case)));
    }
    let ground = unlimited();
    let bearer = format!("Bearer {}", ground.token);
    for (name, routes) in [("ten_routes", 10), ("ten_thousand_routes", 10_000)] {
        let snapshot = snapshot_of(routes);
        let asked = Asked::new(Method::GET, "/a0/1").with("authorization", &bearer);
        let case = Case { name, asked, refused: None };
        group.bench_function(name, |bencher| bencher.iter(|| travel(&snapshot, &ground, &case)));
    }
    group.finish();
}

/// What policies cost that may apply, and those that cannot: the latter nothing.
fn policies(criterion: &mut Criterion) {
    let ground = Ground::usual();
    let bearer = format!("Bearer {}", ground.token);
    let asked = Asked::new(Method::GET, "/asked/1").with("authorization", &bearer);
    let case = Case { name: "asked", asked, refused: None };
    for (name, action) in [("policies_that_may_apply", "asked"), ("policies_that_cannot_apply", "many")] {
        let mut group = criterion.benchmark_group(name);
        for number in [5, 50, 500, 5000] {
            let snapshot = with_policies(number, action);
            group.bench_function(number.to_string(), |bencher| {
                bencher.iter(|| travel(&snapshot, &ground, &case));
            });
        }
        group.finish();
    }
}

/// Each stage by itself, on its usual way.
fn stages(criterion: &mut Criterion) {
    let (snapshot, ground) = (snapshot(), Ground::usual());
    let bearer = format!("Bearer {}", ground.token);
    let asked = Asked::new(Method::GET, "/limited").with("authorization", &bearer);
    let request = asked.request();
    let found = snapshot.table.find(&request.host, &asked.method, request.path).unwrap();
    let rules = snapshot.rules(found.route).unwrap();
    let world = &ground.world;
    let identify = || rules.identify.identify(&request, world.sources(), now()).now_or_never().unwrap().unwrap();
    let identity = identify();
    let mut group = criterion.benchmark_group("stage");
    group.bench_function("route", |bencher| {
        bencher.iter(|| black_box(snapshot.table.find(&request.host, &asked.method, request.path).unwrap()));
    });
    group.bench_function("guard", |bencher| {
        bencher.iter(|| rules.guard.admit(&request, &*world.local, now()).unwrap());
    });
    group.bench_function("identify", |bencher| bencher.iter(|| black_box(identify())));
    group.bench_function("limit", |bencher| {
        let charge = || rules.limit.charge(&request, &identity, world.desks(1), now());
        bencher.iter(|| black_box(charge().now_or_never().unwrap().unwrap()));
    });
    let json = Asked::new(Method::POST, "/orders").with("content-type", "application/json");
    let posted = json.request();
    let found = snapshot.table.find(&posted.host, &json.method, posted.path).unwrap();
    let validate = &snapshot.rules(found.route).unwrap().validate;
    let body = Bytes::from_static(b"{\"quantity\":1}");
    group.bench_function("validate", |bencher| {
        bencher.iter(|| black_box(validate.body(&json.method, &json.headers, &body).unwrap()));
    });
    group.finish();
}

/// What a body costs for each KiB: read strictly and held against a schema.
fn bodies(criterion: &mut Criterion) {
    let schema = r#"{"type":"object","properties":{"rows":{"type":"array","items":{"type":"object","required":["id","name"],
        "properties":{"id":{"type":"integer","minimum":0},"name":{"type":"string","maxLength":64}},
        "additionalProperties":false}}}}"#;
    let schema = BodySchema::compile(schema.as_bytes(), Limits::default()).unwrap();
    let mut group = criterion.benchmark_group("validated_body");
    for kib in [1, 16, 256] {
        let mut body = String::from("{\"rows\":[");
        while body.len() < kib * 1024 {
            let _ = write!(body, "{{\"id\":{},\"name\":\"a name of some length\"}},", body.len());
        }
        body.pop();
        body.push_str("]}");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{kib}_kib"), |bencher| {
            bencher.iter(|| black_box(schema.check(body.as_bytes()).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, policies, stages, bodies);
criterion_main!(benches);
