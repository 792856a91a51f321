//! How do operators reach the gateway? A listener of its own: health, metrics, keys, status, reload.

mod access;
mod health;
mod keys;
mod problem;
mod revocations;
mod status;
mod tls;

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use tokio::sync::watch;

use crate::control::Publisher;
use crate::shared::Shared;
use crate::world::jwks::Jwks;
use crate::world::store::Stored;

pub(crate) use access::{ensure_key, mint};
pub(crate) use tls::TlsSlot;

/// The largest request body of the admin API, in bytes.
const LARGEST_BODY: usize = 256 * 1024;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    store: Stored,
    jwks: Arc<Jwks>,
}

impl Admin {
    pub(crate) fn new(shared: Arc<Shared>, publisher: Arc<Publisher>, store: Stored, jwks: Arc<Jwks>) -> Self {
        Self { shared, publisher, store, jwks }
    }
}

fn probes() -> Router<Admin> {
    Router::new().route("/livez", get(health::livez)).route("/metrics", get(health::metrics))
}

fn api(admin: &Admin) -> Router<Admin> {
    Router::new()
        .route("/v1/keys", post(keys::create).get(keys::list))
        .route("/v1/keys/{id}", get(keys::show).delete(keys::revoke))
        .route("/v1/revocations", post(revocations::create).get(revocations::list))
        .route("/v1/revocations/{id}", delete(revocations::remove))
        .route("/v1/status", get(status::status))
        .route("/v1/routes", get(status::routes))
        .route("/v1/config/reload", post(status::reload))
        .layer(from_fn_with_state(admin.clone(), access::demand_key))
}

/// Serves the admin API over HTTPS until `stopped` changes.
pub(crate) async fn serve(admin: Admin, listener: TcpListener, tls: TlsSlot, stopped: watch::Receiver<bool>) {
    let router = probes()
        .route("/readyz", get(health::readyz_in_detail))
        .route("/_portcullis/refusals/{code}", get(problem::page))
        .merge(api(&admin))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(admin.clone(), access::check_host))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(admin);
    let handle = axum_server::Handle::new();
    tokio::spawn(shut_down(handle.clone(), stopped));
    let served = match axum_server::from_tcp_rustls(listener, tls.config()) {
        Ok(server) => server.handle(handle).serve(router.into_make_service()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "the admin listener ended");
    }
}

/// Serves health and metrics alone over plain HTTP until `stopped` changes.
pub(crate) async fn serve_probes(admin: Admin, listener: TcpListener, stopped: watch::Receiver<bool>) {
    // In clear text nobody shows a key, so there is no detail either.
    let router = probes()
        .route("/readyz", get(health::readyz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(admin);
    let handle = axum_server::Handle::new();
    tokio::spawn(shut_down(handle.clone(), stopped));
    let served = match axum_server::from_tcp(listener) {
        Ok(server) => server.handle(handle).serve(router.into_make_service()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "the probes listener ended");
    }
}

async fn shut_down(handle: axum_server::Handle<std::net::SocketAddr>, mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
    handle.graceful_shutdown(Some(std::time::Duration::from_secs(5)));
}
