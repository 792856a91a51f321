//! `keys`: API keys, through the admin API. A secret is printed once, to stdout, and never asked for in argv.

use serde_json::{Value, json};

use super::admin_client::AdminClient;
use super::{ConfigArg, FINDING, FINE, Format, complain, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a key and print its secret, once.
    Create {
        #[command(flatten)]
        config: ConfigArg,
        /// What it is for.
        #[arg(long)]
        name: String,
        /// Who answers for it.
        #[arg(long, default_value = "")]
        owner: String,
        /// A role, as policies know it: `Group::"keys|ROLE"`. May be given again.
        #[arg(long = "role")]
        roles: Vec<String>,
        /// A scope. May be given again.
        #[arg(long = "scope")]
        scopes: Vec<String>,
        /// How long it holds, as in `30d`, or `never`.
        #[arg(long, default_value = "90d")]
        expires_in: String,
    },
    /// List the keys; no secrets.
    List {
        #[command(flatten)]
        config: ConfigArg,
        /// Only this owner's.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show one key; no secret.
    Show {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(value_parser = key_id)]
        id: String,
    },
    /// Give a key another secret and print it, once.
    Rotate {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(value_parser = key_id)]
        id: String,
        /// For how long the old secret stays good, as in `24h`; at most `30d`. Not at all when left out.
        #[arg(long)]
        overlap: Option<String>,
        /// How long the key holds from now, as in `30d`, or `never`. As before when left out.
        #[arg(long)]
        expires_in: Option<String>,
    },
    /// Change what is named, and nothing else.
    Patch {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(value_parser = key_id)]
        id: String,
        /// The change, as in `{"roles": ["readers"], "plan": null}`: a JSON object, as the admin API takes it.
        #[arg(value_parser = object)]
        change: Value,
        /// Only if nobody has changed it since: the `ETag` that the admin API gave.
        #[arg(long)]
        if_match: Option<String>,
    },
    /// Revoke a key, at once.
    Revoke {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(value_parser = key_id)]
        id: String,
    },
}

pub(super) fn keys(args: Args, format: Format) -> u8 {
    let (config, method, path, body) = match &args.verb {
        Verb::Create { config, name, owner, roles, scopes, expires_in } => (
            config,
            reqwest::Method::POST,
            "/v1/keys".to_owned(),
            Some(json!({ "name": name, "owner": owner, "roles": roles, "scopes": scopes, "expires_in": expires_in })),
        ),
        Verb::List { config, owner } => {
            let query = owner.as_ref().map_or_else(String::new, |owner| {
                format!("?owner={}", percent_encoding::utf8_percent_encode(owner, percent_encoding::NON_ALPHANUMERIC))
            });
            (config, reqwest::Method::GET, format!("/v1/keys{query}"), None)
        }
        Verb::Show { config, id } => (config, reqwest::Method::GET, format!("/v1/keys/{id}"), None),
        Verb::Rotate { config, id, overlap, expires_in } => {
            let given = [("overlap", overlap), ("expires_in", expires_in)];
            let body = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
            (config, reqwest::Method::POST, format!("/v1/keys/{id}/rotate"), Some(Value::Object(body.collect())))
        }
        Verb::Patch { config, id, change, .. } => {
            (config, reqwest::Method::PATCH, format!("/v1/keys/{id}"), Some(change.clone()))
        }
        Verb::Revoke { config, id } => (config, reqwest::Method::DELETE, format!("/v1/keys/{id}"), None),
    };
    let client = match AdminClient::new(&config.config) {
        Ok(client) => client,
        Err(error) => return complain(&error),
    };
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    let unchanged = match &args.verb {
        Verb::Patch { if_match, .. } => if_match.as_deref(),
        _ => None,
    };
    match runtime.block_on(client.call_if(unchanged, method, &path, body.as_ref())) {
        Ok(value) => {
            print(&args.verb, &value, format);
            FINE
        }
        Err(error) => {
            eprintln!("{error}");
            FINDING
        }
    }
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("a change is a JSON object".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

/// The public part of a key, never the key itself: arguments are seen by every process of the machine.
fn key_id(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("an id is letters and digits, as `keys list` shows it".to_owned())
}

fn print(verb: &Verb, value: &Value, format: Format) {
    if format == Format::Json {
        println!("{value:#}");
        return;
    }
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    match verb {
        Verb::Create { .. } => {
            eprintln!("key {} made; this is the only time its secret is shown:", text(value, "id"));
            println!("{}", text(value, "secret"));
        }
        Verb::Rotate { overlap, .. } => {
            let before = overlap
                .as_ref()
                .map_or("the old one is dead".to_owned(), |span| format!("the old one holds for {span}"));
            eprintln!("key {} has a new secret, {before}; this is the only time it is shown:", text(value, "id"));
            println!("{}", text(value, "secret"));
        }
        Verb::List { .. } => {
            for key in value.get("items").and_then(Value::as_array).into_iter().flatten() {
                let state = text(key, "state");
                println!("{}  {:8}  {:20}  {}", text(key, "id"), state, text(key, "name"), text(key, "owner"));
            }
        }
        Verb::Patch { .. } | Verb::Show { .. } | Verb::Revoke { .. } => println!("{value:#}"),
    }
}
