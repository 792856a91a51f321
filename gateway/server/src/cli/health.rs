//! `health`: for containers, which have no curl.

use super::admin_client::AdminClient;
use super::{ConfigArg, FINDING, FINE, complain, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn health(args: &Args) -> u8 {
    let client = match AdminClient::new(&args.config.config) {
        Ok(client) => client,
        Err(error) => return complain(&error),
    };
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    if runtime.block_on(client.ready()) { FINE } else { FINDING }
}
