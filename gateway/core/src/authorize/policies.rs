//! Policy files and their schema, compiled together or not at all.

mod depth;
mod files;
mod size;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    Policy, PolicyId, PolicySet, Schema, SchemaFragment, ValidationMode, ValidationWarning, Validator,
    schema_str_to_json_with_resolved_types,
};

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{PolicyFault, Source};
use super::principal::{Kept, Principals};
use super::settled::Settled;
use super::shapes::Shapes;
use crate::near::near;

/// Every policy of the gateway, checked against the schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Policies(pub(super) Arc<Compiled>);

#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) schema: Schema,
    pub(super) shapes: Shapes,
    pub(super) principals: Principals,
    /// In the order of the files.
    pub(super) rules: Vec<Rule>,
    pub(super) notes: HashMap<PolicyId, Arc<Note>>,
    /// The same policies as one set, for the case suite.
    pub(super) whole: PolicySet,
    pub(super) settled: Settled,
    warnings: Vec<PolicyFault>,
    /// As it was written.
    schema_text: String,
}

/// One policy and where it stands.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) policy: Policy,
    pub(super) note: Arc<Note>,
    file: String,
    /// Of the whole policy.
    span: Option<(usize, usize)>,
}

/// What a decision tells of a policy.
#[derive(Debug)]
pub(super) struct Note {
    /// `@id`, or `<file name>#<number from 1>`.
    pub(super) id: Arc<str>,
    pub(super) order: usize,
    /// `@reason`, for the operator.
    pub(super) reason: Option<Arc<str>>,
    /// `@public_reason`, for the caller.
    pub(super) public_reason: Option<Arc<str>>,
}

/// One policy as it is shown.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "Policy")]
pub struct Listed {
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    pub file: String,
    /// For the operator.
    pub reason: Option<String>,
    /// For callers.
    pub public_reason: Option<String>,
    /// As it was written.
    pub text: String,
}

/// A file of policies as Cedar's formatter writes it; `Err`: it cannot be read.
pub fn format(text: &str) -> Result<String, String> {
    let call = serde_json::json!({ "policyText": text });
    let answer = cedar_policy::ffi::format_json(call).map_err(|error| error.to_string())?;
    match answer.pointer("/formatted_policy").and_then(serde_json::Value::as_str) {
        Some(formatted) => Ok(format!("{}\n", formatted.trim_end())),
        None => Err("it cannot be read as policies; `portcullis policy check` says why".to_owned()),
    }
}

impl Policies {
    /// Parses and strictly validates; all faults of all texts at once.
    ///
    /// A policy that can never apply is a fault: a `forbid` that never applies forbids nothing.
    pub fn compile(schema: &Source, files: &[Source]) -> Result<Self, Vec<PolicyFault>> {
        Self::compile_as(schema, files, Kept::WithTheIdentity)
    }

    /// As [`Self::compile`], for a set that is asked beside the one that decides.
    pub fn compile_beside(schema: &Source, files: &[Source]) -> Result<Self, Vec<PolicyFault>> {
        Self::compile_as(schema, files, Kept::Never)
    }

    fn compile_as(schema: &Source, files: &[Source], kept: Kept) -> Result<Self, Vec<PolicyFault>> {
        let (mut faults, mut warnings, schema_text) = (Vec::new(), Vec::new(), &schema.text);
        let typed = read_schema(schema, kept, &mut warnings).map_err(|some| faults.extend(some)).ok();
        let rules = files::read(files, &mut faults);
        if rules.is_empty() && faults.is_empty() {
            faults.push(
                PolicyFault::new(&schema.file, "there is no policy, so nothing would ever be permitted")
                    .help("write a `permit (principal, action, resource) …;` into a `.cedar` file beside the schema"),
            );
        }
        let whole = whole(&rules, &mut faults);
        if let Some((schema, ..)) = &typed {
            validate(schema, &whole, &rules, (&mut faults, &mut warnings));
        }
        let (Some((schema, shapes, principals)), []) = (typed, faults.as_slice()) else {
            faults.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
            return Err(faults);
        };
        let notes = rules.iter().map(|rule| (rule.policy.id().clone(), Arc::clone(&rule.note))).collect();
        Ok(Self(Arc::new(Compiled {
            schema,
            shapes,
            principals,
            rules,
            notes,
            whole,
            settled: Settled::default(),
            warnings,
            schema_text: schema_text.to_owned(),
        })))
    }

    /// What an operator should know although it works: mixed scripts, shadowed names and the like.
    pub fn warnings(&self) -> &[PolicyFault] {
        &self.0.warnings
    }

    /// The schema, as it was written.
    pub fn schema(&self) -> &str {
        &self.0.schema_text
    }

    /// All of them as they are shown, in the order of the files.
    pub fn listed(&self) -> impl Iterator<Item = Listed> {
        self.0.rules.iter().map(|Rule { policy, note, file, .. }| Listed {
            id: note.id.to_string(),
            effect: super::est::effect(policy.effect()).to_owned(),
            file: file.clone(),
            reason: note.reason.as_deref().map(str::to_owned),
            public_reason: note.public_reason.as_deref().map(str::to_owned),
            text: policy.to_string(),
        })
    }

