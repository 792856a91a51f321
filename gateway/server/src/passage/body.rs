//! The whole body, before any upstream is chosen: bounded in size, in time and in memory over all requests.
//!
//! Where the request goes straight, that is all. Else Pingora replays what its 64 KiB buffer holds. When the length is
//! known the buffer is armed only for the last 64 KiB, so that it is never cut off, and `request_body_filter` puts the
//! whole body in its place. When it is not known, a body that outgrows the buffer goes on by `again`.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::ErrorType;
use pingora::proxy::Session;
use portcullis_core::refusal::{Code, Refusal};
use tokio::sync::OwnedSemaphorePermit;

use crate::accept::Guard;
use crate::shared::Shared;

/// Pingora's own buffer for repeating a request.
const REPLAYED: usize = 64 * 1024;

/// A body that was read to its end.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) memory: OwnedSemaphorePermit,
    pub(super) replay: Replay,
}

/// How the body gets past Pingora, which has read it already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Replay {
    /// In a request of its own, whose body has yet to be read.
    Again,
    /// In the place of what its buffer holds.
    #[default]
    InPlace,
    /// Not at all: it goes straight.
    Never,
}

/// Reads it all, or says why not. `max` in bytes; `rest`: until the request must be over; `needs`: `InPlace` or `Never`.
pub(super) async fn read_whole(
    session: &mut Session,
    max: u64,
    rest: Option<Duration>,
    (needs, shared): (Replay, &Shared),
) -> Result<Whole, Refusal> {
    let declared = session.get_header(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let known = declared.and_then(|length| usize::try_from(length).ok());
    // For what is there, not for what is announced: announcing costs nothing.
    let memory = reserve(shared, known.unwrap_or(REPLAYED).clamp(1, REPLAYED))?;
    let waits = session.get_header(header::EXPECT).is_some();
    if waits && session.write_continue_response().await.is_err() {
        return Err(Refusal::new(Code::ClientGone));
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    match tokio::time::timeout(rest.unwrap_or(Duration::MAX), collect(session, (known, max), memory, (needs, shared)))
        .await
    {
        Ok(read) => read,
        Err(_) => Err(too_slow("the body was not whole when the request's `timeout` ended")),
    }
}

async fn collect(
    session: &mut Session,
    (known, max): (Option<usize>, usize),
    mut memory: OwnedSemaphorePermit,
    (needs, shared): (Replay, &Shared),
) -> Result<Whole, Refusal> {
    let mut whole = BytesMut::with_capacity(known.unwrap_or(4096).min(REPLAYED));
    loop {
        let rest = known.map(|length| length.saturating_sub(whole.len()));
        if needs == Replay::InPlace && rest.is_none_or(|rest| rest <= REPLAYED) {
            session.enable_retry_buffering();
        }
        let read = tokio::time::timeout(shared.body_timeout, session.read_request_body()).await;
        let read = read.map_err(|_| too_slow("the body made no progress for `body_timeout`"))?;
        let fault = Guard::of(session.stream()).and_then(Guard::body_fault);
        let chunk = read.map_err(|e| match (e.etype(), fault) {
            (_, Some(fault)) => fault.refusal(),
            (ErrorType::ReadTimedout, _) => too_slow("the body made no progress for `body_timeout`"),
            (other, _) => {
                Refusal::new(Code::MalformedRequest).because(format!("the body broke off: {}", other.as_str()))
            }
        })?;
        let Some(chunk) = chunk else { break };
        let length = whole.len().saturating_add(chunk.len());
        if length > max {
            return Err(too_large(max as u64));
        }
        // Never after the bytes: what is held has been paid for.
        if let Some(more) = length.checked_sub(memory.num_permits() * UNIT).filter(|more| *more > 0) {
            let rest = known.map_or(usize::MAX, |known| known.saturating_sub(length)).saturating_add(more);
            memory.merge(reserve(shared, more.max(REPLAYED).min(rest))?);
        }
        whole.extend_from_slice(&chunk);
    }
    let outgrown = needs == Replay::InPlace && known.is_none() && whole.len() > REPLAYED;
    let replay = if outgrown { Replay::Again } else { needs };
    Ok(Whole { bytes: whole.freeze(), memory, replay })
}

/// Bytes to one permit of the budget, so that the budget fits a semaphore.
const UNIT: usize = 1024;

/// Sees to it that what is `held` is enough for `length` bytes.
pub(super) fn grow(shared: &Shared, held: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Refusal> {
    let has = held.as_ref().map_or(0, |memory| memory.num_permits().saturating_mul(UNIT));
    if let Some(lacking) = length.checked_sub(has).filter(|lacking| *lacking > 0) {
        let more = reserve(shared, lacking.max(has).min(REPLAYED.max(lacking)))?;
        match held {
            Some(memory) => memory.merge(more),
            None => *held = Some(more),
        }
    }
    Ok(())
}

/// Memory for `bytes`, as long as the permit is kept.
pub(super) fn reserve(shared: &Shared, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
    Arc::clone(&shared.body_memory).try_acquire_many_owned(units).map_err(|_| {
        Refusal::new(Code::Overloaded).because("`max_body_memory` is all in use").retry_after(Duration::from_secs(1))
    })
}

fn too_large(max: u64) -> Refusal {
    Refusal::new(Code::BodyTooLarge).detail(format!("The body may have at most {max} bytes here."))
}

fn too_slow(reason: &'static str) -> Refusal {
    Refusal::new(Code::RequestTimeout).because(reason).detail("The body took too long to arrive.")
}
