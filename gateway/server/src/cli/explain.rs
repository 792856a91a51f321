//! `explain DECISION-ID`: the recorded journey of one request. `shadow report`: what is in shadow would do.

mod words;

use std::fmt::Write as _;

use portcullis_core::authorize::Explanation;
use serde_json::Value;

use super::admin_client::{AdminClient, Ask, Reach};
use super::{FINDING, FINE, Format, complain, runtime, say};

pub(super) use words::in_words;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    reach: Reach,
    /// The decision's id: `instance` of the problem document, `X-Portcullis-Decision`, or of the access log.
    id: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShadowArgs {
    #[command(subcommand)]
    verb: ShadowVerb,
}

#[derive(Debug, clap::Subcommand)]
enum ShadowVerb {
    /// List where checks and policies in shadow would have it otherwise, with counts and examples.
    Report {
        #[command(flatten)]
        reach: Reach,
    },
}

pub(super) fn explain(args: &Args, format: Format) -> u8 {
    recorded(&args.reach, &args.id, format)
}

/// The recorded journey of one request, asked of the running gateway.
pub(super) fn recorded(reach: &Reach, id: &str, format: Format) -> u8 {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return complain(&format!(
            "`{id}` is no decision id: it is letters and digits, as `instance` of a refusal has it"
        ));
    }
    ask(reach, &format!("/v1/decisions/{id}"), format, journey)
}

pub(super) fn shadow(args: &ShadowArgs, format: Format) -> u8 {
    let ShadowVerb::Report { reach } = &args.verb;
    ask(reach, "/v1/shadow", format, differences)
}

fn ask(reach: &Reach, path: &str, format: Format, words: fn(&Value) -> String) -> u8 {
    let client = match AdminClient::reach(reach) {
        Ok(client) => client,
        Err(error) => return complain(&error),
    };
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    match runtime.block_on(client.call(&Ask::get(path))) {
        Ok(value) => {
            match format {
                Format::Json => say_line!("{value:#}"),
                Format::Text => say(&words(&value)),
            }
            FINE
        }
        Err(error) => {
            eprintln!("{error}");
            FINDING
        }
    }
}

/// The parts of an array of texts, or of one text.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) if !text.is_empty() => vec![text],
        _ => Vec::new(),
    }
}

fn journey(value: &Value) -> String {
    let nothing = Value::Null;
    let decision = value.get("decision").unwrap_or(&nothing);
    let part = |name: &str| texts(decision.get(name)).join(", ");
    let number = |name: &str| decision.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mut text = format!("{} {} -> {} {}\n", part("method"), part("path"), number("status"), part("outcome"));
    let reason = part("reason");
    if !reason.is_empty() {
        let _ = writeln!(text, "{reason}");
    }
    text.push('\n');
    let upstream = match part("upstream").as_str() {
        "" => "not asked".to_owned(),
        name => format!("{name}, {} attempt(s)", number("attempts")),
    };
    let rows = [
        ("route", part("route")),
        ("caller", part("principal")),
        ("by", part("auth")),
        ("groups", part("groups")),
        ("resource", texts(value.get("resource")).join("")),
        ("upstream", upstream),
        ("configuration", part("config_version")),
    ];
    for (what, told) in rows.iter().filter(|(_, told)| !told.is_empty()) {
        let _ = writeln!(text, "{what:<14}{told}");
    }
    for limit in decision.get("limits").and_then(Value::as_array).into_iter().flatten() {
        let named = |name: &str| limit.get(name).and_then(Value::as_u64).unwrap_or_default();
        let name = limit.get("name").and_then(Value::as_str).unwrap_or_default();
        let (left, quota, window) = (named("remaining"), named("quota"), named("window_s"));
        let _ =
            writeln!(text, "{:<14}{name}: {left} of {quota} in {window} s left, {} s to go", "limit", named("reset_s"));
    }
    for attempt in decision.get("failed_attempts").and_then(Value::as_array).into_iter().flatten() {
        let named = |name: &str| attempt.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "{:<14}{} failed: {}", "attempt", named("target"), named("error"));
    }
    for step in decision.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let named = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
        let took = step.get("took_us").and_then(Value::as_u64).unwrap_or_default();
        let _ = writeln!(text, "  {:<12}{:<14}{took} us", named("stage"), named("end"));
    }
    for fault in decision.get("faults").and_then(Value::as_array).into_iter().flatten() {
        let named = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "  at `{}`: {}", named("pointer"), named("keyword"));
    }
    for shadow in decision.get("would_refuse").and_then(Value::as_array).into_iter().flatten() {
        let named = |name: &str| shadow.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ =
            writeln!(text, "in shadow: {} would refuse with {}: {}", named("stage"), named("code"), named("reason"));
    }
    if decision.get("would_allow").is_some_and(|would| *would == Value::Bool(true)) {
        text.push_str("in shadow: the policies in shadow would allow it\n");
    }
    for (title, name) in [("policies", "policies"), ("policies in shadow", "shadow_policies")] {
        let explanation = value.get(name).cloned().map(serde_json::from_value::<Option<Explanation>>);
        if let Some(Ok(Some(explanation))) = explanation {
            let _ = write!(text, "\n{title}: {}", in_words(&explanation));
        }
    }
    text
}

fn differences(report: &Value) -> String {
    let items: Vec<&Value> = report.get("items").and_then(Value::as_array).into_iter().flatten().collect();
    if items.is_empty() {
        return "nothing in shadow would have it otherwise\n".to_owned();
    }
    let mut text = String::new();
    for item in items {
        let named = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let count = item.get("count").and_then(Value::as_u64).unwrap_or_default();
        let _ = writeln!(text, "{count:>8}  {} {}: {}", named("route"), named("stage"), would(named("would")));
        for example in texts(item.get("examples")) {
            let _ = writeln!(text, "          portcullis explain {example}");
        }
    }
    text
}

fn would(word: &str) -> String {
    if word == "would_allow" { "would allow".to_owned() } else { format!("would refuse with {word}") }
}
