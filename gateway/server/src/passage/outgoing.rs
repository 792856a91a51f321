//! What goes on to the application, and what comes back? Heads, dressed.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use portcullis_core::config::TokenToApp;
use portcullis_core::identify::Principal;
use portcullis_core::journey::Permit;
use portcullis_core::request::Request;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;

use super::Ctx;
use crate::accept::{self, Guard};
use crate::control::Published;
use crate::forward::answer::{self, Switch};
use crate::forward::head::{self, Peer, Unsaid};
use crate::forward::{Upstream, relay};
use crate::login::clear_session;
use crate::observe::{HeadFacts, Words};
use crate::respond;
use crate::shared::Shared;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static DECISION: HeaderName = HeaderName::from_static("x-portcullis-decision");

/// What the connection and the head tell, beyond the lifetime of their borrows.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) trusted: bool,
    scheme: &'static str,
    pub(super) host: HeaderValue,
    /// The target in origin form, where the client used the absolute form.
    origin: Option<String>,
}

impl Facts {
    pub(super) fn of(session: &Session, snapshot: &Snapshot) -> Self {
        let address = session.client_addr().and_then(|address| address.as_inet());
        let peer = address.map(|address| address.ip().to_canonical());
        let trusted = peer.is_some_and(|peer| snapshot.trusts(peer));
        Self { peer, trusted, scheme: "https", host: HeaderValue::from_static(""), origin: None }
    }

    /// With what framing made of the head. `authority` is HTTP/2's, with its port.
    pub(super) fn with(mut self, request: &Request<'_>, raw_target: &[u8], authority: Option<&str>) -> Self {
        self.scheme = request.scheme.as_str();
        if !raw_target.starts_with(b"/") {
            let path = request.path.as_str();
            self.origin = Some(request.query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")));
        }
        let host = || HeaderValue::from_str(authority.unwrap_or(&request.host));
        // As the client wrote it; what framing has read is a value.
        let host = request.headers.get(header::HOST).cloned().map_or_else(host, Ok);
        self.host = host.unwrap_or(self.host);
        self
    }
}

/// Copies what the streams may tell.
pub(super) fn head_facts(session: &Session, request: Option<&Request<'_>>, facts: &Facts) -> HeadFacts {
    let head = session.req_header();
    let agent = head.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // What stands in for a refused head says nothing of what the client asked.
    let said = Guard::of(session.stream()).filter(|guard| guard.stands_in()).map(Guard::said);
    let method = said.map_or_else(|| head.method.as_str(), |said| &said.method);
    let words = match (request, said) {
        (Some(request), _) => Words::of(method, request.path.as_str(), &request.host, agent),
        (None, Some(said)) => Words::of(method, &said.path, &said.host, agent),
        (None, None) => {
            let (path, host) = unread(head);
            Words::of(method, &path, &host, agent)
        }
    };
    HeadFacts {
        words,
        scheme: request.map_or("", |request| request.scheme.as_str()),
        protocol: match head.version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        client: request.map(|request| request.client).or(facts.peer),
        peer: facts.peer,
    }
}

/// Path and host of a head that was refused after Pingora had read it, without its query.
fn unread(head: &RequestHeader) -> (Box<str>, Box<str>) {
    let target = head.raw_path().split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let path = if target.starts_with(b"/") { accept::shown(target, 2048) } else { "".into() };
    let authority = head.uri.authority().map(|authority| authority.host().as_bytes());
    let host = authority.or_else(|| head.headers.get(header::HOST).map(HeaderValue::as_bytes)).unwrap_or_default();
    (path, accept::shown(host.rsplit(|byte| *byte == b'@').next().unwrap_or_default(), 255))
}

/// CORS fields for whatever the gateway or the application answers.
pub(super) fn cors_fields(trail: &Trail, snapshot: &Snapshot, request: &Request<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some(rules) = trail.route.as_ref().and_then(|name| snapshot.rules_named(name)) else { return Vec::new() };
    rules.cors.fields(request)
}

/// The head the application sees. INVARIANT: runs after Pingora has removed what `Connection` names, so a
/// client cannot make us drop what we add here.
pub(super) fn dress(upstream_head: &mut RequestHeader, ctx: &Ctx, shared: &Shared) -> Result<()> {
    let wear = Wear::of(ctx)?;
    if let Some(origin) = &wear.facts.origin {
        // What was matched is what is forwarded; nobody behind us is to make something else of the authority.
        upstream_head.set_raw_path(origin.as_bytes())?;
    }
    head::change(upstream_head, |headers| {
        let relayed = wear.relayed(headers, ctx);
        wear.unsaid().strip(headers);
        wear.put_on(headers, relayed, ctx, shared)
    })
}

/// As [`dress`], of a head that Pingora has not seen, for an application that speaks HTTP/1.
pub(super) fn dressed(came: &RequestHeader, ctx: &Ctx, shared: &Shared) -> Result<RequestHeader> {
    let wear = Wear::of(ctx)?;
    let authority = came.uri.authority().filter(|_| came.version == Version::HTTP_2);
    let host = authority.map(|authority| HeaderValue::from_str(authority.as_str())).transpose();
    let host = host.map_err(|e| Error::because(ErrorType::InvalidHTTPHeader, "the authority", e).into_down())?;
    let relayed = wear.relayed(&came.headers, ctx);
    wear.unsaid().without(came, wear.facts.origin.as_ref().map(String::as_bytes), |headers| {
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
        wear.put_on(headers, relayed, ctx, shared)
    })
}

/// What `Authorization` says to the application.
enum Relayed {
    /// What the client said there, unless it was consumed.
    AsItCame,
    Instead(Option<HeaderValue>),
}

/// What a head is dressed by.
struct Wear<'a> {
    permit: &'a Permit,
    upstream: &'a Upstream,
    facts: &'a Facts,
    published: &'a Published,
}

