//! What happened on the way? The one source of logs, metrics, spans and decision records.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::authorize::Asked;
use crate::identify::Identity;
use crate::refusal::{Code, LimitState, Refusal};

/// The stages, in travelling order.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Stage {
    Accept,
    Route,
    Guard,
    Identify,
    Limit,
    Parameters,
    Authorize,
    /// The policies in shadow, beside those that decide.
    Next,
    Body,
    Forward,
    Answer,
}

impl Stage {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Route => "route",
            Self::Guard => "guard",
            Self::Identify => "identify",
            Self::Limit => "limit",
            Self::Next => "policies_next",
            Self::Parameters => "parameters",
            Self::Authorize => "authorize",
            Self::Body => "body",
            Self::Forward => "forward",
            Self::Answer => "answer",
        }
    }
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Passed,
    Refused(Code),
    /// In shadow mode: it would have refused.
    WouldRefuse(Code),
    /// Mode `off`, or nothing to do.
    Skipped,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    pub stage: Stage,
    /// Since the last step before that was timed ended; zero for one that was not worth a reading of the clock.
    pub took: Duration,
    pub end: End,
}

/// Everything learnt about one request. Stages never log; they leave this behind.
#[derive(Debug, Default)]
pub struct Trail {
    steps: Vec<Step>,
    last: Duration,
    pub route: Option<Arc<str>>,
    pub identity: Option<Arc<Identity>>,
    /// Ids of the policies that determined the decision.
    pub policies: Vec<Arc<str>>,
    /// The operator's `@reason` of the determining policies.
    pub reasons: Vec<Arc<str>>,
    /// How the limits stand after this request.
    pub limits: Vec<LimitState>,
    pub refusal: Option<Refusal>,
    /// What shadow mode let pass.
    pub would_refuse: Vec<(Stage, Refusal)>,
    /// The policies refused what those in shadow allow.
    pub would_allow: bool,
    /// The question as the policies saw it, to be explained.
    pub asked: Option<Arc<Asked>>,
    /// The same, of the policies in shadow.
    pub asked_next: Option<Arc<Asked>>,
}

impl Trail {
    /// `start`: the steady clock when the request began.
    pub fn begin(start: Duration) -> Self {
        Self { steps: Vec::with_capacity(10), last: start, ..Self::default() }
    }

    /// Notes how a stage ended; `at` is the steady clock then.
    pub fn step(&mut self, stage: Stage, end: End, at: Duration) {
        let took = at.saturating_sub(self.last);
        self.last = at;
        self.steps.push(Step { stage, took, end });
    }

    /// As [`Self::step`], without the time: nothing was done, or less than it takes to read the clock.
    pub fn brief(&mut self, stage: Stage, end: End) {
        self.steps.push(Step { stage, took: Duration::ZERO, end });
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
