//! How long may an attempt take, and its answer? Timeouts bound, streams leased.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::ALPN;
use pingora::proxy::Session;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions};
use portcullis_core::framing::Stream;
use portcullis_core::identify::{Principal, SessionHash, TokenMark};
use portcullis_core::ports::World;

use super::Ctx;
use super::answered::Judging;
use super::outgoing::is_interim;
use crate::accept::lease::Lease;
use crate::accept::{self, TlsPolicy};
use crate::control::Published;
use crate::forward::{Patience, become_tunnel};
use crate::shared::Shared;

/// The longest life of a stream where the route does not say.
const LONGEST_STREAM: Duration = Duration::from_hours(1);

/// How much longer than the patience for its first byte a head may take.
const TRICKLE: Duration = Duration::from_secs(5);

/// How often an open stream asks whether its key was revoked; the bound of a revocation is one second.
const ASKED_AGAIN: Duration = Duration::from_millis(500);

/// Bounds what follows the head: a stream ends with its credential or after `max_stream`, everything else in its
/// `timeout`. A stream's `timeout` is over when its answer begins.
pub(super) fn lease(head: &ResponseHeader, ctx: &mut Ctx, shared: &Shared) {
    let Some(permit) = &ctx.permit else { return };
    if is_interim(head) {
        return;
    }
    if let Some(patience) = &ctx.patience {
        patience.answered();
    }
    let (rules, clock) = (permit.rules(), &*shared.world.clock);
    let now = clock.steady();
    let held = ctx.judging.as_ref().is_some_and(Judging::holds);
    let streaming = !held && (rules.streams() || is_stream(head));
    let ends = if streaming {
        let longest = (rules.max_stream.unwrap_or(LONGEST_STREAM), "max_stream");
        let credential = permit.identity().expires_at.map(|end| (end.since(clock.now().wall), "credential_expired"));
        Some(credential.filter(|credential| credential.0 < longest.0).unwrap_or(longest))
    } else {
        let rest = ctx.deadline.map(|deadline| deadline.saturating_sub(now));
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
                let host = facts.host.to_str().unwrap_or_default().to_owned();
                let tls = Arc::clone(&published.tls);
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
        recording.lease = Some((now.saturating_add(span), why));
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

/// How long one read of an attempt may take whose answer is no stream; bounds the whole attempt.
pub(super) fn silence(options: &PeerOptions, ctx: &mut Ctx, now: Duration, uploads: bool) -> Option<Duration> {
    let rest = ctx.deadline.map(|deadline| deadline.saturating_sub(now));
    // A head that trickles keeps within every timeout of one read. An upload may take as long as it likes.
    if let Some(span) = rest.or_else(|| if uploads { None } else { patience(options) }) {
        let span = span.saturating_add(TRICKLE);
        Lease::of(ctx.lease.as_ref()).ends_after(span);
        if let Some(recording) = &mut ctx.recording {
            recording.lease = Some((now.saturating_add(span), "timeout"));
        }
    }
    let Some(rest) = rest.map(|rest| rest.max(Duration::from_millis(1))) else { return options.read_timeout };
    Some(options.read_timeout.map_or(rest, |silence| silence.min(rest)))
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
        let uploads = ctx.body.is_none() && accept::ends(session) == Stream::Open;
        peer.options.read_timeout = silence(&peer.options, ctx, now, uploads);
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
fn patience(options: &PeerOptions) -> Option<Duration> {
    let spans = [options.total_connection_timeout, options.write_timeout, options.read_timeout];
    spans.into_iter().try_fold(Duration::ZERO, |sum, span| Some(sum.saturating_add(span?)))
}
