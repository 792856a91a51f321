//! How do Pingora's callbacks map onto the journey? The only place that implements its proxy trait.
//!
//! Head and body of one session cannot be borrowed together, so the journey comes in two calls:
//! `decide` on the head, `admit` on the body. `forward` demands the permit that only the latter makes.

mod again;
mod answered;
mod attempt;
mod body;
mod decide;
mod exchange;
mod failure;
mod login;
mod me;
mod outgoing;
mod redirect;
mod reserved;
mod spans;
mod straight;
mod travel;
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
use pingora::connectors::TransportConnector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use portcullis_core::journey::{Permit, Turned};
use portcullis_core::moment::Now;
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::trail::{End, Stage};
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use redirect::Redirect;
pub(crate) use unseen::tell_of_unseen;

use crate::accept::{self, Guard};
use crate::control::Published;
use crate::forward::{Patience, Upstream};
use crate::observe::Recording;
use crate::respond::{self, Envelope};
use crate::shared::Shared;

/// The gateway as Pingora sees it.
pub(crate) struct Passage {
    shared: Arc<Shared>,
    /// Connects to applications, without a pool.
    connector: TransportConnector,
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

    /// No module is added to Pingora's own work.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

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
            Ok(Ok(())) if straight::fits(session, ctx) => return self.straight(session, ctx).await.map(|()| true),
            Ok(Ok(())) if ctx.replay == body::Replay::InPlace && !answered::holds(ctx) => return Ok(false),
            Ok(Ok(())) => {
                let inner = std::mem::take(ctx);
                ctx.envelope = inner.envelope.clone();
                return Box::pin(again::forward(session, inner)).await.map(|()| true);
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
        end: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<()> {
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            // Pingora would write it as a last chunk, and then the last chunk.
            *body = None;
        }
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
        let retry = self.may_connect_again(ctx, &e);
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
        let retry = self.may_ask_again(session, ctx, &e, reused);
        e.set_retry(retry);
        e
    }

    async fn response_filter(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Box<Ctx>) -> Result<()>
    where
        Self::CTX: Send + Sync,
    {
        self.answer_head(session, head, ctx)
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<Option<Duration>> {
        count(body.as_ref(), ctx);
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

/// Should the answer be cut off, nobody else can tell how far it came.
fn count(body: Option<&Bytes>, ctx: &mut Ctx) {
    if let (Some(recording), Some(body)) = (&mut ctx.recording, body) {
        recording.response_bytes = recording.response_bytes.saturating_add(body.len() as u64);
    }
}

impl Passage {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connector: TransportConnector::new(None) }
    }

    /// The head of an answer on its way to the client.
    fn answer_head(&self, session: &Session, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        outgoing::answer(session, head, ctx)?;
        answered::head(session, head, ctx, &self.shared)?;
        spans::lease(head, ctx, self.now(), &self.shared);
        Ok(())
    }

    fn now(&self) -> Now {
        self.shared.world.clock.now()
    }
}
