//! How do Pingora's callbacks map onto the journey? The only place that implements its proxy trait.
//!
//! Head and body of one session cannot be borrowed together, so the journey comes in two calls:
//! `decide` on the head, `admit` on the body. `forward` demands the permit that only the latter makes.

mod again;
mod answered;
mod body;
mod decide;
mod exchange;
mod failure;
mod login;
mod me;
mod outgoing;
mod redirect;
mod reserved;
mod unseen;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use portcullis_core::framing::Stream;
use portcullis_core::journey::{self, Granted, Permit, Turned};
use portcullis_core::moment::Now;
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::trail::{End, Stage};
use portcullis_core::validate::BodyPlan;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use redirect::Redirect;
pub(crate) use unseen::tell_of_unseen;

use crate::accept::{self, Arrival, Guard};
use crate::control::Published;
use crate::forward::{Failed, Patience, Upstream};
use crate::login::{Place, Visit, clear_session};
use crate::observe::{Ids, Recording};
use crate::respond::{self, Envelope};
use crate::shared::Shared;

/// The gateway as Pingora sees it.
pub(crate) struct Passage {
    pub(crate) shared: Arc<Shared>,
}

/// What one request carries with it.
#[derive(Default)]
pub(crate) struct Ctx {
    published: Option<Arc<Published>>,
    recording: Option<Recording>,
    envelope: Envelope,
    permit: Option<Permit>,
    upstream: Option<Arc<Upstream>>,
    /// A place among the upstream's requests, and the memory the body takes.
    held: Held,
    /// The validated body, sent whole on every attempt.
    body: Option<Bytes>,
    inject: bool,
    replay: body::Replay,
    /// The body as it came, of which the application gets `body`.
    came: Option<Bytes>,
    /// In an inner request: to the outer one, which keeps the answer back.
    word: Option<answered::Word>,
    /// In an inner request: the end of the outer one.
    lease: Option<accept::lease::Lent>,
    /// An answer on its way to be judged, and why it must not go on.
    judging: Option<answered::Judging>,
    unfit: Option<Refusal>,
    /// Body bytes that streamed through unvalidated.
    streamed: u64,
    attempts: u32,
    /// Interim answers of the application so far.
    interim: u32,
    target: Option<usize>,
    /// For the head of a stream's answer.
    patience: Option<Arc<Patience>>,
    /// The steady clock at which this request must be over.
    deadline: Option<Duration>,
    facts: Option<outgoing::Facts>,
    /// `Authorization` for the application, where the caller's token was exchanged.
    exchanged: Option<HeaderValue>,
}

/// Shares of what is bounded, which go back when the request is dropped.
#[derive(Default)]
struct Held {
    place: Option<OwnedSemaphorePermit>,
    memory: Option<OwnedSemaphorePermit>,
    /// For the plain body beside the coded one.
    plain: Option<OwnedSemaphorePermit>,
    /// For an answer that is judged.
    answer: Option<OwnedSemaphorePermit>,
}

#[async_trait]
impl ProxyHttp for Passage {
    /// Boxed, because Pingora moves it about, and its futures hold it several times.
    type CTX = Box<Ctx>;

    fn new_ctx(&self) -> Box<Ctx> {
        Box::default()
    }

    fn allow_spawning_subrequest(&self, session: &Session, _: &Box<Ctx>) -> bool {
        session.subrequest_ctx.is_none()
    }

