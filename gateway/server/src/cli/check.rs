//! `check`: is it right, before it is live? The code of start-up, up to the point where it would bind.

mod in_force;

use std::sync::Arc;

use serde_json::json;

use super::{ConfigArg, FINE, Format, WRONG, counted};
use crate::control::{Compiled, Compiler};
use crate::world::Tickets;
use crate::world::clock::SystemClock;
use crate::world::files::Disk;
use in_force::{Checked, Unchecked};
use portcullis_core::config::{ConfigError, render};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Leave out whatever needs the network, and say what was left out.
    #[arg(long)]
    offline: bool,
}

pub(super) fn check(args: &Args, format: Format) -> u8 {
    crate::world::draw_ahead();
    let runtime = match super::runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return super::complain(&error),
    };
    let (entry, clock) = (args.config.config.clone(), Arc::new(SystemClock::start()));
    let compiler = Compiler { entry, source: Box::new(Disk::default()), tickets: Tickets::default(), clock };
    let Checked { compiled, revision, warnings: mut findings, mut left_out } =
        match in_force::look(&compiler, &runtime, args.offline) {
            Ok(checked) => checked,
            Err(Unchecked::Machine { warnings, left_out }) => {
                return tell_of_the_machine(args, format, &warnings, &left_out);
            }
            Err(Unchecked::Wrong(errors)) => return wrong(&errors, format),
        };
    let Compiled { published, warnings, .. } = compiled;
    let snapshot = &published.snapshot;
    findings.extend(warnings.iter().map(ToString::to_string));
    let unguarded = snapshot.unguarded();
    findings.extend(unguarded.map(|route| format!("route `{route}`: its policies do not refuse (`authorize.mode`)")));
    if args.offline {
        left_out.extend(crate::world::needs_network(snapshot));
    }
    findings.extend(runtime.block_on(crate::world::unusable(snapshot)));
    if !args.offline {
        findings.extend(runtime.block_on(crate::world::unreachable(snapshot)));
    }
    match format {
        Format::Text => {
            tell(&findings, &left_out);
            let of = revision.map_or_else(String::new, |number| format!(" revision {number} of the store:"));
            say_line!(
                "{}:{of} {}, {}, {}; version {}",
                args.config.config.display(),
                counted(snapshot.routes().count(), "route", "routes"),
                counted(snapshot.policies().ids().count(), "policy", "policies"),
                counted(published.peers.upstreams.len(), "upstream", "upstreams"),
                snapshot.version
            );
        }
        Format::Json => say_line!(
            "{}",
            json!({
                "ok": true, "version": &*snapshot.version, "revision": revision, "warnings": findings,
                "left_out": left_out
            })
        ),
    }
    FINE
}

fn tell(findings: &[String], left_out: &[String]) {
    for finding in findings {
        say_line!("warning: {finding}");
    }
    for what in left_out {
        say_line!("left out: {what}");
    }
}

/// The rest comes from the store, which was not asked.
fn tell_of_the_machine(args: &Args, format: Format, findings: &[String], left_out: &[String]) -> u8 {
    match format {
        Format::Text => {
            tell(findings, left_out);
            say_line!("{}: what belongs to this machine is right", args.config.config.display());
        }
        Format::Json => say_line!(
            "{}",
            json!({ "ok": true, "version": null, "revision": null, "warnings": findings, "left_out": left_out })
        ),
    }
    FINE
}

fn wrong(errors: &[ConfigError], format: Format) -> u8 {
    match format {
        Format::Text => eprint!("{}", render(errors)),
        Format::Json => say_line!("{}", json!({ "ok": false, "errors": errors })),
    }
    WRONG
}
