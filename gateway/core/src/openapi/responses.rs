//! What may an operation answer? Where it is asked for: schemas by status and media type.

use serde_json::{Map, Value};

use super::document::below;
use super::operation::{Notes, Work, file_name};
use super::schema::{Judging, translate};
use super::written;
use crate::mode::Mode;
use crate::validate::Undeclared;

/// Entries that one route may have.
const MOST: usize = 64;

/// What becomes of the responses of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Responses {
    pub mode: Mode,
    pub undeclared: Undeclared,
}

impl Work<'_> {
    /// The lines about answers.
    pub(super) fn responses(
        &self,
        operation: &Map<String, Value>,
        schemas: &mut Vec<(String, String)>,
        notes: &mut Notes,
    ) -> Vec<String> {
        let Some(asked) = self.wishes.responses else { return Vec::new() };
        let at = below(&self.at, &["responses"]);
        let mut entries = Vec::new();
        let mut files = Vec::new();
        for (status, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let at = below(&at, &[status]);
            let Some(status) = status_of(status) else {
                notes.push((at, format!("`{status}` is not a status: such answers are not judged")));
                continue;
            };
            match self.document.resolved(response, &at) {
                Ok((response, at)) => {
                    entries.extend(self.response(&status, (response, &at), asked, &mut files, notes));
                }
                Err(message) => notes.push((at, message)),
            }
        }
        if entries.len() > MOST {
            notes.push((at, format!("more than {MOST} kinds of answers: none is judged")));
            return Vec::new();
        }
        if files.is_empty() {
            // Nothing would be judged but media types.
            return Vec::new();
        }
        schemas.extend(files);
        let undeclared = match asked.undeclared {
            Undeclared::Keep => "",
            Undeclared::Strip => "undeclared = \"strip\", ",
        };
        let mode = asked.mode.name();
        vec![format!("responses = {{ mode = \"{mode}\", {undeclared}schemas = [\n{}\n] }}", entries.join("\n"))]
    }

    /// One entry for each media type.
    fn response(
        &self,
        status: &str,
        (response, at): (&Value, &str),
        asked: Responses,
        files: &mut Vec<(String, String)>,
        notes: &mut Notes,
    ) -> Vec<String> {
        let mut entries: Vec<(String, String)> = Vec::new();
        for (media, inner) in response.get("content").and_then(Value::as_object).into_iter().flatten() {
            let at = below(at, &["content", media]);
            let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if entries.iter().any(|(known, _)| *known == essence) {
                notes.push((at, format!("`{essence}` with other parameters: judged as the one before")));
                continue;
            }
            let json = essence == "application/json" || (essence.ends_with("+json") && !essence.contains('*'));
            let mut entry =
                format!("  {{ status = {}, media_type = {}", written::text(status), written::text(&essence));
            match inner.get("schema").filter(|_| json) {
                Some(schema) => {
                    let translated = translate(self.document, schema, &below(&at, &["schema"]), Judging::Answers);
                    notes.extend(translated.left_out);
                    let media =
                        if essence == "application/json" { String::new() } else { format!(".{}", file_name(&essence)) };
                    let file = format!("{}.{status}{media}.json", self.file);
                    entry.push_str(", schema = ");
                    entry.push_str(&written::text(&format!("schemas/{}/{file}", self.wishes.name)));
                    files.push((file, serde_json::to_string_pretty(&translated.schema).unwrap_or_default()));
                }
                None if json => notes.push((at, "an answer without a schema passes unread".to_owned())),
                None if asked.mode == Mode::Enforce && essence.contains('*') => {
                    notes.push((at, format!("answers of `{essence}` pass unread, JSON among them")));
                }
                None => {}
            }
            entries.push((essence, entry + " },"));
        }
        // What names a type goes before what names many.
        entries.sort_by_key(|(essence, _)| essence.matches('*').count());
        entries.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// As the configuration writes it.
fn status_of(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let class = upper.strip_suffix("XX").is_some_and(|digit| matches!(digit, "1" | "2" | "3" | "4" | "5"));
    match text {
        "default" => Some(text.to_owned()),
        _ if class => Some(upper),
        _ => text.parse::<u16>().ok().filter(|status| (100..=599).contains(status)).map(|status| status.to_string()),
    }
}
