//! How far does a request travel that asks for a page of our own? As far as its guard, or until it is known who asks.

use std::sync::Arc;

use super::{Turned, Walk};
use crate::guard::Guard;
use crate::identify::Caller;
use crate::mode::Mode;
use crate::moment::Now;
use crate::ports::World;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trail::{Stage, Trail};

/// Whether this address may ask for a page of our own.
///
/// # Errors
/// As the guard of a route.
pub fn approach(
    request: &Request<'_>,
    snapshot: &Snapshot,
    world: &World,
    now: Now,
    trail: &mut Trail,
) -> Result<(), Turned> {
    let mut walk = Walk::new(trail, &*world.clock);
    let guard = &snapshot.own().guard;
    if walk.bites(Stage::Guard, guard.mode) {
        let admitted = guard.admit(request, &*world.local, now);
        walk.brief(true).judge(Stage::Guard, guard.mode, admitted)?;
    }
    Ok(())
}

/// Who asks, by whatever credential.
///
/// # Errors
/// As the identify stage of a route that takes every way and demands one.
pub async fn whoever(
    request: &Request<'_>,
    snapshot: &Snapshot,
    world: &World,
    now: Now,
    trail: &mut Trail,
) -> Result<Caller, Turned> {
    let own = snapshot.own();
    let mut walk = Walk::new(trail, &*world.clock);
    let found = own.identify.caller(request, world.sources(), now).await;
    let found =
        found.map_err(|refusal| counted(&mut walk, (&own.guard, own.guard.mode), (request, world, now), refusal));
    let admitted = found.and_then(|Caller { identity, ended_session }| {
        identity.admit(request.client, "").map(|identity| Caller { identity, ended_session })
    });
    let caller = walk.must(Stage::Identify, admitted)?;
    walk.trail.identity = Some(Arc::clone(&caller.identity));
    Ok(caller)
}

/// What becomes of a caller who was not identified: counted where the credential may have been made up, and held off
/// where there were too many of those.
pub(super) fn counted(
    walk: &mut Walk<'_>,
    (guard, mode): (&Guard, Mode),
    (request, world, now): (&Request<'_>, &World, Now),
    refusal: Refusal,
) -> Refusal {
    let Some(guess) = refusal.extra.as_ref().and_then(|extra| extra.guess.as_ref()) else { return refusal };
    let counted = match mode {
        Mode::Off => Ok(()),
        Mode::Enforce | Mode::Shadow => guard.failed(request.client, guess.account.as_deref(), &world.failures, now),
    };
    match (counted, mode) {
        (Ok(()), _) => refusal,
        (Err(over), Mode::Enforce) => {
            let why = format!("{}; {}", over.reason, refusal.reason);
            over.because(why)
        }
        (Err(over), Mode::Off | Mode::Shadow) => {
            walk.trail.would_refuse.push((Stage::Guard, over));
            refusal
        }
    }
}
