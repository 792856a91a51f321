//! `audit`: who changed what, through the admin API; and whether the log of it is whole, on the store itself.

use std::io::Write as _;

use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock as _;
use portcullis_core::units::Span;
use serde_json::Value;

use super::admin_client::{AdminClient, Reach};
use super::records::{Place, done, told};
use super::{ConfigArg, FINDING, FINE, Format, complain};
use crate::world::clock::SystemClock;
use crate::world::store::{ShownRow, audit as log};

/// Rows read at a time.
const ROWS: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the whole log as JSON lines, oldest first.
    Export {
        #[command(flatten)]
        reach: Reach,
        /// Only the rows after this number: what is new since an export that ended with it.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: i64,
        /// Read the store itself, where no gateway runs.
        #[arg(long)]
        local: bool,
    },
    /// Show who changed what, newest first.
    List {
        #[command(flatten)]
        reach: Reach,
        /// Only what this one did, as the log names them: `admin`, `User::"company|ann"`.
        #[arg(long)]
        actor: Option<String>,
        /// Only this, as in `key.create`; with a dot at the end, whatever begins so: `key.`.
        #[arg(long)]
        action: Option<String>,
        /// Only changes of this, such as the id of a key.
        #[arg(long)]
        subject: Option<String>,
        /// Only what was done since: `24h`, or seconds since the epoch.
        #[arg(long, value_name = "SPAN|SECONDS", value_parser = since)]
        since: Option<i64>,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Exit 1 and name the first row that was changed, dropped, moved or cut off.
    Verify {
        #[command(flatten)]
        config: ConfigArg,
    },
}

fn since(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let span: Span = text.parse()?;
    Ok(SystemClock::start().now().wall.minus(span.0).seconds())
}

pub(super) fn audit(args: Args, format: Format) -> u8 {
    done(async move {
        match args.verb {
            Verb::Export { reach, after, local: true } => export(&reach.config, after).await,
            Verb::Export { reach, after, local: false } => {
                let client = AdminClient::reach(&reach)?;
                let path = format!("/v1/audit/export?after={after}");
                Ok(answered(client.lines(&path, |bytes| std::io::stdout().write_all(bytes)).await))
            }
            Verb::List { reach, actor, action, subject, since, limit } => {
                let client = AdminClient::reach(&reach)?;
                let since = since.map(|since| since.to_string());
                let pairs = [("actor", actor), ("action", action), ("subject", subject), ("since", since)];
                let path = format!("/v1/audit{}", query(&pairs));
                let rows = client.list_first(&path, usize::try_from(limit).unwrap_or(usize::MAX)).await;
                Ok(answered(rows.map(|rows| print(&rows, format))))
            }
            Verb::Verify { config } => {
                let store = Place::there(&config)?.open().await?;
                Ok(told(log::verify(&*store).await.map_err(|error| error.to_string())?, format))
            }
        }
    })
}

/// What the gateway refuses is a finding.
fn answered(answer: Result<(), String>) -> u8 {
    match answer {
        Ok(()) => FINE,
        Err(error) => {
            complain(&error);
            FINDING
        }
    }
}

/// Of those that were given.
fn query(pairs: &[(&str, Option<String>)]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    given.enumerate().fold(String::new(), |query, (number, (name, value))| {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        format!("{query}{}{name}={value}", if number == 0 { '?' } else { '&' })
    })
}

async fn export(config: &ConfigArg, after: i64) -> Result<u8, String> {
    let store = Place::there(config)?.open().await?;
    let mut last = after.max(0);
    loop {
        let rows = store.audit(last, ROWS).await.map_err(|error| error.to_string())?;
        let Some(end) = rows.last() else { return Ok(FINE) };
        last = end.seq;
        let mut out = std::io::stdout().lock();
        for row in &rows {
            // Whoever stopped listening (`| head`) has heard enough.
            if out.write_all(ShownRow::from(row).line().as_bytes()).is_err() {
                return Ok(FINE);
            }
        }
    }
}

fn print(rows: &Value, format: Format) {
    if format == Format::Json {
        super::say(&format!("{rows:#}\n"));
        return;
    }
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
    for row in rows.get("items").and_then(Value::as_array).into_iter().flatten() {
        let at = Moment::from_seconds(number(row, "at")).rfc3339();
        let (seq, actor, action) = (number(row, "seq"), text(row, "actor"), text(row, "action"));
        super::say(&format!("{seq:>6}  {at}  {action:18}  {actor:24}  {}\n", text(row, "subject")));
    }
}
