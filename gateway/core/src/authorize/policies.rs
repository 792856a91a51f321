//! Policy files and their schema, compiled together or not at all.

mod alike;
mod beside;
mod depth;
mod files;
mod schema;
mod size;
mod strict;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use cedar_policy::{ActionConstraint, Entities, EntityUid, Policy, PolicyId, PolicySet, Schema};
use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{PolicyFault, Source};
use super::principal::{Kept, Principals};
use super::settled::Settled;
use super::shapes::Shapes;
use crate::gather::Hierarchy;
use schema::{Read, Typed};

/// Bytes of a schema and its policies from which on two threads compile them sooner than one.
const LARGE: usize = 64 * 1024;

/// How many threads compile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hands {
    /// While requests are served: they have the other cores.
    One,
    /// Before anything is served.
    Two,
}

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
        Self::compile_by(Hands::One, schema, files)
    }

    /// As [`Self::compile`], by as many hands.
    pub fn compile_by(hands: Hands, schema: &Source, files: &[Source]) -> Result<Self, Vec<PolicyFault>> {
        Self::compile_as(hands, schema, files, Kept::WithTheIdentity)
    }

    /// As [`Self::compile`], for a set that is asked beside the one that decides.
    pub fn compile_beside(schema: &Source, files: &[Source]) -> Result<Self, Vec<PolicyFault>> {
        Self::compile_as(Hands::One, schema, files, Kept::Never)
    }

    fn compile_as(hands: Hands, schema: &Source, files: &[Source], kept: Kept) -> Result<Self, Vec<PolicyFault>> {
        let size = schema.text.len() + files.iter().map(|file| file.text.len()).sum::<usize>();
        let two = hands == Hands::Two && size > LARGE;
        let (read, (rules, mut faults)) = beside::both(two, || Read::of(schema), || files::read(files));
        if rules.is_empty() && faults.is_empty() {
            faults.push(
                PolicyFault::new(&schema.file, "there is no policy, so nothing would ever be permitted")
                    .help("write a `permit (principal, action, resource) …;` into a `.cedar` file beside the schema"),
            );
        }
        let (whole, mut warnings) = (whole(&rules, &mut faults), Vec::new());
        let typed = read.and_then(|Read { json, unresolved, warnings: told }| {
            warnings.extend(told);
            let judged = || strict::doubtful(&json, &whole);
            let (typed, doubtful) = beside::both(two, || unresolved.typed(&json, kept), judged);
            let typed = typed?;
            let doubtful = doubtful.as_ref().unwrap_or(&whole);
            strict::validate(&typed.schema, doubtful, &rules, (&mut faults, &mut warnings));
            Ok(typed)
        });
        let typed = typed.map_err(|some| faults.extend(some)).ok();
        let (Some(Typed { schema: resolved, actions, shapes, principals }), []) = (typed, faults.as_slice()) else {
            return Err(PolicyFault::folded(faults));
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
            schema: resolved,
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
            schema_text: schema.text.clone(),
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
