//! By what name can a call be asked about? Every answer has one, every refusal says it, and so do the lines of the log
//! that it makes.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::observe::Ids;
use crate::respond::X_REQUEST_ID;

/// A problem is never as long as this, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Gives a call its name. No client's is believed: it could be another's on purpose.
pub(super) async fn named(request: Request, next: Next) -> Response {
    let ids = Ids::make(request.headers(), false);
    let span = tracing::info_span!("admin", request_id = ids.request.as_str());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(&X_REQUEST_ID, ids.request.field());
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() != super::problem::MEDIA_TYPE.as_bytes()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // Ours, and whole already: one that was kept for a repeated request gets the name of this one.
    let body = to_bytes(body, LONGEST).await.unwrap_or_default();
    let Ok(mut problem) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return Response::from_parts(head, Body::from(body));
    };
    problem.insert("instance".to_owned(), ids.decision.as_str().into());
    problem.insert("request_id".to_owned(), ids.request.as_str().into());
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(Value::Object(problem).to_string()))
}
