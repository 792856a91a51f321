//! `policy check`: are the policies right?

use std::path::PathBuf;

use portcullis_core::config::ConfigError;
use portcullis_core::snapshot;
use serde_json::json;

use super::{Done, wrong};
use crate::cli::counted;
use crate::cli::{ConfigArg, FINE, Format, WRONG};
use crate::world::files::Disk;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// A folder of `*.cedar` files with a `schema.cedarschema`, by itself. Default: the policies of the configuration,
    /// and what its routes ask of them.
    folder: Option<PathBuf>,
}

pub(super) fn check(args: &Args, format: Format) -> Done {
    let disk = Disk::default();
    let checked: Result<(usize, Vec<ConfigError>), Vec<ConfigError>> = match &args.folder {
        Some(folder) => snapshot::policy_folder(folder, &folder.join("schema.cedarschema"), &disk)
            .map(|folder| (folder.policies.ids().count(), folder.warnings)),
        None => snapshot::compile(&args.config.config, &disk)
            .map(|built| (built.snapshot.policies().ids().count(), built.warnings)),
    };
    match (checked, format) {
        (Ok((policies, warnings)), Format::Text) => {
            for warning in &warnings {
                say_line!("warning: {warning}\n");
            }
            say_line!("{}, valid under their schema", counted(policies, "policy", "policies"));
            Ok(FINE)
        }
        (Ok((policies, warnings)), Format::Json) => {
            say_line!("{}", json!({ "ok": true, "policies": policies, "warnings": warnings }));
            Ok(FINE)
        }
        (Err(errors), Format::Text) => Err(wrong(&errors)),
        (Err(errors), Format::Json) => {
            say_line!("{}", json!({ "ok": false, "errors": errors }));
            Err(WRONG)
        }
    }
}
