//! `policy …`: rules that people can trust. Checked, tried, explained, and seen as a whole.

mod check;
mod diff;
mod explain;
mod fmt;
mod matrix;
mod test;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_core::config::{ConfigError, FileFault, Source, render};
use portcullis_core::snapshot::{self, Snapshot};
use serde_json::Value;

use super::admin_client::{AdminClient, Ask, Reach};
use super::{ConfigArg, FINE, Format, WRONG, complain, runtime, say};
use crate::world::files::Disk;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Parse policies and schema, and validate strictly; everything wrong at once.
    Check(check::Args),
    /// Run the cases of a folder; name policies that no case touches.
    Test(test::Args),
    /// Say what every policy makes of one request, condition by condition.
    Explain(Box<explain::Args>),
    /// The policies that the running gateway enforces.
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// Who may do what: every role against every route, in Markdown.
    Matrix(matrix::Args),
    /// What changes in the matrix between two configurations; exit 1 if access widens.
    Diff(diff::Args),
    /// Print the Cedar schema that the routes ask for.
    Schema {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Write policy files as Cedar's formatter does.
    Fmt(fmt::Args),
}

pub(super) fn policy(args: &Args, format: Format) -> u8 {
    let done = match &args.verb {
        Verb::Check(args) => check::check(args, format),
        Verb::Test(args) => test::test(args, format),
        Verb::Explain(args) => explain::explain(args, format),
        Verb::List { reach } => list(reach, format),
        Verb::Matrix(args) => matrix::matrix(args, format),
        Verb::Diff(args) => diff::diff(args, format),
        Verb::Schema { config } => compile(&config.config).map(|snapshot| {
            say(&snapshot.derived_schema());
            FINE
        }),
        Verb::Fmt(args) => fmt::fmt(args),
    };
    done.unwrap_or_else(|wrong| wrong)
}

/// What goes wrong has been told; the code to exit with.
type Done = Result<u8, u8>;

fn list(reach: &Reach, format: Format) -> Done {
    let asked = AdminClient::reach(reach)
        .and_then(|client| runtime(1)?.block_on(client.call(&Ask::get("/v1/policies"))))
        .map_err(|error| complain(&error))?;
    if format == Format::Json {
        say(&format!("{asked:#}\n"));
        return Ok(FINE);
    }
    let text = |policy: &Value, name: &str| policy.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    for policy in asked.get("items").and_then(Value::as_array).into_iter().flatten() {
        let (effect, id, file) = (text(policy, "effect"), text(policy, "id"), text(policy, "file"));
        say(format!("{effect:6}  {id}  {file}  {}", text(policy, "reason")).trim_end());
        say("\n");
    }
    Ok(FINE)
}

/// The configuration's snapshot; what is wrong with it has been told.
fn compile(config: &Path) -> Result<Arc<Snapshot>, u8> {
    compile_from(config, &Disk::default())
}

fn compile_from(config: &Path, source: &dyn Source) -> Result<Arc<Snapshot>, u8> {
    snapshot::compile(config, source).map(|built| built.snapshot).map_err(|errors| wrong(&errors))
}

fn wrong(errors: &[ConfigError]) -> u8 {
    eprint!("{}", render(errors));
    WRONG
}

fn read(path: &Path) -> Result<String, u8> {
    std::fs::read_to_string(path).map_err(|error| complain(&format!("{}: cannot be read: {error}", path.display())))
}

/// The disk, with one folder in another's place.
struct Instead<'a> {
    disk: Disk,
    of: PathBuf,
    stands: &'a Path,
}

impl Instead<'_> {
    fn place(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.of).map_or_else(|_| path.to_owned(), |below| self.stands.join(below))
    }
}

impl Source for Instead<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        self.disk.read(&self.place(path))
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        let files = self.disk.list(&self.place(folder))?;
        Ok(files.into_iter().filter_map(|file| Some(folder.join(file.file_name()?))).collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.disk.variable(name)
    }
}
