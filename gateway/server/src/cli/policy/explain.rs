//! `policy explain`: what does every policy make of one request?

use std::path::PathBuf;

use portcullis_core::authorize::{Decided, Explanation};
use portcullis_core::snapshot::{Described, Wanted};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Done, compile, read};
use crate::cli::admin_client::{AdminClient, Ask, Reach};
use crate::cli::explain::{in_words, recorded};
use crate::cli::say;
use crate::cli::{FINDING, FINE, Format, complain, runtime};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    reach: Reach,
    /// Ask the gateway that runs, of the policies it enforces, instead of the files.
    #[arg(long)]
    live: bool,
    /// The host asked for.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Who asks: `User::"demo|alice"`, `ApiKey::"k1"`, … Default: nobody in particular.
    #[arg(long, value_name = "ENTITY")]
    principal: Option<String>,
    /// A group it is in, as policies name it: `demo|writers`, `keys|readers`. May be given again.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// An attribute of the principal, as `NAME=JSON`. May be given again.
    #[arg(long = "attribute", value_name = "NAME=JSON", value_parser = pair)]
    attributes: Vec<(String, Value)>,
    /// A file with the claims of a token, as JSON; `iss` says whose it is.
    #[arg(long, value_name = "FILE", conflicts_with = "principal")]
    claims: Option<PathBuf>,
    /// The route's name, instead of METHOD and PATH.
    #[arg(long)]
    action: Option<String>,
    /// What it is about: `Order::"17"`. Default: what the route makes of the path.
    #[arg(long, value_name = "ENTITY")]
    resource: Option<String>,
    /// An attribute of the resource, as `NAME=JSON`; entities are written as texts. May be given again.
    #[arg(long = "resource-attribute", value_name = "NAME=JSON", value_parser = pair)]
    resource_attributes: Vec<(String, Value)>,
    /// A member of the context, as `NAME=JSON`: `--context ip='"192.0.2.1"'`. May be given again.
    #[arg(long = "context", value_name = "NAME=JSON", value_parser = pair)]
    context: Vec<(String, Value)>,
    /// METHOD and PATH of the request; or the id of a recorded decision.
    #[arg(num_args = 0..=2, value_name = "METHOD PATH | DECISION-ID")]
    request: Vec<String>,
}

/// `name=json`; what is no JSON is taken as a text.
fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=JSON")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

pub(super) fn explain(args: &Args, format: Format) -> Done {
    if let ([id], None) = (args.request.as_slice(), &args.action) {
        return Ok(recorded(&args.reach, id, format));
    }
    let described = described(args)?;
    let answer = if args.live { live(args, described)? } else { here(args, described)? };
    match format {
        Format::Json => say_line!("{answer:#}"),
        Format::Text => {
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            say_line!("{} asks for {} on {}", text("principal"), text("action"), text("resource"));
        }
    }
    let explanation = answer.get("explanation").cloned().unwrap_or_default();
    let explanation: Explanation = serde_json::from_value(explanation).map_err(|error| complain(&error))?;
    if format == Format::Text {
        say(&in_words(&explanation));
    }
    Ok(match explanation.decision {
        Decided::Allow => FINE,
        Decided::Deny | Decided::PolicyError => FINDING,
    })
}

/// By the files.
fn here(args: &Args, described: Described) -> Result<Value, u8> {
    let snapshot = compile(&args.reach.config.config)?;
    let question = snapshot.question(described, snapshot.policies()).map_err(|why| complain(&why))?;
    let explanation = question.put(snapshot.policies()).map_err(|why| complain(&why))?.explain();
    Ok(json!({
        "principal": question.identity.principal.to_string(), "action": &*question.action,
        "resource": question.resource, "explanation": explanation,
    }))
}

/// By the gateway that runs.
fn live(args: &Args, described: Described) -> Result<Value, u8> {
    let Described { principal, groups, attributes, claims, wanted, resource, resource_attributes, context } = described;
    let mut body = json!({ "groups": groups, "attributes": attributes, "resource_attributes": resource_attributes,
        "context": context });
    let (action, request) = match wanted {
        Wanted::Action(action) => (Some(json!(action)), None),
        Wanted::Request { host, method, target } => {
            (None, Some(json!({ "host": host, "method": method, "target": target })))
        }
    };
    let members = [
        ("principal", principal.map(Value::from)),
        ("claims", claims.map(Value::from)),
        ("action", action),
        ("request", request),
        ("resource", resource.map(Value::from)),
    ];
    for (name, member) in members {
        if let (Some(member), Some(body)) = (member, body.as_object_mut()) {
            body.insert(name.to_owned(), member);
        }
    }
    let client = AdminClient::reach(&args.reach).map_err(|error| complain(&error))?;
    let ask = Ask::new(Method::POST, "/v1/policies/evaluate", Some(body));
    runtime(1).and_then(|runtime| runtime.block_on(client.call(&ask))).map_err(|error| complain(&error))
}

fn described(args: &Args) -> Result<Described, u8> {
    let wanted = match (&args.action, args.request.as_slice()) {
        (Some(action), []) => Wanted::Action(action.clone()),
        (None, [method, target]) => {
            Wanted::Request { host: args.host.clone(), method: method.clone(), target: target.clone() }
        }
        _ => return Err(complain(&"say what is asked for: METHOD and PATH, or `--action` with the route's name")),
    };
    let claims: Option<Map<String, Value>> = match &args.claims {
        None => None,
        Some(file) => {
            let claims = serde_json::from_str(&read(file)?);
            Some(claims.map_err(|error| complain(&format!("{}: no JSON object: {error}", file.display())))?)
        }
    };
    Ok(Described {
        principal: args.principal.clone(),
        groups: args.groups.clone(),
        attributes: args.attributes.iter().cloned().collect(),
        claims,
        wanted,
        resource: args.resource.clone(),
        resource_attributes: args.resource_attributes.iter().cloned().collect(),
        context: args.context.iter().cloned().collect(),
    })
}
