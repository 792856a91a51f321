//! Do the policies decide as their authors said they would? The JSON cases of `cedar run-tests`.

mod whole;

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, Request};
use serde::Deserialize;
use serde_json::Value;

pub use whole::run_whole;

use super::fault::{PolicyFault, Source};
use super::policies::{Compiled, Policies};
use crate::near::did_you_mean;

/// What the cases showed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// In the order of the files.
    pub outcomes: Vec<Outcome>,
    /// Policies that determined no decision of any case.
    pub untouched: Vec<Arc<str>>,
}

/// One case; it passed when `failures` is empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    pub file: String,
    /// The case's own, or its number from 1.
    pub name: String,
    /// Expected and found, in words.
    pub failures: Vec<String>,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.failures.is_empty())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    request: Asked,
    entities: Value,
    decision: Expected,
    reason: BTreeSet<String>,
    num_errors: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    principal: String,
    action: String,
    resource: String,
    context: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    #[serde(alias = "Allow")]
    Allow,
    #[serde(alias = "Deny")]
    Deny,
}

impl Expected {
    const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Policies {
    /// Runs every case of every file; a file that cannot be read as cases is a fault.
    pub fn run_cases(&self, files: &[Source]) -> Result<Report, Vec<PolicyFault>> {
        let mut faults = Vec::new();
        let mut outcomes = Vec::new();
        let mut touched = HashSet::new();
        for source in files {
            match serde_json::from_str::<Vec<Case>>(&source.text) {
                Ok(cases) => outcomes.extend(cases.into_iter().enumerate().map(|(index, case)| Outcome {
                    file: source.file.clone(),
                    name: case.name.clone().unwrap_or_else(|| format!("#{}", index + 1)),
                    failures: run(&self.0, case, &mut touched).unwrap_or_else(|why| vec![why]),
                })),
                Err(error) => faults.push(unreadable(source, &error)),
            }
        }
        let untouched = self.ids().filter(|id| !touched.contains(&***id)).cloned().collect();
        if faults.is_empty() { Ok(Report { outcomes, untouched }) } else { Err(faults) }
    }
}

/// `Err`: the case could not be asked.
fn run(compiled: &Compiled, case: Case, touched: &mut HashSet<String>) -> Result<Vec<String>, String> {
    let schema = &compiled.schema;
    let action = uid("action", &case.request.action)?;
    if compiled.actions.get(&action).is_none() {
        let known: Vec<String> = schema.actions().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(format!("the schema has no action `{action}`: {}", did_you_mean(&action.to_string(), &known)));
    }
    // Cases are the operator's own; JSON that a client sent never takes this road.
    let context = Context::from_json_value(case.request.context, Some((schema, &action)))
        .map_err(|error| format!("`context`: {}", whole_story(&error)))?;
    let principal = uid("principal", &case.request.principal)?;
    let resource = uid("resource", &case.request.resource)?;
    let request = Request::new(principal, action, resource, context, Some(schema))
        .map_err(|error| format!("the request does not fit the schema: {}", whole_story(&error)))?;
    let entities = Entities::from_json_value(case.entities, Some(schema))
        .map_err(|error| format!("`entities`: {}", whole_story(&error)))?;
    let response = Authorizer::new().is_authorized(&request, &compiled.whole, &entities);
    let decision = match response.decision() {
        Decision::Allow => Expected::Allow,
        Decision::Deny => Expected::Deny,
    };
    let reason: BTreeSet<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
    let mut failures = Vec::new();
    if decision != case.decision {
        failures.push(format!("expected `{}`, the policies say `{}`", case.decision.word(), decision.word()));
    }
    if reason != case.reason {
        failures.push(format!("expected it determined by {}, it is by {}", in_words(&case.reason), in_words(&reason)));
    }
    if errors.len() != case.num_errors {
        failures.push(format!("expected {} evaluation errors, there are {}", case.num_errors, errors.len()));
        failures.extend(errors);
    }
    touched.extend(reason);
    Ok(failures)
}

fn uid(which: &str, text: &str) -> Result<EntityUid, String> {
    EntityUid::from_str(text)
        .map_err(|_| format!("`{which}`: `{text}` is not an entity such as `User::\"demo|alice\"`"))
}

fn in_words(ids: &BTreeSet<String>) -> String {
    if ids.is_empty() {
        return "no policy".to_owned();
    }
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Cedar says what is wrong in the cause of an error, not in the error.
fn whole_story(error: &dyn std::error::Error) -> String {
    let mut story = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        story = format!("{story}: {error}");
        cause = error.source();
    }
    story
}

fn unreadable(source: &Source, error: &serde_json::Error) -> PolicyFault {
    let line_start: usize = source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let offset = (line_start + error.column().saturating_sub(1)).min(source.text.len());
    // The place is told apart.
    let told = error.to_string();
    let told = told.split(" at line ").next().unwrap_or(&told);
    PolicyFault::new(&source.file, format!("not a list of cases: {told}"))
        .at(Some((offset, 0)))
        .help("a case is `{\"name\", \"request\": {\"principal\", \"action\", \"resource\", \"context\"}, \"entities\", \"decision\", \"reason\", \"num_errors\"}`")
}
