//! Which target, and once more? What Pingora asks about attempts, and what is asked where a request goes straight.

use std::sync::Arc;
use std::time::Duration;

use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::{Ctx, Passage, failure, spans};
use crate::forward::{Failed, Target, Upstream};

impl Passage {
    /// The target of the next attempt.
    pub(super) fn choose<'u>(upstream: &'u Upstream, ctx: &mut Ctx, now: Duration) -> Result<&'u Target> {
        let Some((index, target)) = upstream.choose(ctx.target, now) else {
            return Error::e_explain(ErrorType::HTTPStatus(503), "all targets are away");
        };
        ctx.target = Some(index);
        ctx.attempts = ctx.attempts.saturating_add(1);
        if let Some(recording) = &mut ctx.recording {
            recording.upstream = Some(Arc::clone(&target.label));
        }
        Ok(target)
    }

    pub(super) fn choose_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let now = self.shared.world.clock.steady();
        let Some(upstream) = ctx.upstream.as_ref().filter(|_| ctx.permit.is_some()) else {
            return Error::e_explain(ErrorType::InternalError, "no permit");
        };
        let upstream = Arc::clone(upstream);
        let target = Self::choose(&upstream, ctx, now)?;
        let Some(mut peer) = target.peer() else {
            return Error::e_explain(ErrorType::HTTPStatus(503), "the target has no address");
        };
        ctx.inject = true;
        ctx.patience = spans::bound(&mut peer, ctx, now, session);
        Ok(peer)
    }

    /// After a connection that could not be made.
    pub(super) fn may_connect_again(&self, ctx: &mut Ctx, e: &Error) -> bool {
        failure::note(&self.shared, ctx, e, Failed::Connecting) && ctx.may_retry() && ctx.has_another_target()
    }

    /// After an attempt that failed over a connection.
    pub(super) fn may_ask_again(&self, session: &Session, ctx: &mut Ctx, e: &Error, reused: bool) -> bool {
        let safe = session.req_header().method.is_safe();
        let upstream_failed = failure::note(&self.shared, ctx, e, Failed::Answering);
        // INVARIANT: only safe methods are sent twice once the application may have seen them.
        let unanswered = session.response_written().is_none() && !session.as_ref().retry_buffer_truncated();
        let hung = matches!(e.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout) || ctx.lost_patience();
        // A kept connection may have been closed meanwhile, which says nothing about the target.
        let elsewhere = reused || ctx.has_another_target();
        safe && upstream_failed && unanswered && !hung && elsewhere && ctx.may_retry()
    }
}

impl Ctx {
    /// Whether a stream's answer did not begin in time.
    pub(super) fn lost_patience(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.is_over())
    }

    pub(super) fn has_another_target(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.has_another())
    }

    pub(super) fn may_retry(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| self.attempts <= upstream.spec.retries)
    }
}
