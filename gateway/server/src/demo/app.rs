//! What stands behind the gateway? A prototype that trusts whoever reaches it.
//!
//! It knows nothing of authentication, checks no input, and believes `X-Portcullis-User`: all that is the
//! gateway's work. Orders live in memory.

mod echo;
mod orders;
mod page;
mod streams;
#[cfg(test)]
mod tests;

use std::io;

use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;

use super::serving::{Ending, serve_until};

/// The largest order that is read. The echo reads without keeping, so it has no bound.
const MAX_BODY: usize = 64 * 1024;

/// Serves the app on `listener`, plain HTTP, until `shutdown`.
///
/// Fails when the listener does. Event streams and sockets end with the server, within two seconds.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    serve_until(listener, router, shutdown).await
}

fn router(ending: Ending) -> Router {
    Router::new()
        .route("/", get(page::home))
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .merge(orders::routes())
        .route("/api/limited", get(|| async { Json(json!({ "ok": true })) }))
        .route("/api/echo", any(echo::echo))
        .merge(streams::routes(ending))
        .fallback(|| async { not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "not found" }))).into_response()
}
