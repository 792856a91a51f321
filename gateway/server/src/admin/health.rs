//! Is it alive, is it able, and what are its numbers? Without a credential, and without detail.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Admin, access, status};

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Ready means: a configuration is in force and requests are decided. Detail needs the admin key.
pub(super) async fn readyz(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if access::holds_key(&admin, &headers).await {
        return axum::Json(status::report(&admin).await).into_response();
    }
    (StatusCode::OK, "ready\n").into_response()
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
