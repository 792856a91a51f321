//! How does a request end? Recorded, and with an answer wherever one is still possible.

use bytes::Bytes;
use pingora::Error;
use pingora::proxy::Session;
use portcullis_core::refusal::Code;
use portcullis_core::trail::{End, Stage};

use super::{Ctx, Passage, answered, failure, outgoing};
use crate::accept::Guard;
use crate::respond;

impl Passage {
    /// What failed is noted, and answered where nothing was yet. The status of it.
    pub(super) async fn fail(&self, session: &mut Session, e: &Error, ctx: &mut Ctx) -> u16 {
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
        error_code
    }

    /// It is over.
    pub(super) fn end(&self, session: &mut Session, ctx: &mut Ctx) {
        if session.is_body_done() {
            if let Some(guard) = Guard::of(session.stream()) {
                guard.expect_head();
            }
        } else {
            // What is left of the body must not be read as the next head.
            session.set_keepalive(None);
        }
        let now = ctx.ended.unwrap_or_else(|| self.shared.world.clock.steady());
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
}
