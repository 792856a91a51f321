//! How is a schema fault told? In words taken from the schema, never from the value.

use std::borrow::Cow;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::super::pointer;
use crate::refusal::{Fault, Refusal};

/// A list of allowed values longer than this is not repeated.
const LONGEST_LIST: usize = 200;

/// What one error means to the caller: one fault, or one per unexpected member.
pub(super) fn faults(error: &ValidationError<'_>, at: &str) -> Vec<Fault> {
    let pointer = pointer::join(at, error.instance_path().as_str());
    let keyword = Cow::<'static, str>::Owned(error.kind().keyword().to_owned());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(Refusal::MOST_FAULTS)
            .map(|name| {
                let mut pointer = pointer.clone();
                pointer::push(&mut pointer, name);
                Fault { pointer, keyword: keyword.clone(), message: "unexpected member".to_owned() }
            })
            .collect(),
        kind => vec![Fault { pointer, keyword, message: message(kind) }],
    }
}

fn message(kind: &Kind) -> String {
    match kind {
        Kind::AdditionalItems { limit } => format!("must have at most {limit} elements"),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => "unexpected member".to_owned(),
        Kind::AnyOf { .. } => "must fit at least one of the alternatives".to_owned(),
        Kind::Constant { expected_value } => match short(expected_value) {
            Some(text) => format!("must be {text}"),
            None => "must be the one allowed value".to_owned(),
        },
        Kind::Contains => "must contain the right number of fitting elements".to_owned(),
        Kind::ContentEncoding { content_encoding } => format!("must be encoded as `{content_encoding}`"),
        Kind::ContentMediaType { content_media_type } => format!("must hold `{content_media_type}`"),
        Kind::Custom { .. } | Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "could not be judged".to_owned()
        }
        Kind::Enum { options } => match options.as_array().map(|all| all.iter().map(short).collect::<Option<Vec<_>>>())
        {
            Some(Some(all)) if all.iter().map(String::len).sum::<usize>() <= LONGEST_LIST => {
                format!("must be one of {}", all.join(", "))
            }
            Some(_) | None => "must be one of the listed values".to_owned(),
        },
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::FalseSchema => "must not be here".to_owned(),
        Kind::Format { format } => format!("must be a valid `{format}`"),
        Kind::FromUtf8 { .. } => "must decode to UTF-8".to_owned(),
        Kind::MaxItems { limit } => format!("must have at most {limit} elements"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::MaxLength { limit } => format!("must be at most {limit} characters long"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::MinItems { limit } => format!("must have at least {limit} elements"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MinLength { limit } => format!("must be at least {limit} characters long"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Not { .. } => "must not fit the excluded schema".to_owned(),
        Kind::OneOfMultipleValid { .. } => "fits more than one of the alternatives, must fit exactly one".to_owned(),
        Kind::OneOfNotValid { .. } => "must fit exactly one of the alternatives".to_owned(),
        Kind::Pattern { pattern } if pattern.len() <= LONGEST_LIST => format!("must match `{pattern}`"),
        Kind::Pattern { .. } => "must match the pattern".to_owned(),
        Kind::PropertyNames { error } => format!("has a member whose name {}", message(error.kind())),
        Kind::Referencing(_) => "could not be judged".to_owned(),
        // The name comes from the schema's `required`, not from the input.
        Kind::Required { property } => {
            format!("required member `{}` is missing", property.as_str().unwrap_or_default())
        }
        Kind::Type { kind: TypeKind::Single(kind) } => format!("must be of type {kind}"),
        Kind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<&str> = kinds.iter().map(jsonschema::JsonType::as_str).collect();
            format!("must be of type {}", kinds.join(" or "))
        }
        Kind::UnevaluatedItems { .. } => "has unexpected elements".to_owned(),
        Kind::UniqueItems => "must not hold an element twice".to_owned(),
    }
}

fn short(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() <= 64 => Some(format!("`{text}`")),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Where in the schema file an error of compiling stands.
pub(super) fn where_in_schema(error: &ValidationError<'_>) -> String {
    let instance = error.instance_path().as_str();
    pointer::join("", if instance.is_empty() { error.schema_path().as_str() } else { instance })
}

/// An error in the schema itself, in the library's words: everything in it is the operator's own text.
pub(super) fn for_the_operator(error: &ValidationError<'_>) -> String {
    if let (Kind::Format { format }, Value::String(pattern)) = (error.kind(), error.instance().as_ref())
        && format == "regex"
    {
        return format!(
            "`{pattern}` is not a pattern that runs in linear time: write it without look-around and back-references"
        );
    }
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(300) {
        text.truncate(end);
        text.push('…');
    }
    text
}
