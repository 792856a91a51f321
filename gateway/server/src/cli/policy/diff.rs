//! `policy diff A B`: what changes, and does anybody get in who did not before?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_core::authorize::{Change, Direction, differences};
use portcullis_core::snapshot::{self, Snapshot};
use serde_json::json;

use super::{Done, Instead, compile, wrong};
use crate::cli::{ConfigArg, FINDING, FINE, Format, complain};
use crate::world::files::Disk;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// A configuration file, a folder with one in `config/`, or a folder of policies to be put in the place of the
    /// configuration's own.
    before: PathBuf,
    /// As the first.
    after: PathBuf,
}

pub(super) fn diff(args: &Args, format: Format) -> Done {
    let (before, after) = (side(&args.before, &args.config.config)?, side(&args.after, &args.config.config)?);
    let mut roles = before.roles();
    roles.extend(after.roles());
    let changes = differences(&before.matrix(&roles), &after.matrix(&roles));
    let widens = changes.iter().any(|change| change.direction != Direction::Narrows);
    match format {
        Format::Json => say_line!("{}", json!({ "widens": widens, "changes": changes })),
        Format::Text if changes.is_empty() => say_line!("nobody may do more or less"),
        Format::Text => {
            for change in &changes {
                say_line!("{}", line(change));
            }
        }
    }
    Ok(if widens { FINDING } else { FINE })
}

fn line(change: &Change) -> String {
    let word = match change.direction {
        Direction::Changes => "changes",
        Direction::Narrows => "narrows",
        Direction::Widens => "WIDENS",
    };
    format!("{word:<8} {} for {}: {} -> {}", change.route, change.role, change.before, change.after)
}

fn side(path: &Path, config: &Path) -> Result<Arc<Snapshot>, u8> {
    if path.is_file() {
        return compile(path);
    }
    let inside = path.join("config/portcullis.toml");
    if inside.is_file() {
        return compile(&inside);
    }
    if !path.is_dir() {
        return Err(complain(&format!(
            "`{}` does not exist: name a configuration file, a folder with `config/portcullis.toml` in it, or a folder of policies",
            path.display()
        )));
    }
    // The routes of the configuration, with the policies of this folder.
    let of = compile(config)?.policy_folder();
    let instead = Instead { disk: Disk::default(), of, stands: path };
    snapshot::compile(config, &instead).map(|built| built.snapshot).map_err(|mut errors| {
        for error in &mut errors {
            error.file = instead.place(&error.file);
        }
        wrong(&errors)
    })
}
