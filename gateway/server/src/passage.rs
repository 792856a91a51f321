//! How do Pingora's callbacks map onto the journey? The only place that implements its proxy trait.
//!
//! Head and body of one session cannot be borrowed together, so the journey comes in two calls:
//! `decide` on the head, `admit` on the body. `forward` demands the permit that only the latter makes.

mod again;
mod answered;
mod attempt;
mod body;
mod decide;
mod ends;
mod exchange;
mod failure;
mod login;
mod me;
mod outgoing;
mod redirect;
mod reserved;
mod serve;
mod spans;
mod straight;
mod travel;
mod unseen;
mod way;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use pingora::connectors::TransportConnector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use portcullis_core::journey::Permit;
use portcullis_core::moment::Now;
use portcullis_core::refusal::Refusal;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use redirect::Redirect;
pub(crate) use serve::Server;
pub(crate) use unseen::tell_of_unseen;
use way::Way;

use crate::accept;
use crate::control::Published;
use crate::forward::{Patience, Upstream};
use crate::observe::Recording;
use crate::respond::Envelope;
use crate::shared::Shared;

/// The gateway as Pingora sees it.
#[derive(Clone)]
pub(crate) struct Passage {
    shared: Arc<Shared>,
    /// Connects to applications, without a pool.
    connector: Arc<TransportConnector>,
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
    /// Not Pingora's yet, which could not repeat the body.
    ours: bool,
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
    /// The steady clock when the answer was out, where it was read then.
    ended: Option<Duration>,
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
        serve::carried().unwrap_or_default()
    }

    fn allow_spawning_subrequest(&self, session: &Session, _: &Box<Ctx>) -> bool {
        session.subrequest_ctx.is_none()
    }

    async fn early_request_filter(&self, session: &mut Session, _: &mut Box<Ctx>) -> Result<()> {
        self.prepare(session);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<bool> {
        if let Some(carried) = again::carried(session) {
            *ctx = carried?;
            return Ok(false);
        }
        if ctx.permit.is_some() {
            // It came with it, from `serve`.
            return Ok(false);
        }
        let served = match self.way(session, ctx).await {
            Way::Pingora => return Ok(false),
            Way::Straight => self.straight(session, ctx).await,
            Way::Again => {
                let inner = std::mem::take(ctx);
                ctx.envelope = inner.envelope.clone();
                Box::pin(again::forward(session, inner)).await
            }
            Way::Turned(turned) => self.answer(session, ctx, turned).await,
        };
        served.map(|()| true)
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
        FailToProxy { error_code: self.fail(session, e, ctx).await, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Box<Ctx>)
    where
        Self::CTX: Send + Sync,
    {
        self.end(session, ctx);
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
        Self { shared, connector: Arc::new(TransportConnector::new(None)) }
    }

    /// The head of an answer on its way to the client.
    fn answer_head(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        outgoing::answer(session, head, ctx)?;
        outgoing::understood(session, head);
        answered::head(session, head, ctx, &self.shared)?;
        spans::lease(head, ctx, &self.shared);
        Ok(())
    }

    fn now(&self) -> Now {
        self.shared.world.clock.now()
    }
}
