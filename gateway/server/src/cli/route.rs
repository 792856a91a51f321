//! `route METHOD PATH`: which route wins, and what does it demand?

use serde_json::{Value, json};

use super::{ConfigArg, FINDING, FINE, Format, WRONG};
use crate::world::files::Disk;
use portcullis_core::config::{LimitConfig, RouteConfig, render};
use portcullis_core::request::CanonicalPath;
use portcullis_core::snapshot::{self, Rules};

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
                    say_line!("{}  ({})", rules.name, rules.pattern);
                    for (what, value) in demands(rules, snapshot.written(&rules.name)) {
                        say_line!("  {what:<14}{value}");
                    }
                }
                (None, Some(refusal)) => {
                    say_line!("{} {}: {}", refusal.code.status().as_u16(), refusal.code.name(), refusal.reason);
                }
                (None, None) => {}
            }
            for candidate in &explained.candidates {
                say_line!(
                    "  {} {} (host {}): {}",
                    candidate.methods,
                    candidate.template,
                    candidate.host,
                    candidate.verdict
                );
            }
        }
        Format::Json => {
            let candidates: Vec<_> = explained
                .candidates
                .iter()
                .map(|c| json!({ "route": &*c.name, "methods": c.methods, "path": c.template, "host": c.host, "verdict": c.verdict.to_string() }))
                .collect();
            say_line!(
                "{}",
                json!({
                    "route": winner.map(|rules| &*rules.name),
                    "refusal": refusal.map(|refusal| refusal.code.name()),
                    "demands": winner.map(|rules| in_json(rules, snapshot.written(&rules.name))),
                    "candidates": candidates,
                })
            );
        }
    }
    if winner.is_some() { FINE } else { FINDING }
}

/// What a route demands, for people.
fn demands(rules: &Rules, written: Option<&RouteConfig>) -> Vec<(&'static str, String)> {
    let mut told = vec![("authenticate", rules.authenticate.to_string())];
    let mut tell = |what: &'static str, value: String| {
        if !value.is_empty() {
            told.push((what, value));
        }
    };
    let list = |words: Vec<String>| words.join(", ");
    tell("policies", rules.authorize.policy_ids().join(", "));
    if let Some(route) = written {
        tell("scopes", route.scopes.join(" "));
        tell("limits", list(route.limits.iter().map(limit).collect()));
        tell("parameters", list(route.parameters.iter().map(|p| format!("{} {}", p.place.name(), p.name)).collect()));
        tell("body schema", route.body_schema.as_ref().map_or_else(String::new, |path| path.display().to_string()));
        tell(
            "answers",
            route.responses.as_ref().map_or_else(String::new, |responses| responses.mode.name().to_owned()),
        );
        tell("upstream", route.upstream.clone());
    }
    tell("largest body", format!("{} bytes", rules.max_body()));
    tell("modes", list(modes(rules).map(|(stage, mode)| format!("{stage} {mode}")).to_vec()));
    told
}

fn in_json(rules: &Rules, written: Option<&RouteConfig>) -> Value {
    let modes: serde_json::Map<String, Value> =
        modes(rules).into_iter().map(|(stage, mode)| (stage.to_owned(), mode.into())).collect();
    let parameter = |p: &portcullis_core::config::ParameterConfig| json!({ "in": p.place.name(), "name": p.name });
    json!({
        "match": &*rules.pattern,
        "authenticate": &*rules.authenticate,
        "policies": rules.authorize.policy_ids().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "scopes": written.map(|route| &route.scopes),
        "limits": written.map(|route| &route.limits),
        "parameters": written.map(|route| route.parameters.iter().map(parameter).collect::<Vec<_>>()),
        "body_schema": written.and_then(|route| route.body_schema.as_ref()),
        "answers": written.and_then(|route| route.responses.as_ref()).map(|responses| responses.mode.name()),
        "upstream": written.map(|route| &route.upstream),
        "max_body": rules.max_body(),
        "modes": modes,
    })
}

fn modes(rules: &Rules) -> [(&'static str, &'static str); 4] {
    let modes = rules.modes;
    [("guard", modes.guard), ("limit", modes.limit), ("validate", modes.validate), ("authorize", modes.authorize)]
        .map(|(stage, mode)| (stage, mode.name()))
}

fn limit(limit: &LimitConfig) -> String {
    let burst = limit.burst.map_or_else(String::new, |burst| format!(" burst {burst}"));
    format!("{}{burst} by {}", limit.rate, limit.by)
}
