//! `route METHOD PATH`: which route wins, and what does it demand?

use serde_json::json;

use super::{ConfigArg, FINDING, FINE, Format, WRONG};
use crate::world::files::Disk;
use portcullis_core::config::render;
use portcullis_core::request::CanonicalPath;
use portcullis_core::snapshot;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The host asked for.
    #[arg(long, default_value = "localhost")]
    host: String,
    method: String,
    path: String,
}

pub(super) fn route(args: &Args, format: Format) -> u8 {
    let snapshot = match snapshot::compile(&args.config.config, &Disk::default()) {
        Ok(built) => built.snapshot,
        Err(errors) => {
            eprint!("{}", render(&errors));
            return WRONG;
        }
    };
    let Ok(method) = http::Method::from_bytes(args.method.as_bytes()) else {
        return super::complain(&format!("`{}` is not a method", args.method));
    };
    let path = match CanonicalPath::parse(&args.path) {
        Ok(path) => path,
        Err(fault) => return super::complain(&format!("`{}` is refused with 400 ambiguous_path: {fault}", args.path)),
    };
    let explained = snapshot.explain(&args.host.to_ascii_lowercase(), &method, path);
    let winner = explained.outcome.as_ref().ok().and_then(|found| snapshot.rules(found.route).ok());
    let refusal = explained.outcome.as_ref().err();
    match format {
        Format::Text => {
            match (winner, refusal) {
                (Some(rules), _) => {
                    println!("{}  ({})", rules.name, rules.pattern);
                    println!("  authenticate  {}", rules.authenticate);
                    println!("  policies      {}", rules.authorize.policy_ids().join(", "));
                    println!("  largest body  {} bytes", rules.max_body());
                }
                (None, Some(refusal)) => {
                    println!("{} {}: {}", refusal.code.status().as_u16(), refusal.code.name(), refusal.reason);
                }
                (None, None) => {}
            }
            for candidate in &explained.candidates {
                println!(
                    "  {} {} (host {}): {}",
                    candidate.methods, candidate.template, candidate.host, candidate.verdict
                );
            }
        }
        Format::Json => {
            let candidates: Vec<_> = explained
                .candidates
                .iter()
                .map(|c| json!({ "route": &*c.name, "methods": c.methods, "path": c.template, "host": c.host, "verdict": c.verdict.to_string() }))
                .collect();
            println!(
                "{}",
                json!({
                    "route": winner.map(|rules| &*rules.name),
                    "refusal": refusal.map(|refusal| refusal.code.name()),
                    "candidates": candidates,
                })
            );
        }
    }
    if winner.is_some() { FINE } else { FINDING }
}
