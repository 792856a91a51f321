//! Why did the policies decide so? Every policy that concerns a request, each of its conditions by itself.

mod asked;

use cedar_policy::{Authorizer, Decision, Entities, Policy, PolicySet, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use asked::{Asked, Facts};

use super::est;
use super::policies::{Compiled, Rule};

/// What the policies made of one request.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Explanation {
    pub decision: Decided,
    /// Those whose scope may concern it, in the order of the files.
    pub policies: Vec<Account>,
    /// How many policies speak of other actions, principals or resources.
    pub elsewhere: usize,
}

/// How the gateway takes what Cedar answered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    Allow,
    Deny,
    /// A policy failed to evaluate, so that the request is refused whatever the others say.
    PolicyError,
}

/// One policy.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Account {
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
    /// Scope and conditions together.
    pub applies: Verdict,
    /// It is among those that determined the decision.
    pub decided: bool,
    pub conditions: Vec<Condition>,
}

/// A part of the scope, or a top-level conjunct of a condition.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Condition {
    /// In Cedar; an `unless` stands as its opposite.
    pub text: String,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What became of one condition.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub enum Verdict {
    /// In Cedar's words.
    Error(String),
    False,
    /// One before it was not true, so Cedar stops there.
    NotReached,
    True,
}

impl Verdict {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::False => "false",
            Self::NotReached => "not reached",
            Self::True => "true",
        }
    }
}

/// What Cedar says of an error repeats values of the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Values {
    Shown,
    Veiled,
}

pub(super) fn explain(compiled: &Compiled, (request, entities): (&Request, &Entities), values: Values) -> Explanation {
    let whole = Authorizer::new().is_authorized(request, &compiled.whole, entities);
    let determining: Vec<_> = whole.diagnostics().reason().collect();
    let failed = whole.diagnostics().errors().next().is_some();
    let decision = match (failed, whole.decision()) {
        (true, _) => Decided::PolicyError,
        (false, Decision::Allow) => Decided::Allow,
        (false, Decision::Deny) => Decided::Deny,
    };
    let mut policies = Vec::new();
    let mut elsewhere = 0;
    for rule in &compiled.rules {
        let mut account = account(rule, (request, entities), values);
        account.decided = match (&account.applies, failed) {
            (Verdict::Error(_), _) => true,
            (Verdict::False | Verdict::NotReached | Verdict::True, true) => false,
            (Verdict::False | Verdict::NotReached | Verdict::True, false) => determining.contains(&rule.policy.id()),
        };
        if concerns(rule, request, entities) { policies.push(account) } else { elsewhere += 1 }
    }
    Explanation { decision, policies, elsewhere }
}

/// Whether the scope speaks of this action and of principals and resources of these types.
fn concerns(rule: &Rule, request: &Request, entities: &Entities) -> bool {
    let Ok(json) = rule.policy.to_json() else { return true };
    let [principal, action, resource] = est::scope(&json);
    let same_type = |scope: &serde_json::Value, uid: Option<&cedar_policy::EntityUid>| {
        let kind = scope
            .pointer("/==/right/Value/__entity/type")
            .or_else(|| scope.pointer("/is/entity_type"))
            .and_then(serde_json::Value::as_str);
        kind.is_none_or(|kind| uid.is_none_or(|uid| uid.type_name().to_string() == kind))
    };
    verdict(&action, (request, entities), Values::Veiled) == Verdict::True
        && same_type(&principal, request.principal())
        && same_type(&resource, request.resource())
}

fn account(rule: &Rule, (request, entities): (&Request, &Entities), values: Values) -> Account {
    let mut conditions = Vec::new();
    let mut applies = Verdict::True;
    let json = rule.policy.to_json().unwrap_or_default();
    let scope = est::scope(&json).into_iter().filter(|part| *part != est::literal(true));
    let clauses = est::conditions(&json);
    for part in scope.chain(clauses.iter().flat_map(est::conjuncts).cloned()) {
        let verdict = match &applies {
            Verdict::True => verdict(&part, (request, entities), values),
            Verdict::Error(_) | Verdict::False | Verdict::NotReached => Verdict::NotReached,
        };
        if applies == Verdict::True {
            applies = verdict.clone();
        }
        conditions.push(Condition { text: est::text(&part), verdict });
    }
    Account {
        id: rule.note.id.to_string(),
        effect: est::effect(rule.policy.effect()).to_owned(),
        reason: rule.note.reason.as_deref().map(str::to_owned),
        public_reason: rule.note.public_reason.as_deref().map(str::to_owned),
        applies,
        decided: false,
        conditions,
    }
}

/// One expression by itself, by Cedar's own evaluator.
fn verdict(expression: &serde_json::Value, (request, entities): (&Request, &Entities), values: Values) -> Verdict {
    /// Cedar quotes expressions, which may be long.
    const LONGEST: usize = 300;
    let Some(policy) = est::permit_when(expression) else {
        return Verdict::Error("cannot be written as a condition of its own".to_owned());
    };
    let alone = PolicySet::from_policies([policy] as [Policy; 1]).unwrap_or_default();
    let response = Authorizer::new().is_authorized(request, &alone, entities);
    if let Some(cedar_policy::AuthorizationError::PolicyEvaluationError(error)) = response.diagnostics().errors().next()
    {
        return Verdict::Error(match values {
            Values::Shown => error.inner().to_string().chars().take(LONGEST).collect(),
            Values::Veiled => "it cannot be evaluated".to_owned(),
        });
    }
    match response.decision() {
        Decision::Allow => Verdict::True,
        Decision::Deny => Verdict::False,
    }
}
