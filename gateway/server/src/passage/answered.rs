//! Does the application's answer fit what the route declares? Held until it is judged, or looked at in passing.
//!
//! Where answers are enforced the request runs once more inside the process (see `again`), and this here keeps the body
//! back until its end, while the outer request keeps the head: so nothing is sent that was not judged, and what does not
//! fit can still become a 502. In shadow the answer goes on as it comes, and a copy is judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use bytes::{Bytes, BytesMut};
use http::header;
use parking_lot::Mutex;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use portcullis_core::mode::Mode;
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::trail::{End, Stage};
use portcullis_core::validate::AnswerPlan;
use tokio::sync::OwnedSemaphorePermit;

use super::{Ctx, body, outgoing};
use crate::shared::Shared;

/// What the inner request tells the outer one, which speaks with the client.
#[derive(Clone, Default)]
pub(super) struct Word(Arc<Told>);

#[derive(Default)]
struct Told {
    /// The answer is kept back until it is whole.
    held: AtomicBool,
    /// The status of the refusal; 0 where there is none.
    status: AtomicU16,
    refusal: Mutex<Option<Refusal>>,
}

impl Word {
    /// Whether the answer that comes is to be kept back.
    pub(super) fn is_held(&self) -> bool {
        self.0.held.load(Ordering::Acquire)
    }

    /// What to answer in the place of the application.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.refusal.lock().take()
    }

    /// Of what is answered in the place of the application.
    pub(super) fn status(&self) -> Option<u16> {
        Some(self.0.status.load(Ordering::Acquire)).filter(|status| *status > 0)
    }

    fn refuse(&self, refusal: Refusal) {
        self.0.status.store(refusal.code.status().as_u16(), Ordering::Release);
        *self.0.refusal.lock() = Some(refusal);
    }
}

/// A body on its way to be judged.
pub(super) struct Judging {
    rule: usize,
    most: u64,
    mode: Mode,
    whole: BytesMut,
    memory: Option<OwnedSemaphorePermit>,
}

/// Whether answers to this request are kept back.
pub(super) fn holds(ctx: &Ctx) -> bool {
    let answers = ctx.permit.as_ref().and_then(portcullis_core::journey::Permit::answers);
    answers.is_some_and(|answers| answers.mode == Mode::Enforce)
}

/// Whether the outer request answers when this one fails: nothing of an answer has reached the client yet.
pub(super) fn hands_over(ctx: &Ctx, answered: bool) -> bool {
    ctx.word.as_ref().is_some_and(|word| !answered || word.is_held())
}

/// Tells the outer request what to answer.
pub(super) fn tell(ctx: &mut Ctx) {
    if let (Some(word), Some(unfit)) = (&ctx.word, ctx.unfit.take()) {
        word.refuse(unfit);
    }
}

/// Judges the head, and prepares for the body.
///
/// # Errors
/// It does not fit, and must not go on.
pub(super) fn head(session: &Session, head: &mut ResponseHeader, ctx: &mut Ctx, shared: &Shared) -> Result<()> {
    let (Some(permit), Some(recording)) = (&ctx.permit, &mut ctx.recording) else { return Ok(()) };
    let Some(answers) = permit.answers() else { return Ok(()) };
    if outgoing::is_interim(head) {
        return Ok(());
    }
    let mode = answers.mode;
    recording.trail.step(Stage::Forward, End::Passed, shared.world.clock.steady());
    let (method, clock) = (&session.req_header().method, &*shared.world.clock);
    match permit.answer_head(method, (head.status, &head.headers), clock, &mut recording.trail) {
        Ok(AnswerPlan::Pass) => Ok(()),
        Ok(AnswerPlan::Judge { rule, most }) => {
            if mode == Mode::Enforce {
                let Some(word) = &ctx.word else {
                    return Error::e_explain(ErrorType::InternalError, "nobody keeps the head back");
                };
                word.0.held.store(true, Ordering::Release);
                // Its length is known when it was judged; what is about the bytes may be about others.
                for name in [
                    header::CONTENT_LENGTH.as_str(),
                    "accept-ranges",
                    "content-digest",
                    "content-md5",
                    "digest",
                    "repr-digest",
                ] {
                    head.remove_header(name);
                }
            }
            ctx.judging = Some(Judging { rule, most, mode, whole: BytesMut::new(), memory: None });
            Ok(())
        }
        Err(refusal) => refuse(ctx, refusal),
    }
}

/// Takes the next piece of the body, and judges at its `end`.
///
/// # Errors
/// It does not fit, and must not go on.
pub(super) fn piece(piece: &mut Option<Bytes>, end: bool, ctx: &mut Ctx, shared: &Shared) -> Result<()> {
    let Some(judging) = &mut ctx.judging else { return Ok(()) };
    let taken = judging.take(piece.as_ref(), shared);
    if judging.mode == Mode::Enforce {
        *piece = None;
        let late = ctx.deadline.is_some_and(|deadline| shared.world.clock.steady() > deadline);
        if late && !end {
            return refuse(ctx, Refusal::new(Code::UpstreamTimeout).because("the answer was not whole in time"));
        }
    }
    if taken.is_ok() && !end {
        return Ok(());
    }
    let Some(judging) = ctx.judging.take() else { return Ok(()) };
    let (Some(permit), Some(recording)) = (&ctx.permit, &mut ctx.recording) else {
        return Error::e_explain(ErrorType::InternalError, "no permit");
    };
    let whole = judging.whole.freeze();
    let bytes = taken.map(|()| &*whole);
    match permit.answer_body(judging.rule, bytes, &*shared.world.clock, &mut recording.trail) {
        Ok(changed) => {
            if judging.mode == Mode::Enforce {
                ctx.held.answer = judging.memory;
                *piece = Some(changed.unwrap_or(whole));
            }
            Ok(())
        }
        Err(refusal) => refuse(ctx, refusal),
    }
}

impl Judging {
    pub(super) fn holds(&self) -> bool {
        self.mode == Mode::Enforce
    }

    fn take(&mut self, piece: Option<&Bytes>, shared: &Shared) -> std::result::Result<(), Refusal> {
        let Some(piece) = piece else { return Ok(()) };
        let length = self.whole.len().saturating_add(piece.len());
        if u64::try_from(length).map_or(true, |length| length > self.most) {
            return Err(AnswerPlan::too_large(self.most));
        }
        body::grow(shared, &mut self.memory, length)?;
        self.whole.extend_from_slice(piece);
        Ok(())
    }
}

/// Ends the request for a reason of ours, which `fail_to_proxy` finds.
fn refuse(ctx: &mut Ctx, refusal: Refusal) -> Result<()> {
    let status = refusal.code.status().as_u16();
    ctx.unfit = Some(refusal);
    Error::e_explain(ErrorType::HTTPStatus(status), "the answer was refused")
}
