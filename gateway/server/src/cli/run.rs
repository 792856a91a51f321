//! `run`: the gateway.

use std::collections::HashMap;

use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArg, FINE, complain, runtime};
use crate::app::{Gateway, Options};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: Args) -> u8 {
    crate::world::log::start(crate::world::log::Voice::Json);
    let threads = crate::world::cores();
    let runtime = match runtime(threads) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    runtime.block_on(async {
        let options = Options { config: args.config.config, variables: HashMap::new() };
        let gateway = match Gateway::start(options).await {
            Ok(gateway) => gateway,
            Err(error) => return complain(&error),
        };
        for warning in &gateway.warnings {
            tracing::warn!(file = %warning.location(), "{}", warning.message);
        }
        tracing::info!(
            version = %gateway.version(),
            https = ?gateway.https,
            admin = ?gateway.admin,
            admin_key_file = %gateway.admin_key_file.display(),
            "ready"
        );
        until_told_to_stop().await;
        tracing::info!("stopping");
        gateway.stop().await;
        FINE
    })
}

/// SIGTERM or SIGINT.
pub(super) async fn until_told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
