//! What do we answer ourselves? The paths below `/_portcullis/`, and CORS preflights.

use http::{HeaderValue, Method, StatusCode, header};
use portcullis_core::journey::{Answer, Turned};
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::request::Request;

use crate::control::Published;
use crate::respond::{self, Reply};
use crate::shared::Shared;

const OURS: &str = "/_portcullis";
const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// `Some`: this path is ours, and here is how it ends.
pub(super) fn answer(request: &Request<'_>, published: &Published, shared: &Shared) -> Option<Turned> {
    let path = request.path.as_str();
    if path == PROTECTED_RESOURCE {
        return Some(reading(request, || Some(protected_resource(published))));
    }
    let rest = path.strip_prefix(OURS)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    Some(reading(request, || match rest.strip_prefix('/')? {
        "jwks.json" => Some(
            Reply::new(StatusCode::OK, "application/jwk-set+json", shared.assertions.jwks().to_owned())
                .with(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        ),
        other => respond::documentation(other.strip_prefix("refusals/")?),
    }))
}

fn reading(request: &Request<'_>, reply: impl FnOnce() -> Option<Reply>) -> Turned {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Refusal::new(Code::MethodNotAllowed).allow(vec![Method::GET, Method::HEAD]).into();
    }
    match reply() {
        Some(reply) => Turned::Answered(Answer { status: reply.status, fields: reply.fields, body: reply.body }),
        None => Refusal::new(Code::RouteNotFound).into(),
    }
}

/// RFC 9728 §2: where tokens for this resource come from.
fn protected_resource(published: &Published) -> Reply {
    let snapshot = &published.snapshot;
    let document = serde_json::json!({
        "resource": snapshot.public_url(),
        "authorization_servers": snapshot.issuers().collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"],
    });
    Reply::new(StatusCode::OK, "application/json", document.to_string())
}

/// What the journey answered itself, as bytes.
pub(super) fn reply(answer: Answer) -> Reply {
    Reply { status: answer.status, fields: answer.fields, body: answer.body }
}
