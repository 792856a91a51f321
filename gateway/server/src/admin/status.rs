//! What is in force, what does it depend on, and how does it fail?

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::Admin;
use super::problem::Refused;
use crate::control::ReloadOutcome;

#[derive(Serialize)]
pub(super) struct Report {
    ready: bool,
    config: Config,
    dependencies: Vec<Dependency>,
    unguarded_routes: Vec<String>,
}

#[derive(Serialize)]
struct Config {
    version: String,
    since: i64,
    /// What is wrong with the newest files; empty while they are in force.
    pending_errors: Vec<String>,
}

#[derive(Serialize)]
struct Dependency {
    name: String,
    state: &'static str,
    detail: String,
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
            pending_errors: admin.publisher.pending_errors().iter().map(ToString::to_string).collect(),
        },
        dependencies,
        unguarded_routes: published.snapshot.unguarded().map(ToString::to_string).collect(),
    }
}

pub(super) async fn status(State(admin): State<Admin>) -> Json<Report> {
    Json(report(&admin).await)
}

pub(super) async fn routes(State(admin): State<Admin>) -> Json<Value> {
    let published = admin.shared.current();
    let routes: Vec<Value> = published
        .snapshot
        .routes()
        .map(|rules| json!({ "name": &*rules.name, "match": &*rules.pattern, "authenticate": &*rules.authenticate }))
        .collect();
    Json(json!({ "items": routes }))
}

pub(super) async fn reload(State(admin): State<Admin>) -> Response {
    let publisher = std::sync::Arc::clone(&admin.publisher);
    match tokio::task::spawn_blocking(move || publisher.reload()).await {
        Ok(ReloadOutcome::Applied { version, warnings }) => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            Json(json!({ "result": "applied", "version": &*version, "warnings": warnings })).into_response()
        }
        Ok(ReloadOutcome::Unchanged) => Json(json!({ "result": "unchanged" })).into_response(),
        Ok(ReloadOutcome::Refused(errors)) => {
            let detail = "the files do not hold together, and the old configuration stays in force; see `errors`";
            let mut refused = Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "config_refused", detail);
            refused.errors = errors.iter().map(|error| json!(error)).collect();
            refused.into_response()
        }
        Err(_) => {
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the reload failed").into_response()
        }
    }
}
