//! Policy files: parsing, ids and annotations.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet};

use super::depth::{Text, too_deep};
use super::{Note, Rule};
use crate::authorize::fault::{PolicyFault, Source};
use crate::near::near;

const ANNOTATIONS: [&str; 3] = ["id", "public_reason", "reason"];

/// Every policy of every file that parses, in order; and what is wrong.
pub(super) fn read(files: &[Source]) -> (Vec<Rule>, Vec<PolicyFault>) {
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    for source in files {
        if let Some(found) = too_deep(&source.text, Text::Policies) {
            faults.push(PolicyFault::new(&source.file, found.message).at(Some((found.at, 1))).help(found.help));
            continue;
        }
        match source.text.parse::<PolicySet>() {
            Err(errors) => faults.extend(errors.iter().map(|error| PolicyFault::one(&source.file, error))),
            Ok(set) => {
                templates(source, &set, &mut faults);
                for (index, policy) in in_order(&set).into_iter().enumerate() {
                    rules.push(rule(source, policy, (index + 1, rules.len()), &mut faults));
                }
            }
        }
    }
    (rules, faults)
}

/// Nothing links templates here, so one would silently decide nothing.
fn templates(source: &Source, set: &PolicySet, faults: &mut Vec<PolicyFault>) {
    for template in set.templates() {
        let span = template.as_ref().loc().map(|loc| (loc.span.offset(), loc.span.len()));
        faults.push(
            PolicyFault::new(&source.file, "a policy template (`?principal`, `?resource`) is not a policy")
                .at(span)
                .help("write the policy out for each principal or resource, or use a group"),
        );
    }
}

fn in_order(set: &PolicySet) -> Vec<&Policy> {
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| span(policy));
    policies
}

fn rule(source: &Source, policy: &Policy, (number, order): (usize, usize), faults: &mut Vec<PolicyFault>) -> Rule {
    let span = span(policy);
    let mut fault = |message: String, help: String| {
        faults.push(PolicyFault::new(&source.file, message).at(span).help(help));
    };
    // One at a time, each name would be parsed.
    let annotations: BTreeMap<&str, &str> = policy.annotations().collect();
    for name in annotations.keys() {
        if !ANNOTATIONS.contains(name)
            && let Some(meant) = near(name, ANNOTATIONS)
        {
            fault(format!("unknown annotation `@{name}`"), format!("did you mean `@{meant}`?"));
        }
    }
    let text = |name: &str| annotations.get(name).filter(|text| !text.is_empty()).map(|text| Arc::from(*text));
    if annotations.get("id").is_some_and(|id| id.is_empty()) {
        fault(
            "`@id` is empty".to_owned(),
            "write a name, as in `@id(\"readers-read\")`, or leave `@id` out".to_owned(),
        );
    }
    let file_name = source.file.rsplit('/').next().unwrap_or(&source.file);
    let id: Arc<str> = text("id").unwrap_or_else(|| format!("{file_name}#{number}").into());
    let policy = policy.new_id(PolicyId::new(&id));
    let note = Arc::new(Note { id, order, reason: text("reason"), public_reason: text("public_reason") });
    Rule { policy, note, file: source.file.clone(), span }
}

/// Offset and length; Cedar keeps the place of a policy only in its inner form.
fn span(policy: &Policy) -> Option<(usize, usize)> {
    policy.as_ref().loc().map(|loc| (loc.span.offset(), loc.span.len()))
}
