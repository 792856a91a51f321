//! What goes on to the application, and what comes back: heads dressed, timeouts bound.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::ALPN;
use pingora::proxy::Session;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorType, Result};
use portcullis_core::config::TokenToApp;
use portcullis_core::framing::Stream;
use portcullis_core::identify::{Principal, SessionHash, TokenMark};
use portcullis_core::moment::Now;
use portcullis_core::ports::World;
use portcullis_core::request::Request;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;

use super::Ctx;
use super::answered::Judging;
use crate::accept::lease::Lease;
use crate::accept::{self, Guard, TlsPolicy};
use crate::control::Published;
use crate::forward::answer::{self, Switch};
use crate::forward::head::{self, Peer};
use crate::forward::{Patience, become_tunnel, relay};
use crate::login::clear_session;
use crate::observe::HeadFacts;
use crate::respond;
use crate::shared::Shared;

/// The longest life of a stream where the route does not say.
const LONGEST_STREAM: Duration = Duration::from_hours(1);

/// How much longer than the patience for its first byte a head may take.
const TRICKLE: Duration = Duration::from_secs(5);

/// How often an open stream asks whether its key was revoked; the bound of a revocation is one second.
const ASKED_AGAIN: Duration = Duration::from_millis(500);

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static DECISION: HeaderName = HeaderName::from_static("x-portcullis-decision");

/// What the connection and the head tell, beyond the lifetime of their borrows.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) trusted: bool,
    scheme: &'static str,
    host: String,
    /// The target in origin form, where the client used the absolute form.
    origin: Option<String>,
}

impl Facts {
    pub(super) fn of(session: &Session, snapshot: &Snapshot) -> Self {
        let address = session.client_addr().and_then(|address| address.as_inet());
        let peer = address.map(|address| address.ip().to_canonical());
        let trusted = peer.is_some_and(|peer| snapshot.trusts(peer));
        Self { peer, trusted, scheme: "https", host: String::new(), origin: None }
    }

