//! Policy files and their schema, compiled together or not at all.

mod depth;
mod files;
mod size;
mod strict;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, Policy, PolicyId, PolicySet, Schema, SchemaFragment,
    schema_str_to_json_with_resolved_types,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{PolicyFault, Source, of_schema};
use super::principal::{Kept, Principals};
use super::settled::Settled;
use super::shapes::Shapes;
use crate::gather::Hierarchy;

/// Every policy of the gateway, checked against the schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Policies(pub(super) Arc<Compiled>);

#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) schema: Schema,
    /// Every action of the schema, with its groups.
    pub(super) actions: Entities,
    pub(super) shapes: Shapes,
    pub(super) principals: Principals,
    /// In the order of the files.
    pub(super) rules: Vec<Rule>,
    /// Which of them are of a single action (`action == …`).
    of_action: HashMap<EntityUid, Vec<usize>>,
    /// And which are not.
    of_many: Vec<usize>,
    pub(super) notes: HashMap<PolicyId, Arc<Note>>,
    /// The same policies as one set, for the case suite.
    pub(super) whole: PolicySet,
    pub(super) settled: Settled,
    pub(super) hierarchy: OnceLock<Arc<Hierarchy>>,
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

impl Compiled {
    /// What groups and things are in; `None`: it was not said, as for policies by themselves.
    pub(super) fn hierarchy(&self) -> Option<&Hierarchy> {
        self.hierarchy.get().map(|hierarchy| &**hierarchy)
    }

    /// Policies that may speak of an action: those of it alone, and those that are not of a single one.
    pub(super) fn about(&self, action: &EntityUid) -> impl Iterator<Item = &Policy> {
        let own = self.of_action.get(action).into_iter().flatten();
        own.chain(&self.of_many).filter_map(|at| self.rules.get(*at)).map(|rule| &rule.policy)
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
            strict::validate(schema, &whole, &rules, (&mut faults, &mut warnings));
        }
        let (Some((Described { schema, actions, .. }, shapes, principals)), []) = (typed, faults.as_slice()) else {
            faults.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
            return Err(faults);
        };
        let (mut of_action, mut of_many) = (HashMap::<EntityUid, Vec<usize>>::new(), Vec::new());
        for (at, rule) in rules.iter().enumerate() {
            match rule.policy.action_constraint() {
                ActionConstraint::Eq(action) => of_action.entry(action).or_default().push(at),
                ActionConstraint::Any | ActionConstraint::In(_) => of_many.push(at),
            }
        }
        let notes = rules.iter().map(|rule| (rule.policy.id().clone(), Arc::clone(&rule.note))).collect();
        Ok(Self(Arc::new(Compiled {
            schema,
            actions,
            shapes,
            principals,
            rules,
            of_action,
            of_many,
            notes,
            whole,
            settled: Settled::default(),
            hierarchy: OnceLock::new(),
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

/// The schema, and its JSON form, of which smaller ones can be made.
struct Described {
    schema: Schema,
    actions: Entities,
    json: serde_json::Value,
}

type Typed = (Described, Shapes, Principals);

fn read_schema(source: &Source, kept: Kept, warnings: &mut Vec<PolicyFault>) -> Result<Typed, Vec<PolicyFault>> {
    let cedar = |error: cedar_policy::CedarSchemaError| {
        let faults = PolicyFault::from_cedar(&source.file, &error).into_iter();
        faults.map(|fault| of_schema(fault, &source.text)).collect::<Vec<_>>()
    };
    if let Some(found) = depth::too_deep(&source.text, depth::Text::Schema) {
        let fault = PolicyFault::new(&source.file, found.message).at(Some((found.at, 1))).help(found.help);
        return Err(vec![fault]);
    }
    let (fragment, told) = SchemaFragment::from_cedarschema_str(&source.text).map_err(cedar)?;
    let unresolved = fragment.clone().to_json_value().ok();
    if let Some(found) = unresolved.as_ref().and_then(size::too_large) {
        let last = found.name.rsplit("::").next().unwrap_or_default();
        let declared = format!("type {last}");
        let fault = PolicyFault::new(&source.file, found.message)
            .at(source.text.find(&declared).map(|at| (at, declared.len())));
        return Err(vec![fault.help(format!("make `{}` smaller, or an entity of its own", found.name))]);
    }
    warnings.extend(told.map(|warning| PolicyFault::one(&source.file, &warning)));
    // Its own faults would not say where.
    let schema = match Schema::from_schema_fragments([fragment]) {
        Ok(schema) => schema,
        Err(_) => Schema::from_cedarschema_str(&source.text).map_err(cedar)?.0,
    };
    let json = unresolved.unwrap_or_default();
    // Resolving reads the text once more, which with thousands of actions takes a while.
    let shapes = if Shapes::speaks_plainly(&json) {
        Shapes::read(&json)
    } else {
        Shapes::read(&schema_str_to_json_with_resolved_types(&source.text).map_err(cedar)?.0)
    };
    let shapes = shapes
        .ok_or_else(|| vec![PolicyFault::new(&source.file, "the schema uses a type this gateway does not know")])?;
    let principals = Principals::read(&shapes, &source.file, kept)?;
    let actions = schema.action_entities().map_err(|error| vec![PolicyFault::new(&source.file, error.to_string())])?;
    Ok((Described { schema, actions, json }, shapes, principals))
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
