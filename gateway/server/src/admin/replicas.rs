//! Which gateways run on this store, and do all of them do the same?

use axum::Json;
use axum::extract::State;
use portcullis_core::moment::Moment;
use schemars::JsonSchema;
use serde::Serialize;

use super::Admin;
use super::operation::Operation;
use super::problem::Refused;
use crate::world::store::Replica;

pub(super) fn operations() -> Vec<Operation> {
    let summary = "The gateways on this store, the longest running first, and which revision each does.";
    vec![Operation::get("/v1/replicas", "listReplicas", summary, list).answers::<Replicas>(200)]
}

/// The gateways on one store.
#[derive(JsonSchema, Serialize)]
struct Replicas {
    items: Vec<Shown>,
    /// Whether all that are heard of have the same texts in force.
    agree: bool,
}

/// What one of them said of itself last.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Replica")]
struct Shown {
    /// Another one for each start.
    id: String,
    /// The name of its machine.
    host: String,
    /// Of the program.
    version: String,
    /// `running`, or `silent`: it was to be heard of by now. One that ended as it should is not listed; one that did not
    /// is, for a quarter of an hour.
    state: &'static str,
    started_at: i64,
    seen_at: i64,
    /// The revision in force there; null while it has no number yet.
    revision: Option<u64>,
    /// Of all texts in force there: replicas with the same hash do the same.
    hash: String,
    /// Faults of what should be in force there and is not; `/v1/status` of that replica tells them.
    pending_errors: u64,
    /// Whether it is the one that answers.
    this: bool,
}

async fn list(State(admin): State<Admin>) -> Result<Json<Replicas>, Refused> {
    let (own, now) = (admin.presence.now(), admin.shared.world.clock.now().wall);
    let mut known = admin.store.replicas.list().await.map_err(|error| Refused::store(&error))?;
    // What it does itself it knows best.
    known.retain(|replica| replica.id != own.id);
    known.push(own);
    known.sort_by(|one, other| (one.started, &one.id).cmp(&(other.started, &other.id)));
    let running = || known.iter().filter(|replica| !replica.is_silent(now));
    let agree = running().zip(running().skip(1)).all(|(one, other)| one.hash == other.hash);
    let items = known.iter().map(|replica| shown(replica, admin.presence.id(), now)).collect();
    Ok(Json(Replicas { items, agree }))
}

fn shown(replica: &Replica, own: &str, now: Moment) -> Shown {
    Shown {
        id: replica.id.clone(),
        host: replica.host.clone(),
        version: replica.version.clone(),
        state: if replica.is_silent(now) { "silent" } else { "running" },
        started_at: replica.started.seconds(),
        seen_at: replica.seen.seconds(),
        revision: replica.revision,
        hash: replica.hash.clone(),
        pending_errors: replica.pending_errors,
        this: replica.id == own,
    }
}
