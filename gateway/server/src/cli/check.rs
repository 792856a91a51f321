//! `check`: is it right, before it is live? The code of start-up, up to the point where it would bind.

use serde_json::json;

use super::{ConfigArg, FINE, Format, WRONG};
use crate::control::compile;
use crate::world::clock::SystemClock;
use crate::world::files::Disk;
use portcullis_core::config::{ControlSource, load, render};
use portcullis_core::ports::Clock as _;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Leave out whatever needs the network, and say what was left out.
    #[arg(long)]
    offline: bool,
}

pub(super) fn check(args: &Args, format: Format) -> u8 {
    let tickets = match crate::world::tickets() {
        Ok(tickets) => tickets,
        Err(error) => return super::complain(&error),
    };
    let now = SystemClock::start().now().wall;
    match compile(&args.config.config, &Disk::default(), &tickets, now) {
        Ok(compiled) => {
            let snapshot = &compiled.published.snapshot;
            let mut findings: Vec<String> = compiled.warnings.iter().map(ToString::to_string).collect();
            findings.extend(
                snapshot
                    .unguarded()
                    .map(|route| format!("route `{route}`: its policies do not refuse (`authorize.mode`)")),
            );
            let left_out = if args.offline { crate::world::needs_network(snapshot) } else { Vec::new() };
            let runtime = match super::runtime(1) {
                Ok(runtime) => runtime,
                Err(error) => return super::complain(&error),
            };
            findings.extend(runtime.block_on(crate::world::unusable(snapshot)));
            if !args.offline {
                findings.extend(runtime.block_on(crate::world::unreachable(snapshot)));
            }
            match format {
                Format::Text => {
                    for finding in &findings {
                        println!("warning: {finding}");
                    }
                    for what in &left_out {
                        println!("left out: {what}");
                    }
                    println!(
                        "{}: {} routes, {} policies, {} upstreams; version {}",
                        args.config.config.display(),
                        snapshot.routes().count(),
                        snapshot.policies().ids().count(),
                        compiled.published.peers.upstreams.len(),
                        snapshot.version
                    );
                }
                Format::Json => println!(
                    "{}",
                    json!({ "ok": true, "version": &*snapshot.version, "warnings": findings, "left_out": left_out })
                ),
            }
            FINE
        }
        // The store decides: of these files hold those parts alone that belong to the machine.
        Err(_) if follows_the_store(&args.config.config) => {
            let passed_over = "routes, policies and schemas, which come from the store";
            match format {
                Format::Text => {
                    println!("left out: {passed_over}");
                    println!("{}: what belongs to this machine is right", args.config.config.display());
                }
                Format::Json => {
                    println!("{}", json!({ "ok": true, "version": null, "warnings": [], "left_out": [passed_over] }));
                }
            }
            FINE
        }
        Err(errors) => {
            match format {
                Format::Text => eprint!("{}", render(&errors)),
                Format::Json => println!("{}", json!({ "ok": false, "errors": errors })),
            }
            WRONG
        }
    }
}

/// Whether the file says so, and everything is right with it that the loader can see.
fn follows_the_store(config: &std::path::Path) -> bool {
    load(config, &Disk::default()).is_ok_and(|loaded| loaded.config.control.source == ControlSource::Store)
}
