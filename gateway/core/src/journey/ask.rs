//! May they? The policies that decide, and those in shadow beside them.

use std::borrow::Cow;

use serde_json::Value;

use super::walk::Walk;
use super::{Granted, Turned};
use crate::authorize::{Answered, Authorize, Question};
use crate::gather::Param;
use crate::mode::Mode;
use crate::moment::Now;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::trail::{Stage, Trail};

impl Granted {
    /// May they?
    pub(super) fn ask(
        &self,
        walk: &mut Walk<'_>,
        request: &Request<'_>,
        body: Option<&Value>,
        now: Now,
    ) -> Result<(), Turned> {
        let rules = self.rules();
        if !walk.bites(Stage::Authorize, rules.modes.authorize) {
            return Ok(());
        }
        if let Err(refusal) = &self.known {
            walk.judge::<()>(Stage::Authorize, rules.modes.authorize, Err(refusal.clone()))?;
            return Ok(());
        }
        let params = self.params();
        let question = Question {
            method: request.method,
            path: request.path.as_str(),
            query: request.query,
            headers: request.headers,
            client: request.client,
            params: &params,
            body,
            now,
        };
        let remembered = rules.authorize.remembered(&question, &self.identity);
        let brief = remembered.is_some();
        let answered = remembered.map_or_else(|| self.answer(&rules.authorize, &question), Ok);
        let answered = answered.map_err(|refusal| walk.refuse(Stage::Authorize, refusal))?;
        if let Some(next) = &rules.next {
            // What cannot be had for them must not turn anybody away.
            let remembered = next.remembered(&question, &self.identity);
            if let Ok(next) = remembered.map_or_else(|| self.answer(next, &question), Ok) {
                compare(walk.trail, &answered, next, rules.modes.authorize);
            }
        }
        let decided = walk.note_policies(answered);
        walk.brief(brief).judge(Stage::Authorize, rules.modes.authorize, decided)?;
        Ok(())
    }

    /// Of the matched route, decoded.
    pub(super) fn params(&self) -> Vec<Param<'_>> {
        self.params.iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect()
    }

    fn answer(&self, authorize: &Authorize, question: &Question<'_>) -> Result<Answered, Refusal> {
        let resource = self.rules().gather.resource(question.params)?;
        let resource = match &self.known {
            Ok(Some(known)) => match authorize.thing(&resource, known) {
                Ok(resource) => resource,
                Err(unfit) => return Ok(unfit),
            },
            Ok(None) | Err(_) => resource,
        };
        let answered = authorize.ask(question, &self.identity, resource);
        authorize.remember(&self.identity, &answered);
        Ok(answered)
    }
}

/// Leaves behind where the policies in shadow would have it otherwise.
fn compare(trail: &mut Trail, answered: &Answered, next: Answered, mode: Mode) {
    let passes = answered.outcome.is_ok() || mode != Mode::Enforce;
    match next.outcome {
        Err(denied) if passes => trail.would_refuse.push((Stage::Next, denied.refusal)),
        Ok(_) if !passes => trail.would_allow = true,
        Ok(_) | Err(_) => return,
    }
    trail.asked_next = next.asked;
}
