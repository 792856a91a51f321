//! How does a body go on that Pingora has read and cannot replay? In a request of its own, begun with the permit.
//!
//! A body of unknown length outgrew Pingora's buffer by the time its end was seen. The same request is then run once
//! more inside the process, as what Pingora calls a subrequest. INVARIANT: its context is the first one's, whole, so
//! nothing is decided, charged or recorded a second time; a subrequest that brings none is refused. What flows through
//! Pingora is a single byte, small enough to be replayed, in whose place `request_body_filter` puts the body.

use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::proxy::subrequest::pipe::{InputBody, InputBodyType, PipeSubrequestError, pipe_subrequest};
use pingora::proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};
use pingora::{Error, ErrorType, Result};

use super::Ctx;

/// Stands for the body until `request_body_filter`.
const STAND_IN: &[u8] = b"0";

/// The context that came along; `None` in a request of a client's.
pub(super) fn carried(session: &mut Session) -> Option<Result<Box<Ctx>>> {
    let carrier = session.subrequest_ctx.as_mut()?;
    let carried = carrier.user_ctx_mut().and_then(|any| any.downcast_mut::<Option<Box<Ctx>>>()).and_then(Option::take);
    Some(carried.ok_or_else(|| Error::explain(ErrorType::InternalError, "a subrequest without a permit")))
}

/// Sends the request on with `ctx`, and the answer back to the client.
pub(super) async fn forward(session: &mut Session, ctx: Box<Ctx>) -> Result<()> {
    let carrier = SubrequestCtx::builder().body_mode(BodyMode::ExpectBody).user_ctx(Box::new(Some(ctx))).build();
    let spawner = session.subrequest_spawner.take();
    let spawner = spawner.ok_or_else(|| Error::explain(ErrorType::InternalError, "no subrequests here"))?;
    let version = session.req_header().version;
    if version == Version::HTTP_2 {
        // Pingora prints the head as HTTP/1 and reads it again.
        let head = session.req_header_mut();
        head.set_version(Version::HTTP_11);
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        let authority = head.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
        if let Some(authority) = authority.filter(|_| !head.headers.contains_key(header::HOST)) {
            head.insert_header(header::HOST, authority)?;
        }
    }
    let (request, handle) = spawner.create_subrequest(session.as_downstream(), carrier);
    session.req_header_mut().set_version(version);
    let body = InputBodyType::Preset(InputBody::Bytes(vec![Bytes::from_static(STAND_IN)]));
    match pipe_subrequest(session, request, handle, |task| Ok(Some(task)), body).await {
        Ok(_) => Ok(()),
        Err(failed) => deliver(session, failed).await,
    }
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
