//! `import FILE [--check]`: routes, schemas, actions and policies of an `OpenAPI` document, kept in step with it.

mod document;
mod project;

use std::collections::BTreeSet;
use std::path::PathBuf;

use portcullis_core::config::{Undeclared, render};
use portcullis_core::mode::Mode;
use portcullis_core::openapi::{Artefacts, Imported, Note, Responses, Wishes};
use portcullis_core::snapshot::{self, Snapshot};
use serde_json::json;

use super::{ConfigArg, FINDING, FINE, Format, WRONG};
use crate::world::files::Disk;

pub(super) use document::{name_of, read};
pub(super) use project::{Project, SCHEMA, Written};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The document: OpenAPI 3.0 or 3.1, in YAML or JSON.
    file: PathBuf,
    /// Write nothing; exit 1 if routes, policies or schemas are not in step with the document.
    #[arg(long)]
    check: bool,
    /// What files, action groups and roles are named after. Default: after the file, or the document's title.
    #[arg(long)]
    name: Option<String>,
    /// Which of `[upstreams]` answers. Default: the only one.
    #[arg(long)]
    upstream: Option<String>,
    /// Take the responses over too, so that answers are judged. Say it each time.
    #[arg(long, value_enum)]
    responses: Option<Answers>,
    /// With `--responses`: take out of answers what their schemas do not declare.
    #[arg(long, requires = "responses")]
    strip: bool,
}

/// What becomes of answers that do not fit.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Answers {
    /// 502 in their place.
    Enforce,
    /// They pass, and are recorded.
    Shadow,
}

impl Args {
    fn responses(&self) -> Option<Responses> {
        let undeclared = if self.strip { Undeclared::Strip } else { Undeclared::Keep };
        self.responses.map(|asked| match asked {
            Answers::Enforce => Responses { mode: Mode::Enforce, undeclared },
            Answers::Shadow => Responses { mode: Mode::Shadow, undeclared },
        })
    }
}

pub(super) fn import(args: &Args, format: Format) -> u8 {
    let (document, name) = match read(&args.file).and_then(|document| {
        let name = name_of(&args.file, &document, args.name.as_deref())?;
        Ok((document, name))
    }) {
        Ok(found) => found,
        Err(message) => return super::complain(&format!("{}: {message}", args.file.display())),
    };
    let project = match Project::of(&args.config.config) {
        Ok(project) => project,
        Err(message) => return super::complain(&message),
    };
    let wishes = match project.wishes(name, args.upstream.as_deref(), args.responses()) {
        Ok(wishes) => wishes,
        Err(message) => return super::complain(&message),
    };
    let imported = Imported::of(&document, &wishes);
    let artefacts = Artefacts::of(&imported, &wishes);
    if args.check {
        return check(&project, &imported, &artefacts, format);
    }
    let written = match project.write(&artefacts, &project.elsewhere(&artefacts)) {
        Ok(written) => written,
        Err(message) => return super::complain(&message),
    };
    let after = snapshot::compile(&args.config.config, &Disk::default());
    let mut findings: Vec<String> = imported.refused.iter().map(|note| told("no route", note)).collect();
    findings.extend(written.kept.iter().cloned());
    match &after {
        Ok(built) => findings.extend(missing(&built.snapshot, &artefacts)),
        Err(errors) => eprint!("{}", render(errors)),
    }
    report(&imported, &wishes, &written, &findings, format);
    match (after, findings.is_empty()) {
        (Err(_), _) => WRONG,
        (Ok(_), _) => FINE,
    }
}

fn told(what: &str, note: &Note) -> String {
    format!("{what}: `{}` (#{}): {}", note.operation, note.at, note.message)
}

/// The routes that the configuration does not include.
fn missing(snapshot: &Snapshot, artefacts: &Artefacts) -> Option<String> {
    let absent =
        artefacts.operations.iter().filter(|operation| snapshot.rules_named(&operation.name).is_none()).count();
    (absent > 0).then(|| {
        format!(
            "{absent} routes are not in the configuration: write `include = [\"routes/*.toml\"]` at the top of {}",
            snapshot.entry().display()
        )
    })
}

fn report(imported: &Imported, wishes: &Wishes, written: &Written, findings: &[String], format: Format) {
    match format {
        Format::Text => {
            for note in &imported.notes {
                say_line!("note: `{}` (#{}): {}", note.operation, note.at, note.message);
            }
            for finding in findings {
                say_line!("{finding}");
            }
            for path in &written.files {
                say_line!("wrote {path}");
            }
            say_line!(
                "{}: {} operations, {} routes, {} notes",
                wishes.name,
                imported.operations.len() + imported.refused.len(),
                imported.operations.len(),
                imported.notes.len()
            );
        }
        Format::Json => {
            let notes: Vec<_> = imported
                .notes
                .iter()
                .map(|note| json!({ "operation": note.operation, "at": note.at, "message": note.message }))
                .collect();
            say_line!(
                "{}",
                json!({ "name": wishes.name, "routes": imported.operations.len(), "notes": notes,
                    "findings": findings, "written": written.files })
            );
        }
    }
}

fn check(project: &Project, imported: &Imported, artefacts: &Artefacts, format: Format) -> u8 {
    let snapshot = match snapshot::compile(&project.entry, &Disk::default()) {
        Ok(built) => built.snapshot,
        Err(errors) => {
            eprint!("{}", render(&errors));
            return WRONG;
        }
    };
    let mut findings: Vec<String> = imported
        .refused
        .iter()
        .filter(|note| snapshot.rules_named(&note.operation).is_none())
        .map(|note| told("no route covers", note))
        .collect();
    for operation in &artefacts.operations {
        let about = format!("`{}` (#{})", operation.name, operation.at);
        match snapshot.rules_named(&operation.name) {
            None => findings.push(format!("no route covers {about}: {}", operation.pattern)),
            Some(rules) => {
                // What binds a route to its policies warns where none can permit it.
                findings.extend(
                    rules.authorize.warnings().iter().map(|warning| format!("no policy covers {about}: {warning}")),
                );
            }
        }
    }
    findings.extend(project.drift(artefacts, &project.elsewhere(artefacts)));
    let unique: BTreeSet<String> = findings.into_iter().collect();
    match format {
        Format::Text => {
            for finding in &unique {
                say_line!("{finding}");
            }
            if unique.is_empty() {
                say_line!("{}: {} operations, all in step", artefacts.name, artefacts.operations.len());
            }
        }
        Format::Json => say_line!("{}", json!({ "ok": unique.is_empty(), "findings": unique })),
    }
    if unique.is_empty() { FINE } else { FINDING }
}
