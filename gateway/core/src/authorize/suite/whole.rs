//! Cases that bring everything along: `{schema, policies, entities, requests}`, the format of Cedar's published
//! integration tests. What such a file names, it names by path.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid, PolicySet, Request, Schema,
    ValidationMode, Validator,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Expected, Outcome, Report, in_words, whole_story};
use crate::authorize::fault::{PolicyFault, Source};

#[derive(Deserialize)]
struct Whole {
    policies: String,
    entities: String,
    schema: String,
    /// Whether the policies are valid under the schema.
    #[serde(default, rename = "shouldValidate")]
    should_validate: Option<bool>,
    #[serde(alias = "queries")]
    requests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(default, alias = "desc")]
    description: String,
    principal: Uid,
    action: Uid,
    resource: Uid,
    #[serde(default)]
    context: Value,
    #[serde(default, rename = "validateRequest")]
    validate_request: Option<bool>,
    decision: Expected,
    #[serde(default, alias = "reasons")]
    reason: BTreeSet<String>,
    #[serde(default)]
    errors: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Uid {
    Parts {
        #[serde(rename = "type")]
        kind: String,
        id: String,
    },
    Escaped {
        __entity: Box<Uid>,
    },
    Text(String),
}

impl Uid {
    fn read(&self) -> Result<EntityUid, String> {
        match self {
            Self::Escaped { __entity } => __entity.read(),
            Self::Text(text) => EntityUid::from_str(text).map_err(|_| format!("`{text}` is not an entity")),
            Self::Parts { kind, id } => {
                let kind = EntityTypeName::from_str(kind).map_err(|_| format!("`{kind}` is not an entity type"))?;
                Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
            }
        }
    }
}

struct Ground {
    schema: Schema,
    policies: PolicySet,
    /// `Err`: why they are none, which each case is told.
    entities: Result<Entities, String>,
}

/// Runs one such file; `None`: it is none. `read` gives the text of what it names.
pub fn run_whole(source: &Source, read: &dyn Fn(&str) -> Option<String>) -> Option<Result<Report, Vec<PolicyFault>>> {
    let json: Value = serde_json::from_str(&source.text).ok()?;
    json.as_object().filter(|file| file.contains_key("policies") && file.contains_key("schema"))?;
    let whole: Whole = match serde_json::from_value(json) {
        Ok(whole) => whole,
        Err(error) => {
            return Some(Err(vec![PolicyFault::new(&source.file, format!("not a case of Cedar's: {error}"))]));
        }
    };
    Some(run(source, &whole, read).map_err(|message| vec![PolicyFault::new(&source.file, message)]))
}

fn run(source: &Source, whole: &Whole, read: &dyn Fn(&str) -> Option<String>) -> Result<Report, String> {
    let text = |path: &str| read(path).ok_or_else(|| format!("`{path}` cannot be read"));
    let schema = text(&whole.schema)?;
    let schema = if schema.trim_start().starts_with('{') {
        Schema::from_json_str(&schema).map_err(|error| format!("`{}`: {}", whole.schema, whole_story(&error)))?
    } else {
        let parsed = Schema::from_cedarschema_str(&schema);
        parsed.map_err(|error| format!("`{}`: {}", whole.schema, whole_story(&error)))?.0
    };
    let policies = PolicySet::from_str(&text(&whole.policies)?)
        .map_err(|error| format!("`{}`: {}", whole.policies, whole_story(&error)))?;
    let entities: Value = serde_json::from_str(&text(&whole.entities)?)
        .map_err(|error| format!("`{}`: {}", whole.entities, whole_story(&error)))?;
    let entities = Entities::from_json_value(entities, Some(&schema))
        .map_err(|error| format!("`entities`: {}", whole_story(&error)));
    let mut report = Report { outcomes: Vec::new(), untouched: Vec::new() };
    if let Some(expected) = whole.should_validate {
        let valid = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        let failures = match (expected, valid.validation_passed()) {
            (true, false) => valid.validation_errors().map(ToString::to_string).collect(),
            (false, true) => vec!["expected invalid policies, they are valid".to_owned()],
            (true, true) | (false, false) => Vec::new(),
        };
        report.outcomes.push(Outcome { file: source.file.clone(), name: "validation".to_owned(), failures });
    }
    let ground = Ground { schema, policies, entities };
    let mut touched = HashSet::new();
    for (index, case) in whole.requests.iter().enumerate() {
        let name = match case.description.trim() {
            "" => format!("#{}", index + 1),
            told => told.to_owned(),
        };
        let failures = ground.ask(case, &mut touched).unwrap_or_else(|why| vec![why]);
        report.outcomes.push(Outcome { file: source.file.clone(), name, failures });
    }
    let ids = ground.policies.policies().map(|policy| policy.id().to_string());
    report.untouched =
        ids.filter(|id| !touched.contains(id)).map(|id| format!("{}: {id}", source.file).into()).collect();
    Ok(report)
}

impl Ground {
    fn ask(&self, case: &Case, touched: &mut HashSet<String>) -> Result<Vec<String>, String> {
        let action = case.action.read()?;
        let context = if case.context.is_null() { Value::Object(serde_json::Map::new()) } else { case.context.clone() };
        let held = (case.validate_request != Some(false)).then_some(&self.schema);
        let context = Context::from_json_value(context, held.map(|schema| (schema, &action)))
            .map_err(|error| format!("`context`: {}", whole_story(&error)))?;
        let request = Request::new(case.principal.read()?, action, case.resource.read()?, context, held)
            .map_err(|error| format!("the request does not fit the schema: {}", whole_story(&error)))?;
        let entities = self.entities.as_ref().map_err(Clone::clone)?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, entities);
        let decision = match response.decision() {
            Decision::Allow => Expected::Allow,
            Decision::Deny => Expected::Deny,
        };
        let reason: BTreeSet<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        let errors: BTreeSet<String> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
            .collect();
        let mut failures = Vec::new();
        if decision != case.decision {
            failures.push(format!("expected `{}`, the policies say `{}`", case.decision.word(), decision.word()));
        }
        if reason != case.reason {
            failures.push(format!(
                "expected it determined by {}, it is by {}",
                in_words(&case.reason),
                in_words(&reason)
            ));
        }
        if errors != case.errors {
            failures.push(format!("expected errors of {}, they are of {}", in_words(&case.errors), in_words(&errors)));
        }
        touched.extend(reason);
        Ok(failures)
    }
}
