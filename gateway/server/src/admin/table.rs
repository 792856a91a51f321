//! Everything that can be asked of the admin API.

use axum::Router;
use axum::middleware::from_fn_with_state;

use super::operation::{Facts, Operation};
use super::{
    Admin, audit, backups, decisions, frame, keys, openapi, policies, replicas, revisions, revocations, sessions,
    status,
};

/// In the order of the document.
pub(super) fn operations() -> Vec<Operation> {
    [
        openapi::operations(),
        keys::operations(),
        revocations::operations(),
        sessions::operations(),
        decisions::operations(),
        audit::operations(),
        backups::operations(),
        policies::operations(),
        revisions::operations(),
        replicas::operations(),
        status::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The routes of all of them, each in its frame.
pub(super) fn router(admin: &Admin) -> Router<Admin> {
    operations().into_iter().fold(Router::new(), |router, Operation { facts, handler }| {
        let path = facts.path;
        // Made once, and needed for as long as anybody is served.
        let facts: &'static Facts = Box::leak(Box::new(facts));
        router.route(path, handler.route_layer(from_fn_with_state((admin.clone(), facts), frame::around)))
    })
}
