//! `policy explain`: what does every policy make of one request?

mod words;

use std::path::PathBuf;
use std::sync::Arc;

use http::Method;
use portcullis_core::authorize::{Decided, Explanation, Facts, Presence};
use portcullis_core::identify::{Identity, Principal};
use portcullis_core::request::CanonicalPath;
use portcullis_core::snapshot::{Rules, Snapshot};
use serde_json::{Map, Value, json};

use super::{Done, compile, read};
use crate::cli::{ConfigArg, FINDING, FINE, Format, complain};

pub(in crate::cli) use words::in_words;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    config: ConfigArg,
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
        return Ok(crate::cli::explain::recorded(&args.config.config, id, format));
    }
    let snapshot = compile(&args.config.config)?;
    let asked = question(args, &snapshot)?;
    let identity = identity(args, &snapshot).map_err(|why| complain(&why))?;
    let facts = Facts {
        identity: &identity,
        action: &asked.rules.name,
        resource: &asked.resource,
        resource_attributes: &args.resource_attributes.iter().cloned().collect(),
        context: &asked.context,
    };
    let explanation =
        snapshot.policies().asked(&facts).map_err(|why| complain(&why)).map(|question| question.explain())?;
    match format {
        Format::Json => println!(
            "{}",
            json!({
                "principal": identity.principal.to_string(), "action": &*asked.rules.name,
                "resource": asked.resource, "explanation": explanation,
            })
        ),
        Format::Text => {
            println!("{} asks for {} on {}", identity.principal, asked.rules.name, asked.resource);
            print!("{}", in_words(&explanation));
        }
    }
    Ok(code(&explanation))
}

const fn code(explanation: &Explanation) -> u8 {
    match explanation.decision {
        Decided::Allow => FINE,
        Decided::Deny | Decided::PolicyError => FINDING,
    }
}

/// What is asked, but for who asks.
struct Question<'a> {
    rules: &'a Rules,
    resource: String,
    context: Map<String, Value>,
}

fn question<'a>(args: &Args, snapshot: &'a Snapshot) -> Result<Question<'a>, u8> {
    let mut derived = Map::new();
    let (rules, resource) = match (&args.action, args.request.as_slice()) {
        (Some(action), []) => {
            let rules =
                snapshot.rules_named(action).ok_or_else(|| complain(&format!("no route is named `{action}`")))?;
            let fixed = rules.gather.fixed_id().map(|id| format!("{}::{id:?}", rules.gather.kind()));
            (rules, fixed)
        }
        (None, [method, target]) => {
            let (path, query) =
                target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
            let verb =
                Method::from_bytes(method.as_bytes()).map_err(|_| complain(&format!("`{method}` is not a method")))?;
            let canonical = CanonicalPath::parse(path).map_err(|fault| complain(&format!("`{path}`: {fault}")))?;
            let found = snapshot.table.find(&args.host.to_ascii_lowercase(), &verb, canonical).map_err(|refusal| {
                complain(&format!("{} {}: {}", refusal.code.status().as_u16(), refusal.code.name(), refusal.reason))
            })?;
            let rules = snapshot.rules(found.route).map_err(|refusal| complain(&refusal.reason))?;
            derived.insert("method".to_owned(), method.as_str().into());
            derived.insert("path".to_owned(), percent_encoding::percent_decode_str(path).decode_utf8_lossy().into());
            derived.insert(
                "params".to_owned(),
                found
                    .params
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect::<Map<_, Value>>()
                    .into(),
            );
            derived.insert("query".to_owned(), members(query.unwrap_or_default()).into());
            let params: Vec<_> = found.params.iter().map(|(name, value)| (name, value.into())).collect();
            let resource = rules.gather.resource(&params).map_err(|refusal| complain(&refusal.reason))?;
            (&**rules, Some(resource.uid().to_string()))
        }
        _ => return Err(complain(&"say what is asked for: METHOD and PATH, or `--action` with the route's name")),
    };
    let resource = args.resource.clone().or(resource);
    let resource = resource.ok_or_else(|| {
        complain(&"its resource depends on the path: say which with `--resource`, or give METHOD and PATH")
    })?;
    for (name, presence) in snapshot.policies().context_names(&rules.name) {
        let usual: Value = match (name, presence) {
            ("scopes", _) => json!([]),
            ("headers" | "query" | "params", Presence::Required) => json!({}),
            ("auth_method", _) => auth_method(args).into(),
            _ => continue,
        };
        derived.entry(name).or_insert(usual);
    }
    derived.extend(args.context.iter().cloned());
    Ok(Question { rules, resource, context: derived })
}

