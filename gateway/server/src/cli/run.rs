//! `run`: the gateway.

mod quick;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ConfigArg, FINE, complain, runtime};
use crate::app::{Gateway, Options, Ready, StartError};
use crate::world::clock::system_time;
use crate::world::log;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Without a configuration: put it in front of this, with a development certificate; everything needs an API key
    /// of the role `users`.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    upstream: Option<String>,
    /// Where `--upstream` keeps its certificate, configuration, policies and store.
    #[arg(long, value_name = "DIR", default_value = "portcullis-data", requires = "upstream")]
    data_dir: PathBuf,
}

pub(super) fn run(args: Args) -> u8 {
    log::start(log::Voice::Json);
    let (mut told, ready) = match prepare(&args) {
        Ok(Some(ready)) => ready,
        Ok(None) => return FINE,
        Err(error) => return complain(&error),
    };
    let runtime = match runtime(ready.threads()) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    let make_a_key = format!("portcullis keys create --config {} --name NAME --role users", ready.config().display());
    runtime.block_on(async {
        let started = tokio::select! {
            started = Gateway::begin(ready) => started,
            // Nothing was served yet.
            () = told.until_stop() => return FINE,
        };
        let gateway = match started {
            Ok(gateway) => gateway,
            Err(error) => return complain(&error),
        };
        log::level(gateway.log_level());
        for warning in gateway.warnings.iter().take(MOST_WARNINGS) {
            tracing::warn!(file = %warning.location(), "{}", warning.message);
        }
        if gateway.warnings.len() > MOST_WARNINGS {
            let more = gateway.warnings.len() - MOST_WARNINGS;
            tracing::warn!(more, "there are more warnings; `portcullis check` tells all");
        }
        tracing::info!(
            version = %gateway.version(),
            https = %listening(gateway.https),
            http = %listening(gateway.http),
            plain = %listening(gateway.plain),
            admin = %listening(gateway.admin),
            probes = %listening(gateway.probes),
            admin_key_file = %gateway.admin_key_file.display(),
            "ready"
        );
        if args.upstream.is_some() {
            let ca = args.data_dir.join("tls/ca.pem");
            tracing::info!(ca = %ca.display(), %make_a_key, "everything needs an API key");
        }
        told.until_stop().await;
        tracing::info!("stopping");
        gateway.stop().await;
        FINE
    })
}

/// What is told of a start, of however many routes there are.
const MOST_WARNINGS: usize = 20;

/// An address as the configuration would write it.
fn listening(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "off".to_owned(), |address| address.to_string())
}

/// Reads the configuration, which says how many threads serve; `None`: it was told to stop meanwhile.
fn prepare(args: &Args) -> Result<Option<(Told, Ready)>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StartError::World(format!("no runtime: {error}")))?;
    let prepared = runtime.block_on(async {
        let mut told = Told::listen().map_err(StartError::World)?;
        let config = match &args.upstream {
            None => args.config.config.clone(),
            Some(upstream) => quick::lay(&args.data_dir, upstream, system_time()).map_err(StartError::World)?,
        };
        let options = Options { config, variables: HashMap::new() };
        let reading = tokio::task::spawn_blocking(move || Ready::of(options));
        tokio::select! {
            ready = reading => Ok(Some((told, ready.map_err(|error| StartError::World(error.to_string()))??))),
            () = told.until_stop() => Ok(None),
        }
    });
    // Whatever is still being read is of no use.
    runtime.shutdown_background();
    prepared
}

/// What the system says by signals, to whichever runtime hears it. Made before anything starts, so that none ends the
/// process by its default.
pub(super) struct Told {
    terminate: Signal,
    interrupt: Signal,
    /// Those who watch files have listeners of their own; this one makes a SIGHUP during the start harmless.
    _hangup: Signal,
}

impl Told {
    pub(super) fn listen() -> Result<Self, String> {
        let hear = |kind| signal(kind).map_err(|error| format!("signals cannot be heard: {error}"));
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            _hangup: hear(SignalKind::hangup())?,
        })
    }

    /// SIGTERM or SIGINT.
    pub(super) async fn until_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
