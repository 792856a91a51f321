//! May they?
//!
//! INVARIANT: doubt refuses. Cedar skips a policy that fails to evaluate, `forbid` included, so any
//! evaluation error refuses even where the remaining policies allow.

mod bind;
mod context;
mod derive;
mod direct;
mod est;
mod explain;
mod fault;
mod hierarchy;
mod matrix;
mod policies;
mod principal;
mod settled;
mod shapes;
mod suite;
#[cfg(test)]
mod tests;
mod typed;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{Authorizer, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet};
use http::{HeaderMap, Method};
use serde_json::Value;

pub use bind::{About, BodyUse, Caller, RouteFacts, RouteFault};
pub use derive::schema as derived_schema;
pub use direct::Direct;
pub use explain::{Account, Asked, Condition, Decided, Explanation, Facts, Verdict};
pub use fault::{PolicyFault, Source};
pub use hierarchy::Misplaced;
pub use matrix::{Cell, Change, Direction, Door, Matrix, Public, Role, Row, differences, markdown};
pub use policies::{Hands, Listed, Policies, format};
pub use shapes::Presence;
pub use suite::{Outcome, Report, run_whole};
pub(crate) use typed::ip_expression;

use crate::gather::{Known, Param};
use crate::identify::Identity;
use crate::moment::Now;
use crate::refusal::{Code, Refusal};
use policies::{Compiled, Note};

/// The Cedar question of one route, compiled: its policies, its action, and what its policies may know.
#[derive(Debug)]
pub struct Authorize {
    compiled: Arc<Compiled>,
    action: EntityUid,
    /// The entity types the schema's action is for.
    principals: BTreeSet<String>,
    /// Only the policies that can concern this route.
    policies: PolicySet,
    /// The action and its groups, without which `action in Action::"write"` silently never matches.
    base: Entities,
    context: context::Plan,
    memory: settled::Memory,
    warnings: Vec<String>,
}

/// What is asked, but for who asks and what for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub method: &'a Method,
    /// Canonical, as received; policies see it decoded.
    pub path: &'a str,
    /// Raw, without `?`.
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// Who asks, after trusted proxies have been believed.
    pub client: IpAddr,
    /// Of the matched route, decoded.
    pub params: &'a [Param<'a>],
    /// Validated; `None` when there is none or the route does not show it to policies.
    pub body: Option<&'a Value>,
    pub now: Now,
}

/// An answer, and the question as the policies saw it.
#[derive(Clone, Debug)]
pub struct Answered {
    pub outcome: Result<Grant, Denied>,
    /// `None`: they could not be asked.
    pub asked: Option<Arc<Asked>>,
}

/// The policies said yes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// Ids of the permits that determined it, in the order of the files.
    pub policies: Vec<Arc<str>>,
    /// Their `@reason`s, for the operator.
    pub reasons: Vec<Arc<str>>,
}

/// The policies said no, or could not be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    pub refusal: Refusal,
    /// Ids of the forbids that determined it, or of the policies that failed; empty when nothing permits.
    pub policies: Vec<Arc<str>>,
    /// Their `@reason`s, for the operator.
    pub reasons: Vec<Arc<str>>,
}

impl Authorize {
    /// As [`Self::ask`], the answer alone.
    pub fn authorize(&self, question: &Question<'_>, identity: &Identity, resource: Entity) -> Result<Grant, Denied> {
        self.ask(question, identity, resource).outcome
    }

    /// Asks the policies. Refuses with `forbidden`, or with `policy_error` when they could not be asked.
    pub fn ask(&self, question: &Question<'_>, identity: &Identity, resource: Entity) -> Answered {
        let kind = identity.principal.kind();
        if !self.principals.contains(kind) {
            let why = format!("action {} is not for principals of type `{kind}`", self.action);
            return Answered::unasked(Refusal::new(Code::Forbidden).because(why));
        }
        let (request, entities) = match self.cedar(question, identity, resource) {
            Ok(asked) => asked,
            Err(why) => return Answered::unasked(Refusal::new(Code::PolicyError).because(why)),
        };
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let nobody = || format!("no policy permits {} to {}", identity.principal, self.action);
        let outcome = answer(&self.compiled, &response, nobody);
        let asked = Asked { compiled: Arc::clone(&self.compiled), request, entities };
        Answered { outcome, asked: Some(Arc::new(asked)) }
    }

    /// The resource with what was learnt of it, typed by the schema; `Err`: it does not fit.
    pub fn thing(&self, resource: &Entity, known: &Known) -> Result<Entity, Answered> {
        let refuse = |why: String| Answered::unasked(Refusal::new(Code::PolicyError).because(why));
        let uid = resource.uid();
        let kind = uid.type_name().to_string();
        let declared = self.compiled.shapes.entities.get(&kind);
        let nothing = shapes::Fields::default();
        let fields = declared.map_or(&nothing, |shape| &shape.fields);
        let attributes = typed::trusted(&known.attributes, fields)
            .map_err(|misfit| refuse(format!("attribute {misfit} (of the resource, a `{kind}`)")))?;
        Entity::new(uid, attributes.into_iter().collect(), known.parents.iter().cloned().collect())
            .map_err(|error| refuse(format!("attribute `{}` of the resource cannot be evaluated", error.attr())))
    }

