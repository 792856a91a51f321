//! `policy test`: do the policies decide as their authors said they would?

use std::path::{Path, PathBuf};

use portcullis_core::authorize::{self, Outcome, Policies, Report, run_whole};
use portcullis_core::config::{ConfigError, Source as _, render};
use portcullis_core::snapshot;
use serde_json::json;

use super::{Done, compile, read, wrong};
use crate::cli::counted;
use crate::cli::{ConfigArg, FINDING, FINE, Format, WRONG, complain};
use crate::world::files::Disk;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// A folder of cases: lists in the format of `cedar run-tests`, or files that name their own policies, as Cedar's
    /// integration tests do. A folder that holds `*.cedar` files beside them, or above them, brings its policies along.
    /// Default: `tests` in the configuration's policy folder.
    folder: Option<PathBuf>,
    /// Fine even where no case touches a policy.
    #[arg(long)]
    allow_untouched: bool,
}

/// A folder may nest no deeper, and hold no more.
const DEEPEST: usize = 16;
const MOST: usize = 100_000;

pub(super) fn test(args: &Args, format: Format) -> Done {
    let (policies, folder) = match &args.folder {
        None => {
            let snapshot = compile(&args.config.config)?;
            (Some(snapshot.policies().clone()), snapshot.policy_folder().join("tests"))
        }
        Some(folder) => (None, folder.clone()),
    };
    let mut files = Vec::new();
    cases(&folder, DEEPEST, &mut files).map_err(|error| {
        let how = "make it, and write a case as docs/policies.md shows";
        complain(&format!("the folder of cases `{}` cannot be read: {error}; {how}", folder.display()))
    })?;
    files.sort();
    if files.is_empty() {
        return Err(complain(&format!(
            "no case in `{}`: write one as docs/policies.md shows, in a file that ends in `.json`",
            folder.display()
        )));
    }
    let mut lists = Vec::new();
    let mut report = Report { outcomes: Vec::new(), untouched: Vec::new() };
    for path in files {
        let source = authorize::Source { file: path.display().to_string(), text: read(&path)? };
        match run_whole(&source, &|named| beside(&path, named)) {
            None => lists.push(source),
            Some(Ok(whole)) => {
                report.outcomes.extend(whole.outcomes);
                report.untouched.extend(whole.untouched);
            }
            Some(Err(faults)) => return Err(faulty(&faults, &[source])),
        }
    }
    if !lists.is_empty() {
        let policies = match policies {
            Some(policies) => policies,
            None => own(&folder, args)?,
        };
        let ran = policies.run_cases(&lists).map_err(|faults| faulty(&faults, &lists))?;
        report.outcomes.extend(ran.outcomes);
        report.untouched.extend(ran.untouched);
    }
    Ok(tell(&report, args.allow_untouched, format))
}

/// The `*.json` files of a folder and of those below it. Data that cases name lies in files too, so that only what
/// looks like cases is taken.
fn cases(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth > 0 {
            cases(&path, depth - 1, found)?;
        } else if path.extension().is_some_and(|extension| extension == "json")
            && found.len() < MOST
            && holds_cases(&path)
        {
            found.push(path);
        }
    }
    Ok(())
}

/// A file of entities or of a schema is no file of cases; one that cannot be read as JSON is, so that somebody hears.
fn holds_cases(path: &Path) -> bool {
    let Ok(text) = std::fs::read(path) else { return true };
    match serde_json::from_slice::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Array(items)) => items.first().is_none_or(|first| first.get("uid").is_none()),
        Ok(serde_json::Value::Object(members)) => members.contains_key("requests") || members.contains_key("queries"),
        Ok(_) | Err(_) => true,
    }
}

/// A file that a case names: below the case's folder, or below one that holds it.
fn beside(case: &Path, named: &str) -> Option<String> {
    let whole = std::path::absolute(case).ok()?;
    let found = whole.ancestors().skip(1).map(|folder| folder.join(named)).find(|path| path.is_file())?;
    std::fs::read_to_string(found).ok()
}

/// The policies that lie with the cases, else those of the configuration.
fn own(folder: &Path, args: &Args) -> Result<Policies, u8> {
    let disk = Disk::default();
    let above = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [folder, above] {
        let schema = place.join("schema.cedarschema");
        if disk.read(&schema).is_ok() {
            return snapshot::policy_folder(place, &schema, &disk).map(|folder| folder.policies).map_err(|e| wrong(&e));
        }
    }
    compile(&args.config.config).map(|snapshot| snapshot.policies().clone())
}

fn faulty(faults: &[authorize::PolicyFault], sources: &[authorize::Source]) -> u8 {
    let error = |fault: &authorize::PolicyFault| {
        let text = sources.iter().find(|source| source.file == fault.file).map_or("", |source| &source.text);
        let span = fault.offset.map(|offset| offset..offset.saturating_add(fault.len));
        let mut error = ConfigError::in_text(Path::new(&fault.file), text, span, fault.message.clone());
        error.help.clone_from(&fault.help);
        error
    };
    eprint!("{}", render(&faults.iter().map(error).collect::<Vec<_>>()));
    WRONG
}

fn tell(report: &Report, allow_untouched: bool, format: Format) -> u8 {
    let failed: Vec<&Outcome> = report.outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).collect();
    let fine = failed.is_empty() && (allow_untouched || report.untouched.is_empty());
    match format {
        Format::Json => {
            let cases: Vec<_> = report
                .outcomes
                .iter()
                .map(|o| json!({ "file": o.file, "name": o.name, "passed": o.failures.is_empty(), "failures": o.failures }))
                .collect();
            say_line!(
                "{}",
                json!({ "ok": fine, "cases": cases, "untouched": report.untouched.iter().map(ToString::to_string).collect::<Vec<_>>() })
            );
        }
        Format::Text => {
            for outcome in &failed {
                say_line!("FAILED {}: {}", outcome.file, outcome.name);
                for failure in &outcome.failures {
                    say_line!("  {failure}");
                }
            }
            for id in &report.untouched {
                say_line!("untouched: no case is decided by `{id}`");
            }
            say_line!(
                "{}, {} failed, {} untouched",
                counted(report.outcomes.len(), "case", "cases"),
                failed.len(),
                counted(report.untouched.len(), "policy", "policies")
            );
        }
    }
    if fine { FINE } else { FINDING }
}
