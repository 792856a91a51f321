//! What was sent, in the form it should have, or everything that is wrong with it.

use axum::http::StatusCode;
use portcullis_core::moment::Moment;
use portcullis_core::units::Span;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use validator::{Validate, ValidationError, ValidationErrors, ValidationErrorsKind};

use super::problem::{FieldFault, Refused};

/// A body that is one JSON value of the shape `T`, and within its bounds.
pub(super) fn parse<T: DeserializeOwned + Validate>(body: &[u8]) -> Result<T, Refused> {
    let mut text = serde_json::Deserializer::from_slice(body);
    let new: T = serde_path_to_error::deserialize(&mut text).map_err(|fault| unreadable(&fault))?;
    text.end().map_err(|_| not_json("something follows the JSON value"))?;
    new.validate().map_err(|faults| Refused::invalid(told(&faults, "")))?;
    Ok(new)
}

/// Names are read by people, on terminals and pages: nothing in them moves the cursor, turns the text around, or cannot
/// be seen.
pub(super) fn printable(text: &str) -> Result<(), ValidationError> {
    if text.chars().any(|c| c.is_control() || is_deceptive(c)) {
        let message = "no control characters, and none that turn the text around or cannot be seen";
        return Err(ValidationError::new("printable").with_message(message.into()));
    }
    Ok(())
}

/// Whether it changes what is read without being read: direction, lines, nothing at all (Unicode UAX #9, UTS #39). Joiners,
/// which some scripts need, are not.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn told(faults: &ValidationErrors, above: &str) -> Vec<FieldFault> {
    let below = faults.errors().iter().flat_map(|(field, kind)| {
        let pointer = format!("{above}/{field}");
        match kind {
            ValidationErrorsKind::Field(faults) => faults
                .iter()
                .map(|fault| FieldFault {
                    pointer: pointer.clone(),
                    keyword: fault.code.to_string(),
                    message: fault.message.as_ref().map_or_else(|| "does not fit".to_owned(), ToString::to_string),
                })
                .collect(),
            ValidationErrorsKind::List(items) => {
                items.iter().flat_map(|(at, faults)| told(faults, &format!("{pointer}/{at}"))).collect::<Vec<_>>()
            }
            ValidationErrorsKind::Struct(faults) => told(faults, &pointer),
        }
    });
    below.collect()
}

/// A fault of one member.
pub(super) fn fault(pointer: &str, keyword: &str, message: impl Into<String>) -> Refused {
    let (pointer, keyword) = (pointer.to_owned(), keyword.to_owned());
    Refused::invalid(vec![FieldFault { pointer, keyword, message: message.into() }])
}

/// When what begins now ends: `30d`, or `never`.
pub(super) fn end(pointer: &str, text: &str, now: Moment) -> Result<Option<Moment>, Refused> {
    if text == "never" {
        return Ok(None);
    }
    let span: Span = text.parse().map_err(|message: String| fault(pointer, "span", message))?;
    if span.0.is_zero() {
        return Err(fault(pointer, "span", "a key that holds for no time is no key: write `90d`, or `never`"));
    }
    Ok(Some(now.plus(span.0)))
}

/// What serde says of a wrong type names the value; the answer does not.
fn unreadable(fault: &serde_path_to_error::Error<serde_json::Error>) -> Refused {
    let error = fault.inner();
    if !error.is_data() {
        return not_json(&error.to_string());
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    let message = match text.rsplit_once(", expected ") {
        Some((said, expected)) if said.starts_with("invalid ") => format!("expected {expected}"),
        Some(_) | None => text.to_owned(),
    };
    let pointer = fault.path().iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    });
    Refused::invalid(vec![FieldFault { pointer, keyword: "type".to_owned(), message }])
}

fn not_json(why: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body cannot be read: {why}"))
}
