//! What do we answer ourselves? The paths below `/_portcullis/`, and CORS preflights.

use http::{HeaderValue, Method, StatusCode, header};
use portcullis_core::identify::{Algorithm, Proof};
use portcullis_core::journey::{Answer, Turned};
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::request::Request;

use crate::control::Published;
use crate::login::Place;
use crate::respond::{self, Reply};
use crate::shared::Shared;

const OURS: &str = "/_portcullis";
const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// `Some`: this path is ours, and here is how it ends.
pub(super) fn answer(request: &Request<'_>, published: &Published, shared: &Shared) -> Option<Turned> {
    let path = request.path.as_str();
    if path == PROTECTED_RESOURCE {
        return Some(reading(request, || protected_resource(request, published)));
    }
    let rest = path.strip_prefix(OURS)?;
    if !rest.is_empty() && !rest.starts_with('/') || Place::of(path).is_some() {
        return None;
    }
    Some(reading(request, || match rest.strip_prefix('/')? {
        "jwks.json" => Some(
            Reply::new(
                StatusCode::OK,
                "application/jwk-set+json",
                shared.assertions.jwks(shared.world.clock.now().wall).to_string(),
            )
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

/// RFC 9728 §2: what this resource is, and where tokens for it come from. `None` where no token is taken.
fn protected_resource(request: &Request<'_>, published: &Published) -> Option<Reply> {
    let snapshot = &published.snapshot;
    let servers: Vec<&str> = snapshot.issuers().collect();
    if servers.is_empty() {
        return None;
    }
    let resource = match &**snapshot.public_url() {
        "" => format!("{}://{}", request.scheme.as_str(), request.host),
        url => url.to_owned(),
    };
    let proofs: Vec<Proof> = snapshot.tokens().map(|(_, source)| source.proof).collect();
    let document = serde_json::json!({
        "resource": resource,
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
        "scopes_supported": snapshot.scopes(),
        "dpop_signing_alg_values_supported": Algorithm::ALL.map(Algorithm::name),
        "dpop_bound_access_tokens_required": proofs.iter().all(|proof| *proof == Proof::Dpop),
        "tls_client_certificate_bound_access_tokens": proofs.contains(&Proof::Mtls),
    });
    // Clients that run in browsers look for it too, and it says nothing that is not for everybody.
    Some(
        Reply::new(StatusCode::OK, "application/json", document.to_string())
            .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
            .with(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    )
}

/// What the journey answered itself, as bytes.
pub(super) fn reply(answer: Answer) -> Reply {
    Reply { status: answer.status, fields: answer.fields, body: answer.body }
}
