//! `config`: the configurations that were applied, as the store of the running gateway keeps them; and others in their place.

mod change;

use portcullis_core::moment::Moment;
use serde_json::Value;

use super::admin_client::{AdminClient, Ask, Reach};
use super::records::done;
use super::{FINDING, FINE, Format, complain, say};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Send the files of the configuration to the gateway, which puts them in force on every replica
    /// (`control.source = "store"`).
    Apply {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        how: change::How,
        /// The main file to be sent, where it is not the one that says where the gateway is.
        file: Option<std::path::PathBuf>,
        /// What it is for.
        #[arg(long)]
        note: Option<String>,
    },
    /// What one revision changed; or the differences between two.
    Diff {
        #[command(flatten)]
        reach: Reach,
        /// A revision, by its number; the newest when left out.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        revision: Option<u64>,
        /// Another, which the first is compared with instead of the one before it.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        other: Option<u64>,
    },
    /// The configurations that were applied, newest first.
    History {
        #[command(flatten)]
        reach: Reach,
        /// How many at most.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// The gateways on the same store, and which revision each does; ends with 1 where they do not do the same.
    Replicas {
        #[command(flatten)]
        reach: Reach,
    },
    /// Put an older revision in force again; where files decide, until they change.
    Rollback {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        how: change::How,
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        revision: u64,
    },
}

pub(super) fn config(args: Args, format: Format) -> u8 {
    done(async move {
        let reach = match &args.verb {
            Verb::Apply { reach, .. }
            | Verb::Diff { reach, .. }
            | Verb::History { reach, .. }
            | Verb::Replicas { reach }
            | Verb::Rollback { reach, .. } => reach,
        };
        let change = match &args.verb {
            Verb::Apply { reach, how, file, note } => {
                let file = file.as_ref().unwrap_or(&reach.config.config);
                Some((change::apply(file, how, note.as_deref())?, how))
            }
            Verb::Rollback { how, revision, .. } => Some((change::roll_back(*revision, how), how)),
            Verb::Diff { .. } | Verb::History { .. } | Verb::Replicas { .. } => None,
        };
        let client = AdminClient::reach(reach)?;
        if let Some((ask, how)) = change {
            return Ok(change::run(&client, &ask, how, format).await);
        }
        let answer = match &args.verb {
            Verb::Diff { revision, other, .. } => diff(&client, *revision, *other).await,
            Verb::History { limit, .. } => {
                let most = usize::try_from(*limit).unwrap_or(usize::MAX);
                client.list_first("/v1/config/revisions", most).await
            }
            Verb::Replicas { .. } => client.call(&Ask::get("/v1/replicas")).await,
            Verb::Apply { .. } | Verb::Rollback { .. } => return Ok(FINE),
        };
        Ok(match answer {
            Ok(answer) => {
                print(&args.verb, &answer, format);
                if answer.get("agree") == Some(&Value::Bool(false)) { FINDING } else { FINE }
            }
            // What the gateway refuses is a finding.
            Err(error) => {
                complain(&error);
                FINDING
            }
        })
    })
}

/// From the second named to the first; from the one before it where none is.
async fn diff(client: &AdminClient, revision: Option<u64>, other: Option<u64>) -> Result<Value, String> {
    let number = if let Some(number) = revision {
        number
    } else {
        let newest = client.list_first("/v1/config/revisions", 1).await?;
        newest.pointer("/items/0/number").and_then(Value::as_u64).ok_or("there is no revision yet")?
    };
    let against = other.map_or_else(String::new, |other| format!("?against={other}"));
    client.call(&Ask::get(&format!("/v1/config/revisions/{number}/diff{against}"))).await
}

fn print(verb: &Verb, answer: &Value, format: Format) {
    if format == Format::Json {
        say(&format!("{answer:#}\n"));
        return;
    }
    match verb {
        Verb::Diff { .. } => members(answer, "files").for_each(lines),
        Verb::History { .. } => members(answer, "items").for_each(|revision| say(&line(revision))),
        Verb::Replicas { .. } => members(answer, "items").for_each(|replica| say(&who(replica))),
        Verb::Apply { .. } | Verb::Rollback { .. } => {}
    }
}

fn who(replica: &Value) -> String {
    let number = |name: &str| replica.get(name).and_then(Value::as_i64);
    let at = |name: &str| Moment::from_seconds(number(name).unwrap_or_default()).rfc3339();
    let mark = if replica.get("this") == Some(&Value::Bool(true)) { '*' } else { ' ' };
    let hash: String = text(replica, "hash").chars().take(12).collect();
    let revision = number("revision").map_or_else(|| "-".to_owned(), |number| number.to_string());
    let faults = match number("pending_errors") {
        None | Some(0) => String::new(),
        Some(faults) => format!("  {faults} faults of what should be in force"),
    };
    let (host, id, state) = (text(replica, "host"), text(replica, "id"), text(replica, "state"));
    format!(
        "{mark} {revision:>5}  {hash}  {state:7}  {id}  {host}  {}  since {}, seen {}{faults}\n",
        text(replica, "version"),
        at("started_at"),
        at("seen_at")
    )
}

/// A file that is another, line by line.
fn lines(file: &Value) {
    match file.get("diff").and_then(Value::as_str) {
        Some(lines) => say(lines),
        None => say(&format!("{} {}: too much to be shown\n", text(file, "change"), text(file, "path"))),
    }
}

fn line(revision: &Value) -> String {
    let number = |name: &str| revision.get(name).and_then(Value::as_i64).unwrap_or_default();
    let at = Moment::from_seconds(number("created_at")).rfc3339();
    let mark = if revision.get("in_force") == Some(&Value::Bool(true)) { '*' } else { ' ' };
    let hash: String = text(revision, "hash").chars().take(12).collect();
    let signs = members(revision, "changes").map(|file| {
        let sign = match text(file, "change") {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        format!("  {sign}{}", text(file, "path"))
    });
    let note = match text(revision, "note") {
        "" | "-" => String::new(),
        note => format!("  {note}"),
    };
    let (author, signs) = (text(revision, "author"), signs.collect::<String>());
    format!("{mark} {:>5}  {at}  {hash}  {author}{note}{signs}\n", number("number"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

fn members<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}
