//! `policy matrix`: who may do what?

use std::path::PathBuf;

use portcullis_core::authorize::markdown;
use serde_json::json;

use super::{Done, compile, read};
use crate::cli::{ConfigArg, FINDING, FINE, Format, say};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Compare with this file instead, and exit 1 with the difference.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

pub(super) fn matrix(args: &Args, format: Format) -> Done {
    let snapshot = compile(&args.config.config)?;
    let matrix = snapshot.matrix(&snapshot.roles());
    let text = markdown(&matrix);
    let Some(file) = &args.check else {
        match format {
            Format::Text => say(&text),
            Format::Json => say_line!("{}", json!(matrix)),
        }
        return Ok(FINE);
    };
    let reviewed = read(file)?.replace("\r\n", "\n");
    let changes = changes(&reviewed, &text);
    match format {
        Format::Json => say_line!("{}", json!({ "ok": changes.is_empty(), "changes": changes })),
        Format::Text if changes.is_empty() => say_line!("{}: as the policies are", file.display()),
        Format::Text => {
            say_line!("{}: no longer what the policies say; write it anew once the change is meant:", file.display());
            say_line!("  portcullis policy matrix > {}", file.display());
            for change in &changes {
                say_line!("{change}");
            }
        }
    }
    Ok(if changes.is_empty() { FINE } else { FINDING })
}

/// Lines that went and lines that came, in the order of the longer text. Every row stands for itself, so that no
/// more than this is needed.
fn changes(before: &str, after: &str) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let gone = before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
    let come = after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
    let mut changes: Vec<String> = gone.chain(come).collect();
    if changes.is_empty() {
        changes.push("the same lines, in another order or number".to_owned());
    }
    changes
}
