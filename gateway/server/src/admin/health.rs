//! Is it alive, is it able, and what are its numbers? Without a credential, and without detail.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::govern::Subject;

use super::problem::Refused;
use super::{Admin, access, frame, status};

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Ready means: a configuration is in force and requests are decided.
pub(super) async fn readyz() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ready\n")
}

/// The same, with detail for whoever may see the status.
pub(super) async fn readyz_in_detail(State(admin): State<Admin>, request: Request) -> Response {
    match may_see(&admin, request).await {
        Ok(()) => axum::Json(status::report(&admin).await).into_response(),
        Err(_) => readyz().await.into_response(),
    }
}

async fn may_see(admin: &Admin, request: Request) -> Result<(), Refused> {
    let (parts, _) = request.into_parts();
    let (published, peer) = (admin.shared.current(), frame::peer(&parts));
    let who = access::who(admin, &published, &parts, peer).await?;
    let seen = published.snapshot.governance().may(&who, "showStatus", Subject::Gateway, peer);
    seen.map(|_| ()).map_err(|denied| denied.refusal.into())
}

pub(super) async fn metrics(State(admin): State<Admin>) -> Response {
    for source in admin.jwks.status() {
        if let Some(fetched) = source.fetched_at {
            let age = admin.shared.world.clock.now().wall.since(fetched);
            admin.shared.streams.metrics.jwks_age.with_label_values(&[&*source.alias]).set(age.as_secs_f64());
        }
    }
    let revision = admin.publisher.chronicle().in_force().map_or(0, |revision| revision.number);
    admin.shared.streams.metrics.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
    let held = i64::try_from(admin.shared.bodies_held()).unwrap_or(i64::MAX);
    admin.shared.streams.metrics.body_memory.set(held);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.shared.streams.metrics.text())
        .into_response()
}
