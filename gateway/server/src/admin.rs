//! How do operators reach the gateway? A listener of its own: health, metrics, keys, status, reload.

mod access;
mod again;
mod audit;
mod backups;
mod bounds;
mod call;
mod decisions;
mod frame;
mod health;
mod input;
pub(crate) mod key_file;
mod keys;
mod named;
mod openapi;
mod operation;
mod policies;
mod problem;
mod query;
mod replicas;
mod revisions;
mod revocations;
mod sessions;
mod status;
mod table;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum_server::accept::DefaultAcceptor;
use serde_json::Value;
use tokio::sync::watch;

use crate::control::{Presence, Publisher};
use crate::shared::Shared;
use crate::world::backups::Backups;
use crate::world::jwks::Jwks;
use crate::world::redis::RedisCounters;
use crate::world::store::Stored;

pub(crate) use access::mint;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    store: Stored,
    /// `None`: each process counts for itself.
    counters: Option<RedisCounters>,
    jwks: Arc<Jwks>,
    backups: Backups,
    presence: Presence,
    /// The document, made once.
    openapi: Arc<Value>,
}

impl Admin {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (publisher, presence): (Arc<Publisher>, Presence),
        (store, counters): (Stored, Option<RedisCounters>),
        jwks: Arc<Jwks>,
    ) -> Self {
        let snapshot = Arc::clone(&shared.current().snapshot);
        let (records, clock) = (Arc::clone(store.records()), Arc::clone(&shared.world.clock));
        let backups = Backups::new(snapshot.store(), snapshot.root(), records, clock);
        Self {
            shared,
            publisher,
            store,
            counters,
            jwks,
            backups,
            presence,
            openapi: Arc::new(openapi::document(&table::operations())),
        }
    }
}

fn probes() -> Router<Admin> {
    Router::new().route("/livez", get(health::livez)).route("/metrics", get(health::metrics))
}

/// Serves the admin API over HTTPS until `stopped` changes.
pub(crate) async fn serve(admin: Admin, listener: TcpListener, stopped: watch::Receiver<bool>) {
    let doorkeeper = tls::Doorkeeper(Arc::clone(&admin.shared));
    let connections = admin.shared.current().snapshot.admin().max_connections;
    let router = probes()
        .route("/readyz", get(health::readyz_in_detail))
        .route("/_portcullis/refusals/{code}", get(problem::page))
        .merge(table::router(&admin))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(admin.clone(), access::check_host))
        .layer(from_fn(named::named))
        .with_state(admin);
    let handle = axum_server::Handle::new();
    tokio::spawn(shut_down(handle.clone(), stopped));
    let served = match axum_server::from_tcp(listener) {
        Ok(server) => {
            let mut server = server.acceptor(bounds::Bounded::new(doorkeeper, connections)).handle(handle);
            bounds::bound(server.http_builder());
            server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "the admin listener ended");
    }
}

/// Serves health and metrics alone over plain HTTP until `stopped` changes.
pub(crate) async fn serve_probes(admin: Admin, listener: TcpListener, stopped: watch::Receiver<bool>) {
    let connections = admin.shared.current().snapshot.admin().max_connections;
    // In clear text nobody shows a key, so there is no detail either.
    let router = probes()
        .route("/readyz", get(health::readyz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn(named::named))
        .with_state(admin);
    let handle = axum_server::Handle::new();
    tokio::spawn(shut_down(handle.clone(), stopped));
    let served = match axum_server::from_tcp(listener) {
        Ok(server) => {
            let mut server = server.acceptor(bounds::Bounded::new(DefaultAcceptor::new(), connections)).handle(handle);
            bounds::bound(server.http_builder());
            server.serve(router.into_make_service()).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "the probes listener ended");
    }
}

async fn shut_down(handle: axum_server::Handle<SocketAddr>, mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
    handle.graceful_shutdown(Some(std::time::Duration::from_secs(5)));
}
