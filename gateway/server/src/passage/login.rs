//! The pages of logins, which end here.

use bytes::Bytes;
use pingora::proxy::Session;
use portcullis_core::journey::{Answer, Turned};
use portcullis_core::refusal::Refusal;
use portcullis_core::trail::{End, Stage};

use super::{Ctx, Passage, body};
use crate::login::Visit;

impl Passage {
    /// How a visit ends.
    pub(super) async fn visit(&self, session: &mut Session, ctx: &mut Ctx, visit: &Visit) -> Turned {
        let answered = self.answer_visit(session, visit).await;
        let end = answered.as_ref().map_or_else(|refusal| End::Refused(refusal.code), |_| End::Passed);
        if let Some(recording) = &mut ctx.recording {
            recording.trail.step(Stage::Identify, end, self.shared.world.clock.now().steady);
            recording.trail.refusal = answered.as_ref().err().cloned();
        }
        match answered {
            Ok(reply) => Turned::Answered(reply),
            Err(refusal) => Turned::Refused(refusal),
        }
    }

    async fn answer_visit(&self, session: &mut Session, visit: &Visit) -> Result<Answer, Refusal> {
        let form = if visit.has_form() {
            let timeout = Some(self.shared.body_timeout);
            body::read_whole(session, Visit::LARGEST_FORM, timeout, (body::Replay::Never, &self.shared)).await?.bytes
        } else {
            Bytes::new()
        };
        let reply = self.shared.login.answer(visit, form).await?;
        Ok(Answer { status: reply.status, fields: reply.fields, body: reply.body })
    }
}
