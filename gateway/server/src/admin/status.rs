//! What is in force, what does it depend on, and how does it fail?

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_core::config::ControlSource;
use portcullis_core::snapshot::Rules;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::Admin;
use super::call::{Call, Purpose};
use super::operation::Operation;
use super::problem::Refused;
use crate::control::ReloadOutcome;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/status",
            "showStatus",
            "What is in force, and how each dependency stands and fails.",
            status,
        )
        .answers::<Report>(200),
        Operation::get("/v1/routes", "listRoutes", "The routes in force, in the order of the files.", routes)
            .answers::<Routes>(200),
        Operation::post("/v1/config/reload", "reloadConfig", "Reads the files again, all of them or nothing.", reload)
            .answers::<Reloaded>(200)
            .refuses(422, "config_refused")
            .refuses(500, "internal_error"),
    ]
}

/// How the gateway stands.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Status")]
pub(super) struct Report {
    ready: bool,
    config: Config,
    dependencies: Vec<Dependency>,
    unguarded_routes: Vec<String>,
}

/// The configuration in force.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "ConfigStatus")]
struct Config {
    version: String,
    since: i64,
    /// What decides: `files` of this machine, or the `store`.
    source: ControlSource,
    /// Whether a rollback holds in the place of the files, until they change.
    pinned: bool,
    /// The revision that this replica does; null while it has no number yet.
    revision: Option<u64>,
    /// Of its texts: replicas with the same hash do the same.
    hash: String,
    /// What is wrong with what should be in force, the newest files or the revision of the store; empty while it is.
    pending_errors: Vec<String>,
}

/// Something the gateway needs.
#[derive(JsonSchema, Serialize)]
struct Dependency {
    name: String,
    /// `up` or `down`.
    state: &'static str,
    detail: String,
    /// What happens while it is down.
    failure_mode: &'static str,
}

pub(super) async fn report(admin: &Admin) -> Report {
    let published = admin.shared.current();
    let now = admin.shared.world.clock.now().wall;
    let mut dependencies = vec![Dependency {
        name: "store".to_owned(),
        state: if admin.store.admin_key.hash().await.is_ok() { "up" } else { "down" },
        detail: String::new(),
        failure_mode: "keys answer from memory, then 503; admin writes answer 503",
    }];
    if let Some(counters) = &admin.counters {
        let answered = counters.answers().await;
        dependencies.push(Dependency {
            name: "counters".to_owned(),
            state: if answered.is_ok() { "up" } else { "down" },
            detail: answered.err().unwrap_or_default(),
            failure_mode: "each limit does what its `on_store_failure` says: count here, refuse with 503, or let pass",
        });
    }
    for source in admin.jwks.status() {
        dependencies.push(Dependency {
            state: if source.fetched_at.is_some() && source.last_error.is_none() { "up" } else { "down" },
            detail: match (&source.last_error, source.fetched_at) {
                (Some(error), _) => error.clone(),
                (None, Some(at)) => format!("fetched {} s ago", now.since(at).as_secs()),
                (None, None) => "not fetched yet".to_owned(),
            },
            name: format!("tokens.{}", source.alias),
            failure_mode: "the last good keys hold up to `max_age`, then 503",
        });
    }
    for upstream in &published.peers.upstreams {
        let (healthy, all) = upstream.healthy();
        dependencies.push(Dependency {
            name: format!("upstreams.{}", upstream.name),
            state: if healthy > 0 { "up" } else { "down" },
            detail: format!("{healthy} of {all} targets in use"),
            failure_mode: "another target is tried for safe requests, then 502, 503 or 504",
        });
    }
    Report {
        ready: true,
        config: Config {
            version: published.snapshot.version.to_string(),
            since: published.since.seconds(),
            source: admin.publisher.source(),
            pinned: admin.publisher.source() == ControlSource::Files && published.revision.is_some(),
            revision: admin.publisher.chronicle().in_force().map(|revision| revision.number),
            hash: published.hash.clone(),
            pending_errors: admin.publisher.pending_errors().iter().map(ToString::to_string).collect(),
        },
        dependencies,
        unguarded_routes: published.snapshot.unguarded().map(ToString::to_string).collect(),
    }
}

async fn status(State(admin): State<Admin>) -> Json<Report> {
    Json(report(&admin).await)
}

/// The routes in force.
#[derive(JsonSchema, Serialize)]
struct Routes {
    items: Vec<Route>,
}

/// One route.
#[derive(JsonSchema, Serialize)]
struct Route {
    /// The Cedar action, too.
    name: String,
    #[serde(rename = "match")]
    pattern: String,
    /// In words: `jwt or api_key`, `public`.
    authenticate: String,
}

async fn routes(State(admin): State<Admin>) -> Json<Routes> {
    let published = admin.shared.current();
    let route = |rules: &Rules| Route {
        name: rules.name.to_string(),
        pattern: rules.pattern.to_string(),
        authenticate: rules.authenticate.to_string(),
    };
    Json(Routes { items: published.snapshot.routes().map(route).collect() })
}

/// What became of a reload.
#[derive(JsonSchema, Serialize)]
struct Reloaded {
    /// `applied` or `unchanged`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

async fn reload(State(admin): State<Admin>, call: Call) -> Response {
    let publisher = std::sync::Arc::clone(&admin.publisher);
    let reload = move || {
        let outcome = match call.purpose {
            Purpose::Apply => publisher.reload(),
            Purpose::Rehearse => publisher.rehearse(),
        };
        // Thousands of routes may each have a warning.
        let _turn = publisher.chronicle().turns().take();
        told(outcome)
    };
    tokio::task::spawn_blocking(reload).await.unwrap_or_else(|_| {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the reload failed").into_response()
    })
}

fn told(outcome: ReloadOutcome) -> Response {
    match outcome {
        ReloadOutcome::Applied { version, warnings } => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            let (version, warnings) = (Some(version.to_string()), Some(warnings));
            Json(Reloaded { result: "applied", version, warnings }).into_response()
        }
        ReloadOutcome::Unchanged => {
            Json(Reloaded { result: "unchanged", version: None, warnings: None }).into_response()
        }
        ReloadOutcome::Refused(errors) => {
            let detail = "the files do not hold together, and the old configuration stays in force; see `errors`";
            let mut refused = Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "config_refused", detail);
            refused.errors = errors.iter().map(|error| json!(error)).collect();
            refused.into_response()
        }
    }
}
