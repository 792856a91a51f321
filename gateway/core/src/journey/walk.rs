//! One walk through the stages: every end is noted in the trail, and modes are applied, in one place.

use std::sync::Arc;

use super::Turned;
use crate::authorize::Answered;
use crate::mode::Mode;
use crate::ports::Clock;
use crate::refusal::Refusal;
use crate::trail::{End, Stage, Trail};

pub(super) struct Walk<'a> {
    pub(super) trail: &'a mut Trail,
    clock: &'a dyn Clock,
    brief: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(trail: &'a mut Trail, clock: &'a dyn Clock) -> Self {
        Self { trail, clock, brief: false }
    }

    /// The stage that ends next had less to do than it takes to read the clock: what it took counts with the one after
    /// it, unless it refuses.
    pub(super) fn brief(&mut self, brief: bool) -> &mut Self {
        self.brief = brief;
        self
    }

    /// For stages that know no shadow: the fact, or the end of the journey.
    pub(super) fn must<T>(&mut self, stage: Stage, result: Result<T, Refusal>) -> Result<T, Turned> {
        match result {
            Ok(fact) => {
                self.step(stage, End::Passed);
                Ok(fact)
            }
            Err(refusal) => Err(self.refuse(stage, refusal)),
        }
    }

    /// Whether a stage decides at all; notes it when not.
    pub(super) fn bites(&mut self, stage: Stage, mode: Mode) -> bool {
        match mode {
            Mode::Enforce | Mode::Shadow => true,
            Mode::Off => {
                self.step(stage, End::Skipped);
                false
            }
        }
    }

    /// Applies the mode: in shadow a refusal is recorded and `None` comes back.
    pub(super) fn judge<T>(
        &mut self,
        stage: Stage,
        mode: Mode,
        result: Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        match (result, mode) {
            (Ok(fact), _) => {
                self.step(stage, End::Passed);
                Ok(Some(fact))
            }
            (Err(refusal), Mode::Enforce) => {
                self.note(stage, &refusal);
                Err(refusal)
            }
            (Err(refusal), Mode::Off | Mode::Shadow) => {
                self.step(stage, End::WouldRefuse(refusal.code));
                self.trail.would_refuse.push((stage, refusal));
                Ok(None)
            }
        }
    }

    pub(super) fn refuse(&mut self, stage: Stage, refusal: Refusal) -> Turned {
        self.note(stage, &refusal);
        Turned::Refused(refusal)
    }

    fn note(&mut self, stage: Stage, refusal: &Refusal) {
        self.step(stage, End::Refused(refusal.code));
        self.trail.refusal = Some(refusal.clone());
    }

    /// Leaves the determining policies in the trail, whichever way they decided.
    pub(super) fn note_policies(&mut self, answered: Answered) -> Result<(), Refusal> {
        self.trail.asked = answered.asked;
        let (policies, reasons, outcome) = match answered.outcome {
            Ok(grant) => (grant.policies, grant.reasons, Ok(())),
            Err(denied) => (denied.policies, denied.reasons, Err(denied.refusal)),
        };
        self.trail.policies.extend(policies.iter().map(Arc::clone));
        self.trail.reasons.extend(reasons.iter().map(Arc::clone));
        outcome
    }

    fn step(&mut self, stage: Stage, end: End) {
        let brief = std::mem::take(&mut self.brief);
        match end {
            End::Skipped => self.trail.brief(stage, end),
            End::Passed if brief => self.trail.brief(stage, end),
            End::Passed | End::Refused(_) | End::WouldRefuse(_) => self.trail.step(stage, end, self.clock.steady()),
        }
    }
}
