//! `config apply`, `config rollback`: what is sent, and what is said of the answer.

use std::path::Path;
use std::time::Duration;

use portcullis_core::config::render;
use portcullis_core::snapshot::{Texts, gathered};
use reqwest::Method;
use serde_json::{Value, json};

use super::{lines, members, text};
use crate::cli::admin_client::{AdminClient, Ask};
use crate::cli::{FINDING, FINE, Format, complain, say};
use crate::world::files::Disk;

/// Compiling a large configuration takes a while.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(super) struct How {
    /// Show what would change in files, routes and the policy matrix, and change nothing; exit 1 if access widens.
    #[arg(long)]
    dry_run: bool,
    /// Only if this is the newest revision still: a number, as `config history` shows it.
    #[arg(long, value_name = "NUMBER")]
    if_match: Option<u64>,
}

/// The files of the configuration at `config`.
pub(super) fn apply(config: &Path, how: &How, note: Option<&str>) -> Result<Ask, String> {
    let (texts, clear) = gathered(config, &Disk::default()).map_err(|errors| render(&errors).trim_end().to_owned())?;
    for key in clear.iter().filter(|key| !key.starts_with("store.") && !key.starts_with("counters.")) {
        eprintln!(
            "`{key}` stands in the files in clear, and is not sent: each replica goes on with what its own files say"
        );
    }
    let Texts { files, .. } = texts;
    Ok(ask("/v1/config/revisions", how, Some(json!({ "files": files, "note": note.unwrap_or_default() }))))
}

pub(super) fn roll_back(revision: u64, how: &How) -> Ask {
    ask(&format!("/v1/config/revisions/{revision}/rollback"), how, None)
}

fn ask(target: &str, how: &How, body: Option<Value>) -> Ask {
    let target = if how.dry_run { format!("{target}?dry_run=true") } else { target.to_owned() };
    let if_match = how.if_match.map(|number| number.to_string());
    Ask { if_match, patience: PATIENCE, ..Ask::new(Method::POST, target, body) }
}

pub(super) async fn run(client: &AdminClient, ask: &Ask, how: &How, format: Format) -> u8 {
    let answer = match client.call(ask).await {
        Ok(answer) => answer,
        // What the gateway refuses is a finding.
        Err(error) => {
            complain(&error);
            return FINDING;
        }
    };
    match format {
        Format::Json => say(&format!("{answer:#}\n")),
        Format::Text => tell(&answer),
    }
    let widens = answer.get("widens") == Some(&Value::Bool(true));
    if how.dry_run && widens { FINDING } else { FINE }
}

fn tell(answer: &Value) {
    members(answer, "files").for_each(lines);
    for route in members(answer, "routes") {
        let side = |name: &str| route.get(name).filter(|side| !side.is_null());
        let short = |side: &Value| {
            format!("{} for {} at {}", text(side, "match"), text(side, "authenticate"), text(side, "upstream"))
        };
        let said = match (side("before"), side("after")) {
            (None, Some(after)) => format!("new, {}", short(after)),
            (Some(before), None) => format!("gone, {}", short(before)),
            (Some(before), Some(after)) if before == after => format!("changed, {}", short(after)),
            (Some(before), Some(after)) => format!("{} -> {}", short(before), short(after)),
            (None, None) => continue,
        };
        say(&format!("route {}: {said}\n", text(route, "name")));
    }
    for change in members(answer, "matrix") {
        let word = match text(change, "direction") {
            "narrows" => "narrows",
            "widens" => "WIDENS",
            _ => "changes",
        };
        let (route, role) = (text(change, "route"), text(change, "role"));
        say(&format!("{word:<8} {route} for {role}: {} -> {}\n", text(change, "before"), text(change, "after")));
    }
    members(answer, "warnings").filter_map(Value::as_str).for_each(|warning| say(&format!("warning: {warning}\n")));
    let number = answer.pointer("/revision/number").map_or_else(|| "-".to_owned(), Value::to_string);
    let in_force = answer.pointer("/revision/in_force") == Some(&Value::Bool(true));
    say(&match text(answer, "result") {
        "applied" if in_force => format!("revision {number} is in force\n"),
        "applied" => format!("revision {number} is kept, and comes into force in a moment\n"),
        "unchanged" => format!("nothing changes: revision {number} is in force\n"),
        _ => "nothing was changed\n".to_owned(),
    });
}
