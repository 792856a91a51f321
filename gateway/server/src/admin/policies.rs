//! What do the policies say? Those in force, listed; and one described request, put to them or to others in their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_core::authorize::{Decided, Explanation, Listed, Policies, PolicyFault, Source, Verdict};
use portcullis_core::snapshot::{Described, Snapshot, Wanted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use validator::Validate;

use super::call::Call;
use super::operation::Operation;
use super::problem::Refused;
use super::{Admin, input};
use crate::control::roomy;

/// Questions answered at once; compiling takes a processor, and further ones wait.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/policies", "listPolicies", "The policies in force and their schema.", list)
            .answers::<InForce>(200),
        Operation::post(
            "/v1/policies/evaluate",
            "evaluatePolicies",
            "What the policies in force, or others in their place, say of a described request. Changes nothing.",
            evaluate,
        )
        .changes_nothing()
        .body::<Asked>()
        .answers::<Evaluated>(200)
        .refuses(422, "policies_refused"),
    ]
}

/// The policies in force.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Policies")]
struct InForce {
    /// Of the configuration.
    version: String,
    /// In the order of the files.
    items: Vec<Listed>,
    /// The Cedar schema they were validated against.
    schema: String,
}

async fn list(call: Call) -> Json<InForce> {
    let snapshot = &call.published.snapshot;
    let policies = snapshot.policies();
    let (items, schema) = (policies.listed().collect(), policies.schema().to_owned());
    Json(InForce { version: snapshot.version.to_string(), items, schema })
}

/// A request that nobody sent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Question")]
struct Asked {
    /// Who asks: `User::"demo|alice"`, `ApiKey::"k1"`; nobody in particular when left out.
    #[validate(length(max = 1024, message = "at most 1024 characters"))]
    principal: Option<String>,
    /// The claims of a token instead; `iss` says whose it is.
    claims: Option<Map<String, Value>>,
    /// Groups it is in, as policies name them: `demo|writers`, `keys|readers`.
    #[validate(length(max = 256, message = "at most 256 groups"))]
    groups: Vec<String>,
    /// Attributes of the principal.
    attributes: Map<String, Value>,
    /// The name of the route; or `request`.
    #[validate(length(max = 1024, message = "at most 1024 characters"))]
    action: Option<String>,
    /// Whatever route wins for it.
    #[validate(nested)]
    request: Option<Request>,
    /// What it is about: `Order::"17"`; what the route makes of the request's path when left out.
    #[validate(length(max = 1024, message = "at most 1024 characters"))]
    resource: Option<String>,
    resource_attributes: Map<String, Value>,
    /// Members of the context besides those that follow from the request, such as `ip` and `now`.
    context: Map<String, Value>,
    /// Policies to be asked instead of those in force: texts by the names of their files.
    #[validate(length(min = 1, max = 256, message = "1 to 256 files"))]
    policies: Option<BTreeMap<String, String>>,
    /// The Cedar schema of those; that in force when left out.
    schema: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DescribedRequest")]
struct Request {
    #[serde(default = "anywhere")]
    #[validate(length(min = 1, max = 255, message = "1 to 255 characters"))]
    host: String,
    #[validate(length(min = 1, max = 32, message = "1 to 32 characters"))]
    method: String,
    /// Path and query.
    #[validate(length(min = 1, max = 8192, message = "1 to 8192 characters"))]
    target: String,
}

fn anywhere() -> String {
    "localhost".to_owned()
}

/// What they say.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Evaluation")]
struct Evaluated {
    principal: String,
    /// The route's name.
    action: String,
    resource: String,
    decision: Decided,
    /// The policies that decided; none where nobody permits it.
    determining: Vec<String>,
    errors: Vec<Failed>,
    /// Condition by condition.
    explanation: Explanation,
}

/// A policy that could not be evaluated: whatever the others say, the request is refused.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "PolicyError")]
struct Failed {
    policy: String,
    message: String,
}

async fn evaluate(
    State(_): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let asked: Asked = input::parse(&body?)?;
    let snapshot = Arc::clone(&call.published.snapshot);
    let _turn = AT_ONCE.acquire().await.map_err(|error| Refused::failed(&error))?;
    let answered = tokio::task::spawn_blocking(move || roomy(|| answer(asked.clone(), &snapshot))).await;
    let answered = answered.map_err(|error| Refused::failed(&error))?;
    answered.map(|evaluated| Json(evaluated).into_response())
}

fn answer(asked: Asked, snapshot: &Snapshot) -> Result<Evaluated, Refused> {
    let Asked { principal, claims, groups, attributes, resource, resource_attributes, context, .. } = asked;
    let wanted = match (asked.action, asked.request) {
        (Some(action), None) => Wanted::Action(action),
        (None, Some(Request { host, method, target })) => Wanted::Request { host, method, target },
        (Some(_), Some(_)) | (None, None) => {
            return Err(input::fault("", "question", "either `action` or `request` must be there"));
        }
    };
    let others = match (asked.policies, asked.schema) {
        (None, None) => None,
        (None, Some(_)) => return Err(input::fault("/schema", "question", "there are no `policies` of this schema")),
        (Some(files), schema) => Some(compile(files, schema, snapshot.policies())?),
    };
    let policies = others.as_ref().unwrap_or_else(|| snapshot.policies());
    let described = Described { principal, groups, attributes, claims, wanted, resource, resource_attributes, context };
    let unclear = |why: String| input::fault("", "question", why);
    let question = snapshot.question(described, policies).map_err(unclear)?;
    let explanation = question.put(policies).map_err(unclear)?.explain();
    let failed = |account: &portcullis_core::authorize::Account| match &account.applies {
        Verdict::Error(message) => Some(Failed { policy: account.id.clone(), message: message.clone() }),
        Verdict::False | Verdict::NotReached | Verdict::True => None,
    };
    Ok(Evaluated {
        principal: question.identity.principal.to_string(),
        action: question.action.to_string(),
        resource: question.resource,
        decision: explanation.decision,
        determining: explanation
            .policies
            .iter()
            .filter(|policy| policy.decided)
            .map(|policy| policy.id.clone())
            .collect(),
        errors: explanation.policies.iter().filter_map(failed).collect(),
        explanation,
    })
}

fn compile(files: BTreeMap<String, String>, schema: Option<String>, in_force: &Policies) -> Result<Policies, Refused> {
    let schema = schema.unwrap_or_else(|| in_force.schema().to_owned());
    let schema = Source { file: "schema".to_owned(), text: schema };
    let files: Vec<Source> = files.into_iter().map(|(file, text)| Source { file, text }).collect();
    Policies::compile_beside(&schema, &files).map_err(|faults| {
        let detail = "the policies do not hold together; see `errors`";
        let mut refused = Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "policies_refused", detail);
        let text = |file: &str| files.iter().chain([&schema]).find(|source| source.file == file);
        let told = |fault: &PolicyFault| {
            let place = text(&fault.file).and_then(|source| fault.position(&source.text));
            json!({ "file": fault.file, "line": place.map(|place| place.0), "column": place.map(|place| place.1),
                "message": fault.message, "help": fault.help })
        };
        refused.errors = faults.iter().take(10).map(told).collect();
        refused
    })
}
