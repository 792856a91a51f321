//! Is the query one that the operation knows? A name that is misspelt must not be passed over: without its effect,
//! `dryrun=true` would change what was only to be tried.

use axum::http::StatusCode;

use super::call::Purpose;
use super::operation::{Facts, Rehearsal};
use super::problem::Refused;

const DRY_RUN: &str = "dry_run";

/// In earnest, or to see what would be?
///
/// # Errors
/// 400 for a parameter that the operation does not know, and for a `dry_run` that is neither `true` nor `false`.
pub(super) fn purpose(facts: &Facts, query: Option<&str>) -> Result<Purpose, Refused> {
    let mut purpose = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == DRY_RUN && facts.rehearsal == Rehearsal::Possible {
            let said = match value {
                "true" => Purpose::Rehearse,
                "false" => Purpose::Apply,
                _ => return Err(wrong("`dry_run` is `true` or `false`")),
            };
            if purpose.replace(said).is_some() {
                return Err(wrong("`dry_run` is repeated"));
            }
        } else if !names(facts).any(|known| known == name) {
            let known = names(facts).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(wrong(format!("the query holds a parameter that is not known here; known: {known}")));
        }
    }
    Ok(purpose.unwrap_or(Purpose::Apply))
}

fn wrong(detail: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
}

/// The parameters of an operation: those of its own, and `dry_run`.
fn names(facts: &Facts) -> impl Iterator<Item = &str> {
    let own = facts.query.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let own = own.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
    own.chain((facts.rehearsal == Rehearsal::Possible).then_some(DRY_RUN))
}
