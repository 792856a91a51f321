//! How does a request go on that Pingora cannot forward as it stands? In a request of its own, begun with the permit.
//!
//! Either it does not go straight and its body of unknown length outgrew Pingora's buffer by the time its end was seen, or
//! its answer is to be judged before it is sent. The same request is then run once more inside the process, as what
//! Pingora calls a subrequest. INVARIANT: its context is the first one's, whole, so nothing is decided, charged or
//! recorded a second time; a subrequest that brings none is refused. In the place of a body that was read here flows a
//! stand-in, in whose place `request_body_filter` puts it.

use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::proxy::subrequest::pipe::{InputBody, InputBodyType, PipeSubrequestError, pipe_subrequest};
use pingora::proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};
use pingora::{Error, ErrorType, Result};
use portcullis_core::refusal::{Code, Refusal};

use super::answered::{self, Word};
use super::{Ctx, body, outgoing};
use crate::accept::lease;
use crate::respond;

/// Stands for a body of unknown length: small enough to be repeated.
const STAND_IN: &[u8] = b"0";

/// The context that came along; `None` in a request of a client's.
pub(super) fn carried(session: &mut Session) -> Option<Result<Box<Ctx>>> {
    let carrier = session.subrequest_ctx.as_mut()?;
    let carried = carrier.user_ctx_mut().and_then(|any| any.downcast_mut::<Option<Box<Ctx>>>()).and_then(Option::take);
    Some(carried.ok_or_else(|| Error::explain(ErrorType::InternalError, "a subrequest without a permit")))
}

/// An answer that is kept back.
#[derive(Default)]
struct Kept {
    head: Option<Box<ResponseHeader>>,
    body: Option<Bytes>,
}

impl Kept {
    /// Takes what is of the answer; interim answers go on.
    fn keep(&mut self, task: HttpTask) -> Option<HttpTask> {
        match task {
            HttpTask::Header(head, end) if outgoing::is_interim(&head) => return Some(HttpTask::Header(head, end)),
            HttpTask::Header(head, _) => self.head = Some(head),
            // INVARIANT: it comes in one piece, when it was judged.
            HttpTask::Body(Some(body), _) => self.body = Some(body),
            HttpTask::Body(None, _)
            | HttpTask::Done
            | HttpTask::Failed(_)
            | HttpTask::Trailer(_)
            | HttpTask::UpgradedBody(..) => {}
        }
        None
    }
}

/// Sends the request on with `ctx`, and the answer back to the client.
pub(super) async fn forward(session: &mut Session, mut ctx: Box<Ctx>) -> Result<()> {
    let word = answered::holds(&ctx).then(Word::default);
    ctx.word.clone_from(&word);
    ctx.lease = Some(lease::lend());
    let envelope = ctx.envelope.clone();
    let bodiless = ctx.body.is_none() && session.is_body_done();
    let body = match (ctx.replay, ctx.came.clone()) {
        (body::Replay::Again, _) => preset(Bytes::from_static(STAND_IN)),
        (body::Replay::InPlace | body::Replay::Never, Some(came)) => preset(came),
        // Not `NoBody`, for which Pingora would take fields away.
        (body::Replay::InPlace | body::Replay::Never, None) if bodiless => preset(Bytes::new()),
        (body::Replay::InPlace | body::Replay::Never, None) => InputBodyType::SaveBody(0),
    };
    let carrier = SubrequestCtx::builder().body_mode(BodyMode::ExpectBody).user_ctx(Box::new(Some(ctx))).build();
    let spawner = session.subrequest_spawner.take();
    let spawner = spawner.ok_or_else(|| Error::explain(ErrorType::InternalError, "no subrequests here"))?;
    let version = session.req_header().version;
    if version == Version::HTTP_2 {
        // Pingora prints the head as HTTP/1 and reads it again.
        let head = session.req_header_mut();
        head.set_version(Version::HTTP_11);
        if !bodiless && !head.headers.contains_key(header::CONTENT_LENGTH) {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        let authority = head.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
        if let Some(authority) = authority.filter(|_| !head.headers.contains_key(header::HOST)) {
            head.insert_header(header::HOST, authority)?;
        }
    }
    let (request, handle) = spawner.create_subrequest(session.as_downstream(), carrier);
    session.req_header_mut().set_version(version);
    let mut kept = Kept::default();
    let filter = |task| Ok(if word.as_ref().is_some_and(Word::is_held) { kept.keep(task) } else { Some(task) });
    let piped = pipe_subrequest(session, request, handle, filter, body).await;
    if let Some(refusal) = word.as_ref().and_then(Word::refusal) {
        return respond::refuse(session, &refusal, &envelope).await;
    }
    match (piped, kept.head, kept.body) {
        (Err(failed), ..) => deliver(session, failed).await,
        (Ok(_), None, _) => Ok(()),
        (Ok(_), Some(head), Some(body)) => send(session, head, body).await,
        (Ok(_), Some(_), None) => {
            let refusal = Refusal::new(Code::ResponseViolation).because("nothing came that could be judged");
            respond::refuse(session, &refusal, &envelope).await
        }
    }
}

fn preset(body: Bytes) -> InputBodyType {
    InputBodyType::Preset(InputBody::Bytes(vec![body]))
}

/// Sends an answer that was kept back.
#[expect(clippy::disallowed_methods, reason = "passes on what the application answered")]
async fn send(session: &mut Session, mut head: Box<ResponseHeader>, body: Bytes) -> Result<()> {
    head.remove_header(&header::TRANSFER_ENCODING);
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    session.write_response_tasks(vec![HttpTask::Header(head, false), HttpTask::Body(Some(body), true)]).await.map(drop)
}

/// Where the inner request failed, its refusal may still be on the way.
#[expect(clippy::disallowed_methods, reason = "passes on what respond.rs wrote in the inner request")]
async fn deliver(session: &mut Session, failed: PipeSubrequestError) -> Result<()> {
    if let Some(mut answer) = failed.state.pipe_rx.filter(|_| failed.from_subreq) {
        let mut tasks = Vec::new();
        while let Some(task) = answer.recv().await {
            if !matches!(task, HttpTask::Failed(_)) {
                tasks.push(task);
            }
        }
        if !tasks.is_empty() {
            session.write_response_tasks(tasks).await?;
        }
    }
    Err(failed.error)
}
