//! The whole journey, with fakes at the ports only.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod ground;
mod modes;
mod preflights;
mod snapshot;
mod stages;

use bytes::Bytes;
use futures::FutureExt;
use portcullis_core::journey::{Permit, Turned, decide};
use portcullis_core::refusal::Refusal;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;
use portcullis_core::validate::BodyPlan;

use ground::{Asked, Ground, now};

/// The whole way of one request; fakes never make it wait.
fn travel(snapshot: &Snapshot, ground: &Ground, asked: &Asked, body: &[u8]) -> (Result<Permit, Turned>, Trail) {
    let mut trail = Trail::begin(now().steady);
    let world = &ground.world;
    let request = asked.request();
    let granted = decide(&request, snapshot, world, now(), &mut trail).now_or_never().unwrap();
    let outcome = granted.and_then(|granted| match granted.body() {
        BodyPlan::Nothing | BodyPlan::Stream(_) => granted.admit_unread(&mut trail),
        BodyPlan::Hold(_) => {
            let again = granted.asks_with_body().then_some(&request);
            let body = Bytes::copy_from_slice(body);
            granted.admit(&body, (&asked.method, &asked.headers), again, (&*world.clock, now()), &mut trail)
        }
    });
    (outcome, trail)
}

fn refusal(outcome: Result<Permit, Turned>) -> Refusal {
    match outcome.unwrap_err() {
        Turned::Refused(refusal) => refusal,
        Turned::Answered(answer) => unreachable!("{answer:?}"),
    }
}

/// How the stages ended, as `stage:end`.
fn told(trail: &Trail) -> String {
    use portcullis_core::trail::End;
    let word = |end| match end {
        End::Passed => "passed".to_owned(),
        End::Refused(code) => format!("refused({})", code.name()),
        End::Skipped => "skipped".to_owned(),
        End::WouldRefuse(code) => format!("would_refuse({})", code.name()),
    };
    trail.steps().iter().map(|step| format!("{}:{}", step.stage.name(), word(step.end))).collect::<Vec<_>>().join(" ")
}
