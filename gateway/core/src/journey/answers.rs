//! Does the application answer what it says it does? After the permit, on the way back.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::Permit;
use super::walk::Walk;
use crate::mode::Mode;
use crate::ports::Clock;
use crate::refusal::Refusal;
use crate::trail::{Stage, Trail};
use crate::validate::{AnswerPlan, Answers};

impl Permit {
    /// What the application may answer; `None` where nothing is judged.
    pub fn answers(&self) -> Option<&Answers> {
        self.rules().validate.answers().filter(|answers| answers.mode != Mode::Off)
    }

    /// Judges the head of an answer, which is no interim one.
    ///
    /// # Errors
    /// 502 `response_violation`; in shadow it is recorded, and the answer passes.
    pub fn answer_head(
        &self,
        method: &Method,
        (status, headers): (StatusCode, &HeaderMap),
        clock: &dyn Clock,
        trail: &mut Trail,
    ) -> Result<AnswerPlan, Refusal> {
        let Some(answers) = self.answers() else { return Ok(AnswerPlan::Pass) };
        match answers.plan(method, status, headers) {
            Ok(plan) => Ok(plan),
            unfit => {
                let mut walk = Walk::new(trail, clock);
                Ok(walk.judge(Stage::Answer, answers.mode, unfit)?.unwrap_or(AnswerPlan::Pass))
            }
        }
    }

    /// Judges the whole body of an answer by the `rule` of its head, or takes why it could not be had. `Some`: what to
    /// send in its place.
    ///
    /// # Errors
    /// As [`Self::answer_head`].
    pub fn answer_body(
        &self,
        rule: usize,
        body: Result<&[u8], Refusal>,
        clock: &dyn Clock,
        trail: &mut Trail,
    ) -> Result<Option<Bytes>, Refusal> {
        let Some(answers) = self.answers() else { return Ok(None) };
        let judged = body.and_then(|bytes| answers.judge(rule, bytes));
        let mut walk = Walk::new(trail, clock);
        Ok(walk.judge(Stage::Answer, answers.mode, judged)?.flatten())
    }
}
