//! Which files does somebody mean who names a main file? For whoever sends them elsewhere: variables need not be set here.

use std::path::{Path, PathBuf};

use super::files::Desk;
use super::text::TextFile;
use super::{Draft, Terms, include};
use crate::config::{ConfigError, FilePart, PoliciesConfig, Source};

/// What was found of a configuration, as far as it could be read.
#[derive(Debug)]
pub struct Gathered {
    pub root: PathBuf,
    /// The main file and those it includes, without secrets that stand there in clear.
    pub texts: Vec<(PathBuf, String)>,
    /// Schemas and tables of attributes.
    pub others: Vec<PathBuf>,
    pub policies: PoliciesConfig,
    /// Keys of the secrets that stand there in clear.
    pub clear: Vec<String>,
}

/// Reads what the configuration at `entry` is made of. What is wrong with it is for whoever compiles it to say, except for
/// syntax.
pub fn gather(entry: &Path, source: &dyn Source) -> Result<Gathered, Vec<ConfigError>> {
    let mut desk = Desk::open(entry, source, Terms::Own)?;
    include::read_all(&mut desk);
    if desk.torn {
        return Err(desk.findings.into_errors(&desk.spans));
    }
    let draft = Draft::make(&mut desk);
    desk.read_body_schemas(&draft);
    let texts: Vec<_> = desk.spans.files.iter().map(|file| (file.path.clone(), file.kept())).collect();
    let tables = draft.routes.iter().flatten().filter_map(|route| route.resource_attributes.as_ref()?.file.as_ref());
    let ladders = draft.hierarchy.values().flatten().filter_map(|kind| kind.file.as_ref());
    let mut others: Vec<PathBuf> = tables.chain(ladders).map(|path| desk.root.join(path)).collect();
    let read = desk.files.iter().filter(|file| file.part == FilePart::Text).map(|file| file.path.clone());
    others.extend(read.filter(|path| !texts.iter().any(|(known, _)| known == path)));
    others.sort();
    others.dedup();
    let clear = desk.spans.files.iter().flat_map(TextFile::in_clear).map(|(key, _)| key).collect();
    Ok(Gathered { root: desk.root, texts, others, policies: draft.policies.unwrap_or_default(), clear })
}