impl<'a> Wear<'a> {
    fn of(ctx: &'a Ctx) -> Result<Self> {
        let (Some(permit), Some(upstream), Some(facts), Some(published)) =
            (&ctx.permit, &ctx.upstream, &ctx.facts, &ctx.published)
        else {
            return Error::e_explain(ErrorType::InternalError, "no permit");
        };
        Ok(Self { permit, upstream, facts, published })
    }

    fn unsaid(&self) -> Unsaid<'a> {
        let peer = if self.facts.trusted { Peer::TrustedProxy } else { Peer::Stranger };
        let identity_names = &self.published.peers.identity_names;
        Unsaid { peer, consumed: self.permit.consumed(), identity_names }
    }

    fn relayed(&self, came: &HeaderMap, ctx: &Ctx) -> Relayed {
        match self.permit.rules().token {
            TokenToApp::Exchange => Relayed::Instead(ctx.exchanged.clone()),
            TokenToApp::None => Relayed::AsItCame,
            TokenToApp::Relay => {
                let cookie = &self.published.snapshot.sessions().cookie;
                let relayed = relay::authorization(came, self.permit.identity(), cookie);
                Relayed::Instead(relayed.filter(|_| self.permit.forwards_identity()))
            }
        }
    }

    fn put_on(&self, headers: &mut HeaderMap, relayed: Relayed, ctx: &Ctx, shared: &Shared) -> Result<()> {
        let Self { permit, upstream, facts, .. } = self;
        if let Relayed::Instead(token) = relayed {
            // INVARIANT: what stands there on such a route was judged, or comes of a session.
            headers.remove(header::AUTHORIZATION);
            headers.extend(token.map(|value| (header::AUTHORIZATION, value)));
        }
        if let Some(address) = facts.peer {
            head::forwarded(headers, address, facts.scheme, &facts.host);
        }
        if permit.forwards_identity() {
            upstream.names.write(permit.identity(), |name, value| drop(headers.insert(name, value)));
            if upstream.spec.assertion && permit.identity().principal != Principal::Anonymous {
                let now = shared.world.clock.now();
                let statement = shared.assertions.about(permit.identity(), &upstream.name, now.wall);
                let Some(statement) = statement else {
                    return Error::e_explain(ErrorType::InternalError, "the assertion could not be signed");
                };
                headers.insert(upstream.names.assertion.clone(), statement);
            }
        }
        if permit.answers().is_some() {
            // What is judged is plain and whole.
            for name in [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE] {
                headers.remove(name);
            }
        }
        if let Some(recording) = &ctx.recording {
            headers.insert(&respond::X_REQUEST_ID, recording.ids.request.field());
            headers.insert(&TRACEPARENT, recording.ids.trace.parent.field());
            headers.insert(&DECISION, recording.ids.decision.field());
        }
        if let Some(body) = &ctx.body {
            // It was read here: its length is known, and 100 Continue was answered.
            headers.remove(header::EXPECT);
            headers.remove(header::TRANSFER_ENCODING);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            if permit.plain().is_some() {
                // What is forwarded is what was judged: the plain body. A digest of the coded one (RFC 9530) says
                // nothing of it.
                headers.remove(header::CONTENT_ENCODING);
                headers.remove("content-digest");
            }
        }
        Ok(())
    }
}

/// The answer on its way to the client.
///
/// # Errors
/// It cannot be passed on as it is.
pub(super) fn answer(session: &Session, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    let Some(permit) = &ctx.permit else { return Error::e_explain(ErrorType::InternalError, "no permit") };
    if head.status.is_informational() {
        ctx.interim = ctx.interim.saturating_add(1);
    }
    let many = ctx.interim > answer::MOST_INTERIM;
    let asked = permit.rules().websocket && session.is_upgrade_req();
    let switch = if asked { Switch::Asked } else { Switch::NotAsked };
    let limits = ctx.recording.as_ref().map_or(&[][..], |recording| &recording.trail.limits);
    let cleaned = head::change_answer(head, |status, headers| {
        answer::clean(status, headers, switch)?;
        if many {
            return Err("too many interim answers");
        }
        for (name, value) in &ctx.envelope.cors {
            if name == header::VARY {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
        }
        if permit.ended_session()
            && let Some(published) = &ctx.published
        {
            headers.append(header::SET_COOKIE, clear_session(&published.snapshot));
        }
        if !limits.is_empty() {
            for (name, value) in respond::rate_fields(limits) {
                headers.insert(name, value);
            }
        }
        headers.insert(&respond::X_REQUEST_ID, ctx.envelope.request_id.field());
        let identified = permit.identity().principal != Principal::Anonymous;
        let silent = !headers.contains_key(header::CACHE_CONTROL) && !headers.contains_key(header::EXPIRES);
        if identified && silent && !session.was_upgraded() {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        }
        Ok(())
    });
    cleaned.map_err(|why| Error::explain(ErrorType::InvalidHTTPHeader, why).into_up())
}

/// An answer in our version of HTTP (RFC 9110 §2.5), in a form that the client's version knows: HTTP/1.0 has no chunks
/// (RFC 9112 §6.1), so what has no length ends with the connection there.
pub(super) fn understood(session: &mut Session, head: &mut ResponseHeader) {
    if head.version < Version::HTTP_11 {
        head.set_version(Version::HTTP_11);
    }
    if session.req_header().version == Version::HTTP_10 && head.remove_header(&header::TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
}

/// Whether another head follows this one.
pub(super) fn is_interim(head: &ResponseHeader) -> bool {
    head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS
}
