//! `store`, `admin`: what is done on the store itself, by whoever may read the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::config::{Secret, StoreConfig, doorway};
use portcullis_core::ports::Clock;
use serde_json::json;

use super::{ConfigArg, FINDING, FINE, Format, complain, runtime};
use crate::admin::key_file;
use crate::world::clock::SystemClock;
use crate::world::files::Disk;
use crate::world::store::{AuditVerdict, Store, Stored, audit, migrate};
use crate::world::{self, sqlite};

#[derive(Debug, clap::Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    verb: StoreVerb,
}

#[derive(Debug, clap::Subcommand)]
enum StoreVerb {
    /// Write all of the store into one new file, while gateways go on.
    Backup {
        /// The file to be made.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Move everything into an empty store, and verify it. Stop the gateways before.
    Migrate {
        /// `sqlite:PATH`, `redis://…` or `rediss://…`, a password as `${NAME}`, a variable; as in the configuration when
        /// left out.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// `sqlite:PATH`, `redis://…` or `rediss://…`, a password as `${NAME}`, a variable; as in the configuration when
        /// left out.
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Put a backup in the place of an empty store, and verify it. Stop the gateways before.
    Restore {
        /// The backup.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct AdminArgs {
    #[command(subcommand)]
    verb: AdminVerb,
}

#[derive(Debug, clap::Subcommand)]
enum AdminVerb {
    /// Make a new admin key; the old one is worth nothing from then on.
    ResetKey {
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) fn store(args: StoreArgs, format: Format) -> u8 {
    done(async move {
        let (from, to, named) = match args.verb {
            StoreVerb::Backup { file, config } => {
                if file.exists() {
                    return Err(format!("`{}` is there already: name a new file", file.display()));
                }
                let place = Place::configured(&config)?;
                if let Some(kept) = place.config.file() {
                    let kept = place.root.join(kept);
                    refuse_a_missing_file(&kept)?;
                    sqlite::backup(&kept, &file).map_err(|error| error.to_string())?;
                    // What was written is looked at, and nothing of it is kept beside.
                    let copy = Place::file(&file)?;
                    let verdict = audit::verify(&*copy.open().await?).await.map_err(|error| error.to_string())?;
                    return Ok(told(verdict, format));
                }
                (place, Place::file(&file)?, file.display().to_string())
            }
            StoreVerb::Restore { file, config } => {
                (Place::file(&file)?, Place::configured(&config)?, "the store".to_owned())
            }
            StoreVerb::Migrate { from, to, config } => {
                if from.is_none() && to.is_none() {
                    return Err("write `--from URL`, `--to URL`, or both".to_owned());
                }
                let place =
                    |url: Option<String>| url.map_or_else(|| Place::configured(&config), |url| Place::named(&url));
                (place(from)?, place(to)?, "the new store".to_owned())
            }
        };
        if let Some(kept) = from.config.file() {
            refuse_a_missing_file(&from.root.join(kept))?;
        }
        let (from, to) = (from.open().await?, to.open().await?);
        let moved = migrate(&*from, &*to).await.map_err(|error| error.to_string())?;
        to.close().await;
        let (records, rows, head) = (moved.records, moved.audit.seq, STANDARD.encode(moved.audit.hash));
        match format {
            Format::Text => say_line!("{named} holds {records} records and {rows} rows of the audit log, head {head}"),
            Format::Json => say_line!(
                "{}",
                json!({ "records": records, "sha256": STANDARD.encode(moved.hash), "audit_rows": rows, "audit_head": head })
            ),
        }
        Ok(FINE)
    })
}

pub(super) fn admin(args: AdminArgs) -> u8 {
    done(async move {
        let AdminVerb::ResetKey { config } = args.verb;
        let place = Place::there(&config)?;
        let stored = Stored::open(place.open().await?).await.map_err(|error| error.to_string())?;
        let now = SystemClock::start().now().wall;
        let file = key_file::reset(&stored.admin_key, &place.config.folder(&place.root), now).await?;
        say_line!("{}", file.display());
        Ok(FINE)
    })
}

pub(super) fn done(work: impl Future<Output = Result<u8, String>>) -> u8 {
    let done = runtime(1).and_then(|runtime| runtime.block_on(work));
    done.unwrap_or_else(|error| complain(&error))
}

/// A URL with its variables. Arguments are seen by every process of the machine, and kept by shells: a password never
/// stands in one.
fn resolved(url: &str) -> Result<String, String> {
    let credentials =
        url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(credentials, _)| credentials);
    let password = credentials.and_then(|text| text.split_once(':')).map(|(_, password)| password);
    if password.is_some_and(|password| !(password.starts_with("${") && password.ends_with('}'))) {
        let told = "a password on the command line is seen by others: write `${NAME}` in its place, in single quotes, and \
                    set that variable, or name this store in the configuration and leave the argument out";
        return Err(told.to_owned());
    }
    let (mut whole, mut rest) = (String::new(), url);
    while let Some((before, name, after)) = rest.split_once("${").and_then(|(before, after)| {
        let (name, after) = after.split_once('}')?;
        Some((before, name, after))
    }) {
        let value = std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?;
        whole.push_str(before);
        whole.push_str(&value);
        rest = after;
    }
    Ok(whole + rest)
}

/// A store, and where its relative paths begin.
pub(super) struct Place {
    config: StoreConfig,
    root: PathBuf,
}

impl Place {
    fn configured(config: &ConfigArg) -> Result<Self, String> {
        let read = doorway(&config.config, &Disk::default());
        if !read.errors.is_empty() {
            return Err(portcullis_core::config::render(&read.errors).trim_end().to_owned());
        }
        Ok(Self { config: read.store, root: read.root })
    }

    /// As [`Self::configured`], and nothing is made where nothing is.
    pub(super) fn there(config: &ConfigArg) -> Result<Self, String> {
        let place = Self::configured(config)?;
        if let Some(file) = place.config.file() {
            refuse_a_missing_file(&place.root.join(file))?;
        }
        Ok(place)
    }

    fn named(url: &str) -> Result<Self, String> {
        let known =
            ["sqlite:", "redis://", "rediss://", "valkey://", "valkeys://"].iter().any(|known| url.starts_with(known));
        if !known {
            return Err("this names no known store: write `sqlite:PATH`, `redis://…` or `rediss://…`".to_owned());
        }
        let url = &resolved(url)?;
        let root = std::env::current_dir().map_err(|error| error.to_string())?;
        Ok(Self { config: StoreConfig { url: Secret::new(url), ..StoreConfig::default() }, root })
    }

    fn file(file: &Path) -> Result<Self, String> {
        Self::named(&format!("sqlite:{}", file.display()))
    }

    pub(super) async fn open(&self) -> Result<Arc<dyn Store>, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        world::open(&self.config, &self.root, &clock).await
    }
}

fn refuse_a_missing_file(file: &Path) -> Result<(), String> {
    if file.is_file() { Ok(()) } else { Err(format!("there is no store at `{}`", file.display())) }
}

pub(super) fn told(verdict: AuditVerdict, format: Format) -> u8 {
    let (code, value, text) = match verdict {
        AuditVerdict::Whole { rows, head } => {
            let head = STANDARD.encode(head);
            let text = format!("the audit log is whole: {rows} rows, head {head}");
            (FINE, json!({ "ok": true, "rows": rows, "head": head }), text)
        }
        AuditVerdict::Broken { seq } => {
            let text = format!("row {seq} of the audit log does not follow from the rows before it");
            (FINDING, json!({ "ok": false, "broken_at": seq }), text)
        }
        AuditVerdict::Cut { seq } => {
            let text = format!("the audit log was cut off: row {seq} and those after it are missing");
            (FINDING, json!({ "ok": false, "missing_from": seq }), text)
        }
    };
    match format {
        Format::Text => say_line!("{text}"),
        Format::Json => say_line!("{value}"),
    }
    code
}