    /// With what framing made of the head. `authority` is HTTP/2's, with its port.
    pub(super) fn with(mut self, request: &Request<'_>, raw_target: &[u8], authority: Option<&str>) -> Self {
        self.scheme = request.scheme.as_str();
        self.host = request.host.to_string();
        if !raw_target.starts_with(b"/") {
            let path = request.path.as_str();
            self.origin = Some(request.query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")));
        }
        let host = request.headers.get(header::HOST).and_then(|v| v.to_str().ok());
        if let Some(host) = host.or(authority) {
            host.clone_into(&mut self.host);
        }
        self
    }
}

/// Copies what the streams may tell.
pub(super) fn head_facts(session: &Session, request: Option<&Request<'_>>, facts: &Facts) -> HeadFacts {
    let head = session.req_header();
    let agent = head.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // What stands in for a refused head says nothing of what the client asked.
    let said = Guard::of(session.stream()).filter(|guard| guard.stands_in()).map(Guard::said);
    let short =
        |text: &str, most: usize| -> Box<str> { text.get(..text.floor_char_boundary(most)).unwrap_or_default().into() };
    let (path, host) = match (request, said) {
        (Some(request), _) => (short(request.path.as_str(), 2048), short(&request.host, 255)),
        (None, Some(said)) => (said.path.clone(), said.host.clone()),
        (None, None) => unread(head),
    };
    HeadFacts {
        method: said.map_or_else(|| short(head.method.as_str(), 32), |said| said.method.clone()),
        path,
        host,
        scheme: request.map_or("", |request| request.scheme.as_str()),
        protocol: match head.version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        user_agent: short(agent, 256),
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
pub(super) fn dress(upstream_head: &mut RequestHeader, ctx: &mut Ctx, shared: &Shared) -> Result<()> {
    let (Some(permit), Some(upstream), Some(facts)) = (&ctx.permit, &ctx.upstream, &ctx.facts) else {
        return Error::e_explain(ErrorType::InternalError, "no permit");
    };
    let Some(published) = &ctx.published else { return Error::e_explain(ErrorType::InternalError, "no snapshot") };
    if let Some(origin) = &facts.origin {
        // What was matched is what is forwarded; nobody behind us is to make something else of the authority.
        upstream_head.set_raw_path(origin.as_bytes())?;
    }
    head::change(upstream_head, |headers| {
        let peer = if facts.trusted { Peer::TrustedProxy } else { Peer::Stranger };
        let relayed = match permit.rules().token {
            TokenToApp::Exchange => Some(ctx.exchanged.clone()),
            TokenToApp::None => None,
            TokenToApp::Relay => {
                let cookie = &published.snapshot.sessions().cookie;
                Some(relay::authorization(headers, permit.identity(), cookie).filter(|_| permit.forwards_identity()))
            }
        };
        head::strip(headers, peer, permit.consumed(), &published.peers.identity_names);
        if let Some(relayed) = relayed {
            // INVARIANT: what stands there on such a route was judged, or comes of a session.
            headers.remove(header::AUTHORIZATION);
            headers.extend(relayed.map(|value| (header::AUTHORIZATION, value)));
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
    })
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

/// Whether another head follows this one.
pub(super) fn is_interim(head: &ResponseHeader) -> bool {
    head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS
}

/// Bounds what follows the head: a stream ends with its credential or after `max_stream`, everything else in its
/// `timeout`. A stream's `timeout` is over when its answer begins.
pub(super) fn lease(head: &ResponseHeader, ctx: &mut Ctx, now: Now, shared: &Shared) {
    let Some(permit) = &ctx.permit else { return };
    if is_interim(head) {
        return;
    }
    if let Some(patience) = &ctx.patience {
        patience.answered();
    }
    let rules = permit.rules();
    let held = ctx.judging.as_ref().is_some_and(Judging::holds);
    let streaming = !held && (rules.streams() || is_stream(head));
    let ends = if streaming {
        let longest = (rules.max_stream.unwrap_or(LONGEST_STREAM), "max_stream");
        let credential = permit.identity().expires_at.map(|end| (end.since(now.wall), "credential_expired"));
        Some(credential.filter(|credential| credential.0 < longest.0).unwrap_or(longest))
    } else {
        let rest = ctx.deadline.map(|deadline| deadline.saturating_sub(now.steady));
        // What is held can still be answered in time with a refusal.
        let span = if held { Some(rest.unwrap_or(LONGEST_STREAM).saturating_add(TRICKLE)) } else { rest };
        span.map(|span| (span, "timeout"))
    };
    let Some((span, why)) = ends else { return };
    let identity = permit.identity();
    let lease = Lease::of(ctx.lease.as_ref());
    match (&identity.principal, &identity.token) {
        (Principal::ApiKey(id), _) if streaming => {
            lease.ends_when(until_revoked(shared.world.clone(), Arc::clone(id), span));
        }
        (Principal::Certificate(_), _) if streaming => {
            if let (Some(published), Some(facts)) = (&ctx.published, &ctx.facts) {
                let (tls, host) = (Arc::clone(&published.tls), facts.host.clone());
                lease.ends_when(until_asked_otherwise(shared.watched(), (tls, host), span));
            }
        }
        _ if streaming && identity.session.is_some() => {
            if let Some(live) = &identity.session {
                lease.ends_when(until_ended(shared.world.clone(), live.hash, span));
            }
        }
        (_, Some(mark)) if streaming => lease.ends_when(until_taken_back(shared.world.clone(), mark.clone(), span)),
        _ => lease.ends_after(span),
    }
    if let Some(recording) = &mut ctx.recording {
        recording.lease = Some((now.steady.saturating_add(span), why));
        recording.status = head.status.as_u16();
    }
}

/// Over after `longest`, or when the key is no longer good. A store that does not answer ends nothing: the key was
/// good, and has an end of its own.
async fn until_revoked(world: World, id: Arc<str>, longest: Duration) {
    let revoked = async {
        let mut was = None;
        loop {
            match world.keys.key(&id).get().await {
                Ok(Some(key)) => {
                    let was = was.get_or_insert_with(|| Arc::clone(&key));
                    if !key.carries_on(was, world.clock.now().wall) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) => {}
            }
            tokio::time::sleep(ASKED_AGAIN).await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep(longest) => {}
        () = revoked => {}
    }
}

/// Over after `longest`, or when other authorities or revocation lists hold for the host: who came by the old ones comes
/// again.
async fn until_asked_otherwise(
    current: Arc<ArcSwap<Published>>,
    (tls, host): (Arc<TlsPolicy>, String),
    longest: Duration,
) {
    let asks = |policy: &TlsPolicy| policy.clients(policy.choose(Some(&host)));
    let otherwise = async {
        while asks(&current.load().tls) == asks(&tls) {
            tokio::time::sleep(ASKED_AGAIN).await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep(longest) => {}
        () = otherwise => {}
    }
}

/// Over after `longest`, or when the token was taken back.
async fn until_taken_back(world: World, mark: TokenMark, longest: Duration) {
    let taken_back = async {
        while !world.revoked.current().holds(&mark, world.clock.now().wall) {
            tokio::time::sleep(ASKED_AGAIN).await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep(longest) => {}
        () = taken_back => {}
    }
}

/// Over after `longest`, or when the session was ended. A store that does not answer ends nothing: the session was good,
/// and has an end of its own.
async fn until_ended(world: World, hash: SessionHash, longest: Duration) {
    let ended = async {
        loop {
            tokio::time::sleep(ASKED_AGAIN).await;
            if let Ok(false) = world.sessions.lives(hash, world.clock.now()).get().await {
                return;
            }
        }
    };
    tokio::select! {
        () = tokio::time::sleep(longest) => {}
        () = ended => {}
    }
}

/// Answers that have no end of their own.
fn is_stream(head: &ResponseHeader) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let begins = |with: &[u8]| kind.get(..with.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(with));
    head.status == StatusCode::SWITCHING_PROTOCOLS || begins(b"text/event-stream") || begins(b"application/grpc")
}

/// The timeouts of one attempt. `Some`: until its answer begins, the connection has this patience.
pub(super) fn bound(peer: &mut HttpPeer, ctx: &mut Ctx, now: Duration, session: &mut Session) -> Option<Arc<Patience>> {
    let rules = ctx.permit.as_ref()?.rules();
    let lease = Lease::of(ctx.lease.as_ref());
    let deadline = ctx.deadline;
    let upgrade = rules.websocket && session.is_upgrade_req();
    if !upgrade {
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    }
    if !rules.streams() {
        if let Some(deadline) = deadline {
            let rest = deadline.saturating_sub(now).max(Duration::from_millis(1));
            peer.options.read_timeout = Some(peer.options.read_timeout.map_or(rest, |silence| silence.min(rest)));
        }
        // A head that trickles keeps within every timeout of one read. An upload may take as long as it likes.
        let rest = deadline.map(|deadline| deadline.saturating_sub(now));
        let uploads = ctx.body.is_none() && accept::ends(session) == Stream::Open;
        if let Some(span) = rest.or_else(|| if uploads { None } else { patience(peer) }) {
            let span = span.saturating_add(TRICKLE);
            lease.ends_after(span);
            if let Some(recording) = &mut ctx.recording {
                recording.lease = Some((now.saturating_add(span), "timeout"));
            }
        }
        return None;
    }
    let rest = deadline.map(|deadline| deadline.saturating_sub(now));
    let span = rest.or(peer.options.read_timeout);
    // A stream's own silence may last as long as its life, to which `lease` sees.
    peer.options.read_timeout = Some(rules.max_stream.unwrap_or(LONGEST_STREAM));
    if upgrade || peer.options.alpn == ALPN::H1 {
        let patience = Patience::new(span);
        become_tunnel(peer, &patience);
        // Should the application trickle a head that never ends.
        if let Some(span) = span {
            lease.ends_after(span.saturating_add(TRICKLE));
        }
        return Some(patience);
    }
    // Over HTTP/2 one connection carries many requests: there the request is cut off.
    if let Some(span) = span {
        lease.ends_after(span);
    }
    None
}

/// The longest one attempt may take until its answer begins, once the body is here; `None`: without end.
fn patience(peer: &HttpPeer) -> Option<Duration> {
    let options = &peer.options;
    let spans = [options.total_connection_timeout, options.write_timeout, options.read_timeout];
    spans.into_iter().try_fold(Duration::ZERO, |sum, span| Some(sum.saturating_add(span?)))
}
