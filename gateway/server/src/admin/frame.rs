//! What happens around every operation: who asks, may they, and is the request whole? Then the handler, and nothing
//! else decides whether it runs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::RequestPartsExt as _;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portcullis_core::govern::{KeyFacts, Subject};
use serde::Deserialize;

use super::again::{Credential, Keyed};
use super::call::{self, Call, DRY_RUN, Purpose};
use super::operation::{About, Facts, Rehearsal};
use super::problem::Refused;
use super::tls::Visitor;
use super::{Admin, access, query};

/// Until a body has arrived whole.
const BODY: Duration = Duration::from_secs(10);

/// Runs an operation in its frame.
pub(super) async fn around(
    State((admin, facts)): State<(Admin, &'static Facts)>,
    request: Request,
    next: Next,
) -> Response {
    match prepare(&admin, facts, request).await {
        Ok((request, purpose, keyed)) => {
            let mut response = match keyed {
                Some(keyed) => keyed.run(admin, request, next).await,
                None => next.run(request).await,
            };
            let fields = response.headers_mut();
            if purpose == Purpose::Rehearse {
                fields.insert(DRY_RUN, HeaderValue::from_static("true"));
            }
            fields.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            response
        }
        Err(refused) => refused.into_response(),
    }
}

async fn prepare(admin: &Admin, facts: &Facts, request: Request) -> Result<(Request, Purpose, Option<Keyed>), Refused> {
    let (mut parts, body) = request.into_parts();
    let published = admin.shared.current();
    let peer = peer(&parts);
    let who = access::who(admin, &published, &parts, peer).await?;
    let purpose = query::purpose(facts, parts.uri.query())?;
    let body = if facts.method == Method::GET { Bytes::new() } else { whole(facts, &parts, body).await? };
    let call = Call::new(who, peer, purpose, published, &parts.headers)?;
    permitted(admin, facts, &call, &mut parts, &body).await?;
    call::must_name_a_version(&call, facts)?;
    let certificate = Visitor::certificate(&parts, &call.published)?;
    let credential = access::shown(&parts.headers).map(Credential::Shown);
    let credential = credential.or(certificate.as_ref().map(|certificate| Credential::Proven(&certificate.thumbprint)));
    let keyed = match facts.rehearsal {
        Rehearsal::NoNeed => None,
        Rehearsal::Possible => match credential {
            None => None,
            Some(credential) => Keyed::of(&parts, call.actor(), credential, &body)?,
        },
    };
    parts.extensions.insert(call);
    // What is only tried may be tried again.
    let keyed = keyed.filter(|_| purpose == Purpose::Apply);
    Ok((Request::from_parts(parts, Body::from(body)), purpose, keyed))
}

/// The other end of the connection; an address nobody has where there is none, so that nothing is allowed by mistake.
pub(super) fn peer(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical())
}

/// The body, within its bounds and its time.
async fn whole(facts: &Facts, parts: &Parts, body: Body) -> Result<Bytes, Refused> {
    let declared = parts.headers.get(header::CONTENT_TYPE);
    let json = |value: &HeaderValue| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("application/merge-patch+json")
    };
    if facts.body.is_some() && declared.is_some_and(|value| !json(value)) {
        let detail = "the body must be `application/json`";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    match tokio::time::timeout(BODY, to_bytes(body, facts.largest_body)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_large(&error) => {
            let detail = format!("the body is larger than {} KiB", facts.largest_body / 1024);
            Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail))
        }
        Ok(Err(_)) => Err(Refused::new(StatusCode::BAD_REQUEST, "malformed_request", "the body did not arrive whole")),
        Err(_) => {
            let detail = "the body did not arrive within 10 seconds";
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What of a new key the policies are asked about; whether the rest is right is for the handler.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Described {
    owner: String,
    roles: Vec<String>,
    metadata: DescribedMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DescribedMetadata {
    project: Option<String>,
}

async fn permitted(admin: &Admin, facts: &Facts, call: &Call, parts: &mut Parts, body: &[u8]) -> Result<(), Refused> {
    match facts.about {
        About::Gateway => call.may(facts.id, Subject::Gateway),
        About::Key => {
            let Path(names): Path<HashMap<String, String>> = parts.extract().await?;
            let id = names.get("id").map_or("", String::as_str);
            let found = admin.store.keys.find(id).await.map_err(|error| Refused::store(&error))?;
            match found {
                Some(key) => call.may(facts.id, Subject::Key(super::keys::facts(&key.record))),
                // Whoever may not see every key does not learn which there are.
                None => call.may(facts.id, Subject::Key(KeyFacts { id, ..KeyFacts::default() })),
            }
        }
        About::NewKey => {
            // What cannot be read is told by the handler, to whoever may make some key at least.
            let described: Described = serde_json::from_slice(body).unwrap_or_default();
            let key = KeyFacts {
                id: "",
                owner: &described.owner,
                project: described.metadata.project.as_deref(),
                roles: &described.roles,
            };
            call.may(facts.id, Subject::Key(key))
        }
    }
}
