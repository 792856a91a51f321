//! Is it alive, is it able, and what are its numbers? Without a credential, and without detail.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Admin, access, status};

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Ready means: a configuration is in force and requests are decided.
pub(super) async fn readyz() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ready\n")
}

/// The same, with detail for whoever shows the admin key.
pub(super) async fn readyz_in_detail(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    match access::judge(&admin, &headers).await {
        Ok(()) => axum::Json(status::report(&admin).await).into_response(),
        Err(_) => readyz().await.into_response(),
    }
}

pub(super) async fn metrics(State(admin): State<Admin>) -> Response {
    for source in admin.jwks.status() {
        if let Some(fetched) = source.fetched_at {
            let age = admin.shared.world.clock.now().wall.since(fetched);
            admin.shared.streams.metrics.jwks_age.with_label_values(&[&*source.alias]).set(age.as_secs_f64());
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.shared.streams.metrics.text())
        .into_response()
}
