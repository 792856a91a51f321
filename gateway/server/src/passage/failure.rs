//! What does a failure mean? Pingora's errors in our words.

use std::sync::Arc;
use std::time::Duration;

use pingora::{Error, ErrorSource, ErrorType};
use portcullis_core::refusal::{Code, Refusal};

use super::Ctx;
use crate::forward::Failed;
use crate::shared::Shared;

/// Tells the target's health and the metrics. `true`: the upstream was at fault.
pub(super) fn note(shared: &Shared, ctx: &mut Ctx, e: &Error, how: Failed) -> bool {
    if *e.esource() == ErrorSource::Downstream || matches!(e.etype(), ErrorType::HTTPStatus(_)) {
        return false;
    }
    if let (Some(upstream), Some(index)) = (&ctx.upstream, ctx.target)
        && let Some(target) = upstream.target(index)
    {
        target.failed(how, shared.world.clock.steady());
        shared.streams.metrics.upstream_failures.with_label_values(&[&*upstream.name, kind(e)]).inc();
        if let Some(recording) = &mut ctx.recording {
            recording.failed.push((Arc::clone(&target.label), kind(e)));
        }
    }
    let late = ctx.lost_patience();
    if let Some(recording) = &mut ctx.recording {
        recording.error = if late { "read_timeout" } else { kind(e) };
    }
    true
}

/// The closed list of what can go wrong with an upstream.
fn kind(e: &Error) -> &'static str {
    match e.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => "connect_timeout",
        ErrorType::ConnectRefused => "connect_refused",
        ErrorType::ConnectNoRoute | ErrorType::ConnectError | ErrorType::SocketError | ErrorType::BindError => {
            "connect_failed"
        }
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => "tls_failed",
        ErrorType::ReadTimedout => "read_timeout",
        ErrorType::WriteTimedout => "write_timeout",
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => "reset",
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::H2Error | ErrorType::InvalidH2 => {
            "protocol_error"
        }
        _ => "other",
    }
}

/// Whether the application may have seen the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reached {
    Maybe,
    Never,
}

/// What the caller is told; `ClientGone` when nobody is there to be told, or nothing true could be said.
pub(super) fn refusal(e: &Error, answered: bool, reached: Reached) -> Refusal {
    let at_fault = if *e.esource() == ErrorSource::Downstream { "client" } else { kind(e) };
    let because = |code: Code| Refusal::new(code).because(format!("{at_fault}: {e}"));
    match e.etype() {
        ErrorType::HTTPStatus(413) => because(Code::BodyTooLarge),
        ErrorType::HTTPStatus(503) => because(Code::UpstreamUnavailable).retry_after(Duration::from_secs(1)),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout if *e.esource() == ErrorSource::Downstream => {
            because(Code::RequestTimeout)
        }
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => because(Code::UpstreamTimeout),
        _ => match e.esource() {
            ErrorSource::Upstream => because(Code::UpstreamFailed),
            ErrorSource::Downstream if answered => because(Code::ClientGone),
            ErrorSource::Downstream => match e.etype() {
                ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed => because(Code::ClientGone),
                // INVARIANT: what the application may have done is never answered as if it had not been done.
                _ if reached == Reached::Maybe => because(Code::ClientGone),
                _ => because(Code::MalformedRequest),
            },
            ErrorSource::Internal | ErrorSource::Unset => because(Code::InternalError),
        },
    }
}

/// The application is at work, or hangs; its answer, a stream, has not begun.
pub(super) fn no_answer() -> Refusal {
    Refusal::new(Code::UpstreamTimeout).because("the answer did not begin in time")
}

/// The head took longer than it may.
pub(super) fn late() -> Refusal {
    Refusal::new(Code::RequestTimeout).because("the head took longer than `header_timeout`")
}
