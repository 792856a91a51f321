//! Does each part fit its type, and its values their bounds? Every part is asked on its own, so all of them answer.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value as Json;
use validator::{Validate, ValidationError, ValidationErrors, ValidationErrorsKind};

use super::Findings;
use super::spans::{PathPart, descend};
use super::tree::Node;

/// Most faults of type reported of one part.
const MOST: usize = 32;

/// One part as its type; `None` when anything about it is wrong.
pub(super) fn read<T>(file: usize, node: &Node, findings: &mut Findings) -> Option<T>
where
    T: for<'de> Deserialize<'de> + Validate,
{
    let part: T = of_type(file, node, findings)?;
    match part.validate() {
        Ok(()) => Some(part),
        Err(faults) => {
            report(file, node, &mut Vec::new(), &faults, findings);
            None
        }
    }
}

/// After a fault the value at fault is left out and the rest asked again, so that one part can report several.
fn of_type<T: for<'de> Deserialize<'de>>(file: usize, node: &Node, findings: &mut Findings) -> Option<T> {
    let fault = match T::deserialize(node) {
        Ok(part) => return Some(part),
        Err(fault) => fault,
    };
    let mut rest = node.clone();
    let mut next = Some(fault);
    for _ in 0..MOST {
        let Some(fault) = next.take() else { break };
        let span = fault.span.unwrap_or_else(|| node.span.clone());
        // What is missing was said by the walk over the keys, or is what was just left out.
        if fault.missing {
            break;
        }
        findings.add(file, span.clone(), fault.message, fault.help);
        if !rest.remove(&span) {
            break;
        }
        next = T::deserialize(&rest).err();
    }
    None
}

fn report(file: usize, node: &Node, path: &mut Vec<Step>, faults: &ValidationErrors, findings: &mut Findings) {
    for (field, kind) in faults.errors() {
        path.push(Step::Key(field.to_string()));
        match kind {
            ValidationErrorsKind::Field(faults) => {
                if let Some(fault) = faults.first() {
                    findings.add(file, place(node, path), message(fault), None);
                }
            }
            ValidationErrorsKind::List(list) => {
                for (at, faults) in list {
                    path.push(Step::Index(*at));
                    report(file, node, path, faults, findings);
                    path.pop();
                }
            }
            ValidationErrorsKind::Struct(faults) => report(file, node, path, faults, findings),
        }
        path.pop();
    }
}

enum Step {
    Index(usize),
    Key(String),
}

fn place(node: &Node, path: &[Step]) -> Range<usize> {
    let parts: Vec<PathPart<'_>> = path
        .iter()
        .map(|step| match step {
            Step::Index(at) => PathPart::Index(*at),
            Step::Key(key) => PathPart::Key(key),
        })
        .collect();
    descend(node, &parts)
}

fn message(fault: &ValidationError) -> String {
    if let Some(message) = &fault.message {
        return message.to_string();
    }
    let parameter = |name: &str| fault.params.get(name).map(ToString::to_string);
    let bounds = match (parameter("min"), parameter("max")) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "other".to_owned(),
    };
    match fault.code.as_ref() {
        "length" => match fault.params.get("value") {
            Some(Json::Array(entries)) if entries.is_empty() => {
                format!("nothing stands here: {bounds} entries are needed")
            }
            Some(Json::Array(entries)) => format!("{} entries are out of bounds: {bounds}", entries.len()),
            Some(Json::String(text)) => format!("{} characters are out of bounds: {bounds}", text.chars().count()),
            _ => format!("the length is out of bounds: {bounds}"),
        },
        "range" => format!("`{}` is out of bounds: {bounds}", parameter("value").unwrap_or_default()),
        _ => "this does not fit here".to_owned(),
    }
}