    /// What [`Self::authorize`] answered this identity before, where nothing that a request says can make a
    /// difference; `None`: ask.
    pub fn remembered(&self, question: &Question<'_>, identity: &Arc<Identity>) -> Option<Answered> {
        let answer = self.compiled.settled.answer(self.memory, identity)?;
        // No policy looks at the context, but one that cannot be had refuses all the same.
        match self.context.checked(question, identity) {
            Ok(()) => Some(answer),
            Err(why) => Some(Answered::unasked(Refusal::new(Code::PolicyError).because(why))),
        }
    }

    /// Keeps an answer for [`Self::remembered`]. Policies that failed are asked again.
    pub fn remember(&self, identity: &Arc<Identity>, answer: &Answered) {
        if !answer.outcome.as_ref().is_err_and(|denied| denied.refusal.code == Code::PolicyError) {
            self.compiled.settled.keep(self.memory, identity, answer);
        }
    }

    /// What an operator should know of this route although it works.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Ids of the policies that can concern this route, in the order of the files.
    pub fn policy_ids(&self) -> Vec<Arc<str>> {
        ids(&notes(&self.compiled, self.policies.policies().map(cedar_policy::Policy::id)))
    }

    /// Request and store, both held against the schema. `Err` is for the operator.
    fn cedar(
        &self,
        question: &Question<'_>,
        identity: &Identity,
        resource: Entity,
    ) -> Result<(cedar_policy::Request, Entities), String> {
        let schema = &self.compiled.schema;
        let principal = self.compiled.principals.entity(identity, schema, self.compiled.hierarchy())?;
        let context = self.context.context(question, identity)?;
        let (who, what) = (principal.uid(), resource.uid());
        // Cedar's own words on a context that does not fit would repeat its values.
        let request = cedar_policy::Request::new(who.clone(), self.action.clone(), what.clone(), context, Some(schema))
            .map_err(|_| format!("the request does not fit the schema's action {}", self.action))?;
        // A caller may ask for its own entity; the store holds each once, and the caller's says more.
        let added: Vec<Entity> = if who == what { vec![principal] } else { vec![principal, resource] };
        let entities = self.base.clone().add_entities(added, None);
        entities.map(|entities| (request, entities)).map_err(|_| "the entities contradict each other".to_owned())
    }
}

/// What Cedar answered, in our words. Any error refuses. `nobody`: what is said when no policy had a say.
fn answer(
    compiled: &Compiled,
    response: &cedar_policy::Response,
    nobody: impl FnOnce() -> String,
) -> Result<Grant, Denied> {
    let diagnostics = response.diagnostics();
    if let Some(error) = diagnostics.errors().next() {
        let failed = notes(
            compiled,
            diagnostics
                .errors()
                .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id()),
        );
        return Err(Denied::failed(failed, &error.to_string()));
    }
    let determining = notes(compiled, diagnostics.reason());
    match response.decision() {
        Decision::Allow => Ok(Grant { policies: ids(&determining), reasons: reasons(&determining) }),
        Decision::Deny if determining.is_empty() => {
            Err(Denied::by_nobody(Refusal::new(Code::Forbidden).because(nobody())))
        }
        Decision::Deny => Err(Denied::forbidden(determining)),
    }
}

fn notes<'a>(compiled: &Compiled, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<Arc<Note>> {
    let mut notes: Vec<Arc<Note>> = ids.filter_map(|id| compiled.notes.get(id).cloned()).collect();
    notes.sort_by_key(|note| note.order);
    notes
}

impl Answered {
    fn unasked(refusal: Refusal) -> Self {
        Self { outcome: Err(Denied::by_nobody(refusal)), asked: None }
    }
}

impl Denied {
    pub(crate) fn by_nobody(refusal: Refusal) -> Self {
        Self { refusal, policies: Vec::new(), reasons: Vec::new() }
    }

    fn forbidden(forbids: Vec<Arc<Note>>) -> Self {
        let words = forbids.iter().map(|note| match &note.reason {
            Some(reason) => format!("`{}` ({reason})", note.id),
            None => format!("`{}`", note.id),
        });
        let because = format!("forbidden by {}", words.collect::<Vec<_>>().join(", "));
        let mut refusal = Refusal::new(Code::Forbidden).because(because);
        if let Some(public) = forbids.iter().find_map(|note| note.public_reason.as_deref()) {
            refusal = refusal.detail(public.to_owned());
        }
        Self { refusal, policies: ids(&forbids), reasons: reasons(&forbids) }
    }

    fn failed(failed: Vec<Arc<Note>>, why: &str) -> Self {
        /// Cedar quotes expressions, which may be long.
        const LONGEST: usize = 300;
        let why: String = why.chars().take(LONGEST).collect();
        let refusal = Refusal::new(Code::PolicyError).because(why);
        Self { refusal, policies: ids(&failed), reasons: reasons(&failed) }
    }
}

fn ids(notes: &[Arc<Note>]) -> Vec<Arc<str>> {
    notes.iter().map(|note| Arc::clone(&note.id)).collect()
}

fn reasons(notes: &[Arc<Note>]) -> Vec<Arc<str>> {
    notes.iter().filter_map(|note| note.reason.clone()).collect()
}
