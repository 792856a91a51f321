//! The whole body, before any upstream is chosen: bounded in size, in time and in memory over all requests.
//!
//! Pingora replays what its 64 KiB buffer holds. When the length is known the buffer is armed only for the
//! last 64 KiB, so that it is never cut off, and `request_body_filter` puts the whole body in its place.
//! When it is not known, a body that outgrows the buffer is answered 411: it could not be forwarded safely.

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::proxy::Session;
use portcullis_core::refusal::{Code, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

use crate::shared::Shared;

/// Pingora's own buffer for repeating a request.
const REPLAYED: usize = 64 * 1024;

/// Reads it all, or says why not. `max` in bytes.
pub(super) async fn read_whole(
    session: &mut Session,
    max: u64,
    shared: &Shared,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    let declared = session.get_header(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let known = declared.and_then(|length| usize::try_from(length).ok());
    // Unknown lengths are read to the end of the replay buffer at most.
    let reserve = known.unwrap_or(REPLAYED).max(1);
    let memory = reserve_memory(shared, reserve)?;
    let waits = session.get_header(header::EXPECT).is_some();
    if waits && session.write_continue_response().await.is_err() {
        return Err(Refusal::new(Code::ClientGone));
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    match tokio::time::timeout(shared.body_timeout, collect(session, known, max)).await {
        Ok(Ok(whole)) => Ok((whole, Some(memory))),
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::new(Code::RequestTimeout).detail("The body took too long to arrive.")),
    }
}

async fn collect(session: &mut Session, known: Option<usize>, max: usize) -> Result<Bytes, Refusal> {
    let mut whole = BytesMut::with_capacity(known.unwrap_or(4096));
    loop {
        let rest = known.map(|length| length.saturating_sub(whole.len()));
        if rest.is_none_or(|rest| rest <= REPLAYED) {
            session.enable_retry_buffering();
        }
        let read = session.read_request_body().await;
        let chunk = read.map_err(|e| {
            Refusal::new(Code::MalformedRequest).because(format!("the body broke off: {}", e.etype().as_str()))
        })?;
        let Some(chunk) = chunk else { break };
        if whole.len().saturating_add(chunk.len()) > max {
            return Err(too_large(max as u64));
        }
        whole.extend_from_slice(&chunk);
        if known.is_none() && whole.len() > REPLAYED {
            return Err(Refusal::new(Code::LengthRequired)
                .detail("A body of more than 64 KiB needs a Content-Length here.")
                .because("a body of unknown length outgrew the replay buffer"));
        }
    }
    Ok(whole.freeze())
}

fn reserve_memory(shared: &Shared, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    // One permit is one KiB, so that the budget fits a semaphore.
    let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    Arc::clone(&shared.body_memory).try_acquire_many_owned(kib).map_err(|_| {
        Refusal::new(Code::Overloaded).because("`max_body_memory` is all in use").retry_after(Duration::from_secs(1))
    })
}

fn too_large(max: u64) -> Refusal {
    Refusal::new(Code::BodyTooLarge).detail(format!("The body may have at most {max} bytes here."))
}
