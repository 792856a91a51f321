//! `sessions`: who is logged in, through the admin API.

use serde_json::{Value, json};

use super::admin_client::{AdminClient, Ask, Reach};
use super::{FINDING, FINE, Format, complain, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List who is logged in.
    List {
        #[command(flatten)]
        reach: Reach,
        /// Only this person's: `<alias>|<sub>`, as policies name them.
        #[arg(long)]
        user: Option<String>,
    },
    /// End sessions, at once.
    Revoke {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        which: Which,
        /// Only those that were begun before: seconds since the epoch.
        #[arg(long, conflicts_with = "id")]
        before: Option<i64>,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The session, as `sessions list` shows it.
    #[arg(value_parser = session_id)]
    id: Option<String>,
    /// All of this person's: `<alias>|<sub>`.
    #[arg(long)]
    user: Option<String>,
    /// Everybody's.
    #[arg(long)]
    all: bool,
}

pub(super) fn sessions(args: Args, format: Format) -> u8 {
    let (reach, method, path, body) = match &args.verb {
        Verb::List { reach, user } => {
            let query = user.as_ref().map_or_else(String::new, |user| {
                format!("?user={}", percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC))
            });
            (reach, reqwest::Method::GET, format!("/v1/sessions{query}"), None)
        }
        Verb::Revoke { reach, which: Which { id: Some(id), .. }, .. } => {
            (reach, reqwest::Method::DELETE, format!("/v1/sessions/{id}"), None)
        }
        Verb::Revoke { reach, which, before } => {
            let body = match &which.user {
                Some(user) => json!({ "user": user, "before": before }),
                None => json!({ "all": true, "before": before }),
            };
            (reach, reqwest::Method::POST, "/v1/sessions/revoke".to_owned(), Some(body))
        }
    };
    let client = match AdminClient::reach(reach) {
        Ok(client) => client,
        Err(error) => return complain(&error),
    };
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    let answer = match &args.verb {
        Verb::List { .. } => runtime.block_on(client.list(&path)),
        Verb::Revoke { .. } => runtime.block_on(client.call(&Ask::new(method, path, body))),
    };
    match answer {
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

fn session_id(text: &str) -> Result<String, String> {
    if text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Ok(text.to_owned());
    }
    Err("an id is 43 letters, digits, `-` and `_`, as `sessions list` shows it".to_owned())
}

fn print(verb: &Verb, value: &Value, format: Format) {
    if format == Format::Json {
        say_line!("{value:#}");
        return;
    }
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    match verb {
        Verb::List { .. } => {
            for session in value.get("items").and_then(Value::as_array).into_iter().flatten() {
                let (id, user) = (text(session, "id"), text(session, "user"));
                say_line!("{id}  {user:32}  {:15}  {}", text(session, "address"), text(session, "agent"));
            }
        }
        Verb::Revoke { which: Which { id: Some(_), .. }, .. } => say_line!("ended: 1"),
        Verb::Revoke { .. } => say_line!("ended: {}", value.get("ended").and_then(Value::as_u64).unwrap_or(0)),
    }
}