fn members(query: &str) -> Map<String, Value> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value).into()))
        .collect()
}

fn auth_method(args: &Args) -> &'static str {
    match &args.principal {
        Some(principal) if principal.starts_with("ApiKey::") => "api_key",
        Some(principal) if principal.starts_with("Certificate::") => "mtls",
        None if args.claims.is_none() => "none",
        Some(_) | None => "jwt",
    }
}

fn identity(args: &Args, snapshot: &Snapshot) -> Result<Identity, String> {
    let mut groups: Vec<Arc<str>> = args.groups.iter().map(|group| group.as_str().into()).collect();
    let mut attributes: Map<String, Value> = args.attributes.iter().cloned().collect();
    let principal = match (&args.claims, &args.principal) {
        (Some(file), _) => {
            let text = read(file).map_err(|_| "the claims cannot be read".to_owned())?;
            let claims: Map<String, Value> =
                serde_json::from_str(&text).map_err(|error| format!("{}: no JSON object: {error}", file.display()))?;
            let (principal, theirs) = of_claims(&claims, snapshot)?;
            groups.extend(theirs);
            let verified = claims.get("email_verified").is_some_and(|verified| *verified == Value::Bool(true));
            attributes.extend(claims.into_iter().filter(|(name, _)| verified || name != "email"));
            principal
        }
        (None, None) => Principal::Anonymous,
        (None, Some(text)) => principal(text)?,
    };
    Ok(Identity::described(principal, groups, attributes))
}

fn principal(text: &str) -> Result<Principal, String> {
    let not_one = || {
        format!(
            "`{text}` is no principal: write `User::\"demo|alice\"`, `Client::…`, `ApiKey::…`, `Certificate::…` or `Anonymous::\"anonymous\"`"
        )
    };
    let (kind, quoted) = text.split_once("::").ok_or_else(not_one)?;
    let id: Arc<str> = serde_json::from_str::<String>(quoted).map_err(|_| not_one())?.into();
    match kind {
        "Anonymous" => Ok(Principal::Anonymous),
        "ApiKey" => Ok(Principal::ApiKey(id)),
        "Certificate" => Ok(Principal::Certificate(id)),
        "Client" => Ok(Principal::Client(id)),
        "User" => Ok(Principal::User(id)),
        _ => Err(not_one()),
    }
}

/// Whom a token with these claims stands for.
fn of_claims(claims: &Map<String, Value>, snapshot: &Snapshot) -> Result<(Principal, Vec<Arc<str>>), String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let issuer = text("iss").ok_or("the claims have no `iss`")?;
    let (alias, source) = snapshot
        .tokens()
        .find(|(_, source)| source.issuer == issuer)
        .ok_or_else(|| format!("no `[tokens.…]` has the issuer `{issuer}`"))?;
    let (subject, client) = (text("sub"), text(&source.client_claim));
    let principal = match (subject, client) {
        (None, Some(client)) => Principal::Client(format!("{alias}|{client}").into()),
        (Some(subject), Some(client)) if subject == client => Principal::Client(format!("{alias}|{client}").into()),
        (Some(subject), _) => Principal::User(format!("{alias}|{subject}").into()),
        (None, None) => return Err(format!("the claims have neither `sub` nor `{}`", source.client_claim)),
    };
    let claim = &source.groups_claim;
    let listed = if claim.starts_with('/') { pointer(claims, claim) } else { claims.get(claim) };
    let groups = listed.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    Ok((principal, groups.map(|group| format!("{alias}|{group}").into()).collect()))
}

fn pointer<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let mut parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(&part))
}