    /// Ids of all policies, in the order of the files.
    pub fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.rules.iter().map(|rule| &rule.note.id)
    }
}

type Typed = (Schema, Shapes, Principals);

fn read_schema(source: &Source, kept: Kept, warnings: &mut Vec<PolicyFault>) -> Result<Typed, Vec<PolicyFault>> {
    let cedar = |error: cedar_policy::CedarSchemaError| PolicyFault::from_cedar(&source.file, &error);
    if let Some(found) = depth::too_deep(&source.text, depth::Text::Schema) {
        let fault = PolicyFault::new(&source.file, found.message).at(Some((found.at, 1))).help(found.help);
        return Err(vec![fault]);
    }
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&source.text).map_err(cedar)?;
    if let Some(found) = fragment.to_json_value().ok().as_ref().and_then(size::too_large) {
        let last = found.name.rsplit("::").next().unwrap_or_default();
        let declared = format!("type {last}");
        let fault = PolicyFault::new(&source.file, found.message)
            .at(source.text.find(&declared).map(|at| (at, declared.len())));
        return Err(vec![fault.help(format!("make `{}` smaller, or an entity of its own", found.name))]);
    }
    let (schema, told) = Schema::from_cedarschema_str(&source.text).map_err(cedar)?;
    warnings.extend(told.map(|warning| PolicyFault::one(&source.file, &warning)));
    let (json, _) = schema_str_to_json_with_resolved_types(&source.text).map_err(cedar)?;
    let shapes = Shapes::read(&json)
        .ok_or_else(|| vec![PolicyFault::new(&source.file, "the schema uses a type this gateway does not know")])?;
    let principals = Principals::read(&shapes, &source.file, kept)?;
    Ok((schema, shapes, principals))
}

/// One set of all policies; an id that comes twice is a fault of the second.
fn whole(rules: &[Rule], faults: &mut Vec<PolicyFault>) -> PolicySet {
    let mut set = PolicySet::new();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for rule in rules {
        let id = &*rule.note.id;
        if let Some(first) = seen.get(id) {
            faults.push(
                PolicyFault::new(&rule.file, format!("`@id(\"{id}\")` is taken by a policy in `{first}`"))
                    .at(rule.span)
                    .help("give each policy an id of its own: decisions name policies by it"),
            );
            continue;
        }
        seen.insert(id, &rule.file);
        if let Err(error) = set.add(rule.policy.clone()) {
            faults.push(PolicyFault::new(&rule.file, error.to_string()).at(rule.span));
        }
    }
    set
}

fn validate(
    schema: &Schema,
    whole: &PolicySet,
    rules: &[Rule],
    (faults, warnings): (&mut Vec<PolicyFault>, &mut Vec<PolicyFault>),
) {
    let places: HashMap<&PolicyId, &Rule> = rules.iter().map(|rule| (rule.policy.id(), rule)).collect();
    let place = |id: &PolicyId, diagnostic: &dyn miette::Diagnostic| {
        let rule = places.get(id);
        let mut fault = PolicyFault::one(rule.map_or("", |rule| &rule.file), diagnostic);
        if fault.offset.is_none() {
            fault = fault.at(rule.and_then(|rule| rule.span));
        }
        if let Some(meant) = meant(schema, &fault.message) {
            fault.help = Some(format!("did you mean `{meant}`?"));
        }
        fault
    };
    let result = Validator::new(schema.clone()).validate(whole, ValidationMode::Strict);
    faults.extend(result.validation_errors().map(|error| place(error.policy_id(), error)));
    // Where an error is told already, "never applies" is its consequence.
    let mut told: HashSet<&PolicyId> =
        result.validation_errors().map(cedar_policy::ValidationError::policy_id).collect();
    for warning in result.validation_warnings() {
        let fault = place(warning.policy_id(), warning);
        match warning {
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                if told.insert(warning.policy_id()) {
                    faults.push(never_applies(fault));
                }
            }
            // Of another crate, which may add to it.
            _ => warnings.push(fault),
        }
    }
}

/// The closest name to one that the schema does not know. Cedar's own guess may be any of several, a different one each
/// time.
fn meant(schema: &Schema, message: &str) -> Option<String> {
    let named = |what: &str| message.split_once(what)?.1.strip_suffix('`');
    if let Some(action) = named("unrecognized action `Action::\"").and_then(|id| id.strip_suffix('"')) {
        let known: Vec<&str> = schema.actions().map(|known| known.id().unescaped()).collect();
        return near(action, known).map(|id| format!("Action::\"{id}\""));
    }
    let kind = named("unrecognized entity type `")?;
    let known: Vec<String> = schema.entity_types().map(ToString::to_string).collect();
    near(kind, known.iter().map(String::as_str)).map(str::to_owned)
}

fn never_applies(mut fault: PolicyFault) -> PolicyFault {
    fault.help.get_or_insert_with(|| {
        "it can never apply: compare its principal, action and resource with `appliesTo` in the schema, or remove it".to_owned()
    });
    fault
}
