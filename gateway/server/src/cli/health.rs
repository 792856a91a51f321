//! `health`: for containers, which have no curl.
//!
//! It asks the gateway that runs, so it goes by as much of the configuration as can be read: files that somebody has
//! broken since are no reason to have a sound gateway restarted.

use serde_json::json;

use super::admin_client::{self, CertificateArg, GOES_ON, Unready, at_fault};
use super::{ConfigArg, FINDING, FINE, Format, complain, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    certificate: CertificateArg,
}

pub(super) fn health(args: &Args, format: Format) -> u8 {
    let door = admin_client::door(&args.config.config);
    if let (Some(error), false) = (door.errors.first(), args.config.config.exists()) {
        return complain(error);
    }
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    let answer = match &door.address {
        Some(_) => runtime.block_on(door.ready(&args.certificate)),
        None => Err(Unready::Nowhere),
    };
    let problem = answer.as_ref().err().map(|unready| door.words(unready));
    if let Some(problem) = &problem {
        eprintln!("{problem}");
    }
    if let Some(first) = door.errors.first() {
        let so = if answer.is_ok() { GOES_ON } else { "so it was looked for by defaults" };
        eprintln!("{}", at_fault(&args.config.config, so, first));
    }
    if format == Format::Json {
        let errors: Vec<String> = door.errors.iter().map(ToString::to_string).collect();
        say_line!("{}", json!({ "ready": answer.is_ok(), "problem": problem, "config_errors": errors }));
    }
    if answer.is_ok() { FINE } else { FINDING }
}
