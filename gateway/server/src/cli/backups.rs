//! `backups`: copies of the store, made by the running gateway in its declared folder. `store backup` makes one anywhere,
//! and `store restore` puts one in place: those are for whoever may read the store itself.

use std::time::Duration;

use portcullis_core::moment::Moment;
use reqwest::Method;
use serde_json::{Value, json};

use super::admin_client::{AdminClient, Ask, Reach};
use super::records::done;
use super::{FINDING, FINE, Format, complain, say};

/// A large store takes a while to be copied and verified.
const PATIENCE: Duration = Duration::from_mins(30);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Copy the store, and verify the copy.
    Create {
        #[command(flatten)]
        reach: Reach,
        /// 1 to 64 of `a-z0-9-_.`; after the time when left out.
        #[arg(long)]
        name: Option<String>,
        /// Then remove the oldest beyond so many.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
        keep: Option<u32>,
    },
    /// Remove a copy.
    Delete {
        #[command(flatten)]
        reach: Reach,
        #[arg(value_parser = name)]
        name: String,
    },
    /// List the copies there are, newest first.
    List {
        #[command(flatten)]
        reach: Reach,
    },
}

fn name(text: &str) -> Result<String, String> {
    if crate::world::backups::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name is 1 to 64 of `a-z0-9-_.`, as `backups list` shows it".to_owned())
}

pub(super) fn backups(args: Args, format: Format) -> u8 {
    done(async move {
        let (reach, ask) = match &args.verb {
            Verb::Create { reach, name, keep } => {
                (reach, Ask::new(Method::POST, "/v1/backups", Some(json!({ "name": name, "keep": keep }))))
            }
            Verb::Delete { reach, name } => (reach, Ask::new(Method::DELETE, format!("/v1/backups/{name}"), None)),
            Verb::List { reach } => (reach, Ask::get("/v1/backups")),
        };
        let client = AdminClient::reach(reach)?;
        Ok(match client.call(&Ask { patience: PATIENCE, ..ask }).await {
            Ok(answer) => {
                print(&args.verb, &answer, format);
                FINE
            }
            // What the gateway refuses is a finding.
            Err(error) => {
                complain(&error);
                FINDING
            }
        })
    })
}

fn print(verb: &Verb, answer: &Value, format: Format) {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
    match (verb, format) {
        (Verb::Delete { .. }, _) => {}
        (Verb::Create { .. } | Verb::List { .. }, Format::Json) => say(&format!("{answer:#}\n")),
        (Verb::Create { .. }, Format::Text) => {
            let (name, bytes, audit) = (text(answer, "name"), number(answer, "bytes"), text(answer, "audit"));
            say(&format!("{name}  {bytes} bytes  audit log: {audit}\n"));
        }
        (Verb::List { .. }, Format::Text) => {
            for backup in answer.get("items").and_then(Value::as_array).into_iter().flatten() {
                let at = Moment::from_seconds(number(backup, "created_at")).rfc3339();
                say(&format!("{at}  {:>12}  {}\n", number(backup, "bytes"), text(backup, "name")));
            }
        }
    }
}