    async fn early_request_filter(&self, session: &mut Session, _: &mut Box<Ctx>) -> Result<()> {
        if !session.is_upgrade_req() {
            session.set_read_timeout(Some(self.shared.body_timeout));
        }
        if session.is_http2() {
            // A client who never widens a stream's window; who does not read the connection, the guard cuts off.
            session.set_write_timeout(Some(self.shared.body_timeout));
        }
        if session.req_header().version == Version::HTTP_10 {
            // RFC 9110 §15.2: it would take an interim answer for the answer.
            session.set_ignore_info_resp(true);
        }
        // Pingora keeps a connection for ever after its first request unless told otherwise.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.shared.keepalive.as_secs().max(1)));
        }
        Ok(())
    }

    /// A panic in a filter would drop the connection and skip `logging`; here it becomes a 500.
    async fn request_filter(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<bool> {
        if let Some(carried) = again::carried(session) {
            *ctx = carried?;
            return Ok(false);
        }
        let travelled = {
            let mut travel = pin!(self.travel(session, ctx));
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| travel.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(panicked) => Poll::Ready(Err(panicked)),
            })
            .await
        };
        let turned = match travelled {
            Ok(Ok(())) if ctx.replay == body::Replay::InPlace && !answered::holds(ctx) => return Ok(false),
            Ok(Ok(())) => {
                let inner = std::mem::take(ctx);
                ctx.envelope = inner.envelope.clone();
                return again::forward(session, inner).await.map(|()| true);
            }
            Ok(Err(turned)) => turned,
            Err(_) => Turned::Refused(Refusal::new(Code::InternalError).because("a stage panicked")),
        };
        self.answer(session, ctx, turned).await.map(|()| true)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<Box<HttpPeer>> {
        self.choose_peer(session, ctx)
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Box<Ctx>,
    ) -> Result<()> {
        outgoing::dress(head, ctx, &self.shared)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<()> {
        if let Some(whole) = &ctx.body {
            *body = std::mem::take(&mut ctx.inject).then(|| whole.clone());
            return Ok(());
        }
        let Some(permit) = &ctx.permit else { return Error::e_explain(ErrorType::InternalError, "no permit") };
        ctx.streamed = ctx.streamed.saturating_add(body.as_ref().map_or(0, |b| b.len() as u64));
        if ctx.streamed > permit.rules().max_body() {
            return Error::e_explain(ErrorType::HTTPStatus(413), "the body grew beyond `max_body`");
        }
        Ok(())
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, ctx: &mut Box<Ctx>, mut e: Box<Error>) -> Box<Error> {
        let retry =
            failure::note(&self.shared, ctx, &e, Failed::Connecting) && ctx.may_retry() && ctx.has_another_target();
        e.set_retry(retry);
        e
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut e: Box<Error>,
        ctx: &mut Box<Ctx>,
        reused: bool,
    ) -> Box<Error> {
        let safe = session.req_header().method.is_safe();
        let upstream_failed = failure::note(&self.shared, ctx, &e, Failed::Answering);
        // INVARIANT: only safe methods are sent twice once the application may have seen them.
        let unanswered = session.response_written().is_none() && !session.as_ref().retry_buffer_truncated();
        let hung = matches!(e.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout) || ctx.lost_patience();
        // A kept connection may have been closed meanwhile, which says nothing about the target.
        let elsewhere = reused || ctx.has_another_target();
        e.set_retry(safe && upstream_failed && unanswered && !hung && elsewhere && ctx.may_retry());
        e
    }

    async fn response_filter(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Box<Ctx>) -> Result<()>
    where
        Self::CTX: Send + Sync,
    {
        outgoing::answer(session, head, ctx)?;
        answered::head(session, head, ctx, &self.shared)?;
        let now = self.now();
        outgoing::lease(head, ctx, now, &self.shared);
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<Option<Duration>> {
        if let (Some(recording), Some(body)) = (&mut ctx.recording, body) {
            // Should it be cut off, nobody else can tell how far it came.
            recording.response_bytes = recording.response_bytes.saturating_add(body.len() as u64);
        }
        Ok(None)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<Option<Duration>> {
        answered::piece(body, end, ctx, &self.shared).map(|()| None)
    }

    /// What is returned here ends the body, in the place of the trailers.
    async fn response_trailer_filter(
        &self,
        _: &mut Session,
        _: &mut http::HeaderMap,
        ctx: &mut Box<Ctx>,
    ) -> Result<Option<Bytes>> {
        let mut last = None;
        if answered::piece(&mut last, true, ctx, &self.shared).is_err() {
            // Pingora goes on after a failure here.
            answered::tell(ctx);
        }
        Ok(last)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ctx: &mut Box<Ctx>) -> FailToProxy
    where
        Self::CTX: Send + Sync,
    {
        let answered = session.response_written().is_some_and(|head| !outgoing::is_interim(head));
        let reached = if ctx.attempts > 0 { failure::Reached::Maybe } else { failure::Reached::Never };
        let refusal = match Guard::of(session.stream()).and_then(Guard::body_fault) {
            // The application has at most a part of the body, and never its end.
            Some(fault) => fault.refusal(),
            None if ctx.lost_patience() => failure::no_answer(),
            None => ctx.unfit.take().unwrap_or_else(|| failure::refusal(e, answered, reached)),
        };
        let error_code = refusal.code.status().as_u16();
        let now = self.shared.world.clock.steady();
        let was_cut_off = ctx.recording.as_mut().filter(|_| ctx.lease.is_some()).is_some_and(|r| r.was_cut_off(now));
        if let Some(recording) = ctx.recording.as_mut().filter(|recording| recording.trail.refusal.is_none())
            && !(was_cut_off && refusal.code == Code::ClientGone)
        {
            recording.trail.step(Stage::Forward, End::Refused(refusal.code), now);
            recording.trail.refusal = Some(refusal.clone());
        }
        if answered::hands_over(ctx, answered) {
            if refusal.code != Code::ClientGone {
                ctx.unfit = Some(refusal);
                answered::tell(ctx);
            }
        } else if !answered && refusal.code != Code::ClientGone {
            // Pingora ends the connection after a failure: say so, or the client's next request meets a closed door.
            session.set_keepalive(None);
            // When the client is gone there is nobody to tell.
            let _ = respond::refuse(session, &refusal, &ctx.envelope).await;
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Box<Ctx>)
    where
        Self::CTX: Send + Sync,
    {
        if session.is_body_done() {
            if let Some(guard) = Guard::of(session.stream()) {
                guard.expect_head();
            }
        } else {
            // What is left of the body must not be read as the next head.
            session.set_keepalive(None);
        }
        let now = self.shared.world.clock.steady();
        if let (Some(upstream), Some(target)) = (&ctx.upstream, ctx.target)
            && session.response_written().is_some()
            && let Some(target) = upstream.target(target)
            && ctx.recording.as_ref().is_some_and(|r| r.trail.refusal.is_none())
        {
            target.succeeded();
        }
        if let Some(recording) = &mut ctx.recording {
            recording.ended = Some(now);
            recording.status = session.response_written().map_or(0, |head| head.status.as_u16());
            if let Some(word) = ctx.word.as_ref().and_then(answered::Word::status) {
                recording.status = word;
            }
            let whole = ctx.body.as_ref().map(Bytes::len);
            recording.request_bytes = whole.unwrap_or_else(|| session.body_bytes_read()) as u64;
            recording.response_bytes = session.body_bytes_sent() as u64;
            recording.resends = ctx.attempts.saturating_sub(1);
            let forwarded = recording.trail.steps().iter().any(|step| step.stage == Stage::Forward);
            if ctx.attempts > 0 && recording.trail.refusal.is_none() && !forwarded {
                recording.trail.step(Stage::Forward, End::Passed, now);
            }
        }
        // Dropping it writes the lines.
        ctx.recording = None;
    }

    fn suppress_error_log(&self, _: &Session, _: &Box<Ctx>, _: &Error) -> bool {
        // The access line says what happened.
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Box<Ctx>,
        _: &Error,
        _: pingora::proxy::ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Passage {
    fn now(&self) -> Now {
        self.shared.world.clock.now()
    }

    /// The whole way to a permit.
    async fn travel(&self, session: &mut Session, ctx: &mut Ctx) -> std::result::Result<(), Turned> {
        let now = self.now();
        let published = self.shared.current();
        ctx.published = Some(Arc::clone(&published));
        let snapshot = &published.snapshot;
        let facts = outgoing::Facts::of(session, snapshot);
        let ids = Ids::make(&session.req_header().headers, facts.trusted);
        ctx.envelope = Envelope {
            decision: ids.decision.clone(),
            request_id: ids.request.clone(),
            cors: Vec::new(),
            clear_session: None,
            base: Arc::clone(snapshot.public_url()),
            about: None,
        };
        let streams = Arc::clone(&self.shared.streams);
        let clock = Arc::clone(&self.shared.world.clock);
        let recording = Recording::begin(streams, ids, (clock, now), Arc::clone(&snapshot.version));
        let recording = ctx.recording.insert(recording);
        let clock = &*self.shared.world.clock;

        let ends = accept::ends(session);
        let arrival = Guard::of(session.stream()).map_or(Arrival::InTime, Guard::arrival);
        let onward = {
            let request = match arrival {
                Arrival::InTime => accept::request(session, ends, snapshot, &published.tls),
                Arrival::Late => Err(failure::late()),
            };
            recording.head = outgoing::head_facts(session, request.as_ref().ok(), &facts);
            let request = match request {
                Ok(request) => request,
                Err(refusal) => {
                    recording.trail.step(Stage::Accept, End::Refused(refusal.code), clock.steady());
                    recording.trail.refusal = Some(refusal.clone());
                    return Err(Turned::Refused(refusal));
                }
            };
            recording.trail.step(Stage::Accept, End::Passed, clock.steady());
            if decide::is_asked(request.path.as_str()) {
                let told = (&mut *recording, &mut ctx.envelope);
                return Err(self.consult(&request, facts.trusted, &published, now, told).await);
            }
            if me::is_asked(request.path.as_str()) {
                ctx.envelope.cors = snapshot.own().cors_fields(&request);
                return Err(self.whoever(&request, snapshot, now, &mut recording.trail).await);
            }
            if let Some(reply) = reserved::answer(&request, &published, &self.shared) {
                return Err(reply);
            }
            if let Some(place) = Place::of(request.path.as_str()) {
                journey::approach(&request, snapshot, &self.shared.world, now, &mut recording.trail)?;
                Err(Visit::of(place, &request, snapshot))
            } else {
                let granted = journey::decide(&request, snapshot, &self.shared.world, now, &mut recording.trail).await;
                ctx.envelope.cors = outgoing::cors_fields(&recording.trail, snapshot, &request);
                let granted = granted?;
                let authority = session.req_header().uri.authority().map(http::uri::Authority::as_str);
                ctx.facts = Some(facts.with(&request, session.req_header().raw_path(), authority));
                Ok(granted)
            }
        };
        let granted = match onward {
            Ok(granted) => granted,
            Err(visit) => return Err(self.visit(session, ctx, &visit).await),
        };
        let upstream = published.peers.upstreams.get(granted.rules().upstream).cloned();
        let upstream = upstream.ok_or_else(|| Refusal::new(Code::InternalError).because("no such upstream"))?;
        self.admit(session, ctx, granted, now).await?;
        self.exchange(session, ctx).await?;
        let place = upstream.place().ok_or_else(|| {
            Refusal::new(Code::Overloaded)
                .because("the upstream's `max_connections` are all in use")
                .retry_after(Duration::from_secs(1))
        })?;
        ctx.held.place = Some(place);
        ctx.upstream = Some(upstream);
        Ok(())
    }

    /// Reads and judges the body where the route asks for it, and makes the permit.
    async fn admit(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        granted: Granted,
        now: Now,
    ) -> std::result::Result<(), Turned> {
        let timeout = granted.rules().timeout;
        ctx.deadline = timeout.map(|timeout| now.steady.saturating_add(timeout));
        let trail = ctx.recording.as_mut().map(|recording| &mut recording.trail);
        let Some(trail) = trail else { return Err(Refusal::new(Code::InternalError).into()) };
        let permit = match granted.body() {
            BodyPlan::Nothing | BodyPlan::Stream(_) => granted.admit_unread(trail)?,
            BodyPlan::Hold(most) => {
                let rest = ctx.deadline.map(|end| end.saturating_sub(self.shared.world.clock.steady()));
                let whole = match body::read_whole(session, most, rest, &self.shared).await {
                    Ok(read) => read,
                    Err(refusal) => {
                        trail.step(Stage::Body, End::Refused(refusal.code), self.shared.world.clock.steady());
                        trail.refusal = Some(refusal.clone());
                        return Err(refusal.into());
                    }
                };
                ctx.held.memory = Some(whole.memory);
                ctx.replay = whole.replay;
                let again = match &ctx.published {
                    Some(published) if granted.asks_with_body() => {
                        accept::request(session, Stream::Open, &published.snapshot, &published.tls).ok()
                    }
                    _ => None,
                };
                let clock = &*self.shared.world.clock;
                let head = session.req_header();
                let beside = granted.rules().validate.beside(&head.headers);
                if beside > 0 {
                    ctx.held.plain = Some(body::reserve(&self.shared, usize::try_from(beside).unwrap_or(usize::MAX))?);
                }
                let head = (&head.method, &head.headers);
                let permit = granted.admit(&whole.bytes, head, again.as_ref(), (clock, now), trail)?;
                ctx.body = Some(permit.plain().unwrap_or(&whole.bytes).clone());
                ctx.came = Some(whole.bytes);
                permit
            }
        };
        ctx.permit = Some(permit);
        Ok(())
    }

    async fn answer(&self, session: &mut Session, ctx: &mut Ctx, turned: Turned) -> Result<()> {
        match turned {
            Turned::Refused(refusal) => {
                if let Some(recording) = &mut ctx.recording
                    && recording.trail.refusal.is_none()
                {
                    recording.trail.refusal = Some(refusal.clone());
                }
                if refusal.extra.as_ref().is_some_and(|extra| extra.ended_session) {
                    ctx.envelope.clear_session =
                        ctx.published.as_ref().map(|published| clear_session(&published.snapshot));
                }
                if matches!(refusal.code, Code::InvalidHost | Code::MalformedRequest) {
                    // Whoever bends one request is not trusted with the boundary of the next.
                    session.set_keepalive(None);
                }
                respond::refuse(session, &refusal, &ctx.envelope).await
            }
            Turned::Answered(answer) => respond::send(session, reserved::reply(answer), &ctx.envelope).await,
        }
    }

    fn choose_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let now = self.shared.world.clock.steady();
        let Some(upstream) = ctx.upstream.as_ref().filter(|_| ctx.permit.is_some()) else {
            return Error::e_explain(ErrorType::InternalError, "no permit");
        };
        let Some((index, target)) = upstream.choose(ctx.target, now) else {
            return Error::e_explain(ErrorType::HTTPStatus(503), "all targets are away");
        };
        let Some(mut peer) = target.peer() else {
            return Error::e_explain(ErrorType::HTTPStatus(503), "the target has no address");
        };
        ctx.target = Some(index);
        ctx.attempts = ctx.attempts.saturating_add(1);
        ctx.inject = true;
        if let Some(recording) = &mut ctx.recording {
            recording.upstream = Some(Arc::clone(&target.label));
        }
        ctx.patience = outgoing::bound(&mut peer, ctx, now, session);
        Ok(peer)
    }
}

impl Ctx {
    /// Whether a stream's answer did not begin in time.
    fn lost_patience(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.is_over())
    }

    fn has_another_target(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.has_another())
    }

    fn may_retry(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| self.attempts <= upstream.spec.retries)
    }
}
