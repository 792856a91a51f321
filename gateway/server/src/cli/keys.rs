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
    match runtime.block_on(client.call(method, &path, body.as_ref())) {
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
        Verb::List { .. } => {
            for key in value.get("items").and_then(Value::as_array).into_iter().flatten() {
                let state = text(key, "state");
                println!("{}  {:8}  {:20}  {}", text(key, "id"), state, text(key, "name"), text(key, "owner"));
            }
        }
        Verb::Show { .. } | Verb::Revoke { .. } => println!("{value:#}"),
    }
}
