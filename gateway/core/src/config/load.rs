//! How does text become a configuration? All of it at once, or every reason why not.
//!
//! Read, parse, walk the keys against the JSON Schema, put variables in, include, give types, check across. Each step
//! goes on with what the one before could make sense of, so that one run reports everything.

mod cross;
mod de;
mod depth;
mod draft;
mod files;
mod findings;
mod gather;
mod include;
mod interpolate;
mod kept;
mod keys;
mod machine;
mod spans;
mod text;
mod tree;
mod typed;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Location, ReadFile, ServerConfig, Source, StoreConfig, TlsConfig};

use draft::Draft;
use findings::Findings;
pub use gather::{Gathered, gather};
pub(super) use keys::nearest;
pub use machine::{Machine, Terms};
pub use spans::PathPart;
use spans::Spans;

use files::Desk;

/// A checked configuration, and where each part of it stands.
pub struct Loaded {
    pub config: Config,
    /// Every file that was read, with its hash: the main file first.
    pub files: Vec<ReadFile>,
    /// What relative paths are relative to, except `include` and `body_schema`: the parent of the main file's folder
    /// when that is called `config`, else that folder itself. Empty means the working directory.
    pub root: PathBuf,
    /// The folder of the main file, which `include` and `body_schema` are relative to.
    pub folder: PathBuf,
    /// The bytes behind each `body_schema`, by the path as written.
    pub body_schemas: BTreeMap<PathBuf, Vec<u8>>,
    spans: Spans,
}

/// Reads the configuration whose main file is `entry`. Errors are sorted by file and line; at most 100 are reported.
pub fn load(entry: &Path, source: &dyn Source) -> Result<Loaded, Vec<ConfigError>> {
    load_under(entry, source, Terms::Own)
}

/// As [`load`], on these terms.
pub fn load_under(entry: &Path, source: &dyn Source, terms: Terms<'_>) -> Result<Loaded, Vec<ConfigError>> {
    let mut desk = Desk::open(entry, source, terms)?;
    include::read_all(&mut desk);
    let mut draft = Draft::make(&mut desk);
    machine::keep(&mut draft, &mut desk);
    let body_schemas = desk.read_body_schemas(&draft);
    let Desk { files: read, root, folder, spans, mut findings, .. } = desk;
    cross::check(&draft, &spans, &mut findings);
    let errors = findings.into_errors(&spans);
    match draft.finish() {
        Some(config) if errors.is_empty() => Ok(Loaded { config, files: read, root, folder, body_schemas, spans }),
        // INVARIANT: a part is missing only where a fault was found; if ever not, the operator hears of it all the same.
        None if errors.is_empty() => Err(vec![ConfigError::of_file(entry, "the configuration is not whole")]),
        _ => Err(errors),
    }
}

/// What is needed to find a gateway that runs, however wrong the rest of its files is by now.
#[derive(Debug)]
pub struct Doorway {
    pub server: ServerConfig,
    pub tls: TlsConfig,
    pub store: StoreConfig,
    /// As [`Loaded::root`].
    pub root: PathBuf,
    /// What is wrong with the files; empty when nothing is.
    pub errors: Vec<ConfigError>,
}

/// Reads of the configuration what says where its gateway is, around faults of syntax too. A section that cannot be read
/// counts as not written.
pub fn doorway(entry: &Path, source: &dyn Source) -> Doorway {
    let (draft, root, errors) = match Desk::open_torn(entry, source) {
        Ok(mut desk) => {
            let torn = desk.torn.then(|| std::mem::take(&mut desk.findings));
            include::read_all(&mut desk);
            let draft = Draft::make(&mut desk);
            let Desk { root, spans, mut findings, .. } = desk;
            cross::check(&draft, &spans, &mut findings);
            (Some(draft), root, torn.unwrap_or(findings).into_errors(&spans))
        }
        Err(errors) => (None, files::root_of(entry), errors),
    };
    let (server, tls, store) = draft.map_or((None, None, None), |draft| (draft.server, draft.tls, draft.store));
    Doorway {
        server: server.unwrap_or_default(),
        tls: tls.unwrap_or_default(),
        store: store.unwrap_or_default(),
        root,
        errors,
    }
}

impl Loaded {
    /// Where a part of the configuration stands: `[routes, 3, resource]`. The nearest part above it when it is not
    /// written itself.
    pub fn locate(&self, path: &[PathPart<'_>]) -> Location {
        self.error(path, "", None).location()
    }

    /// A fault found later, at its place. Values of variables are taken out of the texts.
    pub fn error(&self, path: &[PathPart<'_>], message: impl Into<String>, help: Option<String>) -> ConfigError {
        let (file, span) = self.spans.find(path);
        self.spans.error(file, Some(span), message.into(), help)
    }

    /// The texts of the main file and those it includes, by their paths, without the secrets that stand there in clear:
    /// each is replaced by `${own:KEY}`.
    pub fn texts(&self) -> impl Iterator<Item = (&Path, String)> {
        self.spans.files.iter().map(|file| (file.path.as_path(), file.kept()))
    }

    /// What of it belongs to the machine whose files these are.
    pub fn machine(&self) -> Machine {
        Machine::of(&self.config, &self.root, self.spans.files.iter().flat_map(text::TextFile::secrets).collect())
    }

    /// A path as this configuration means it, where it is relative to the root.
    pub fn from_root(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    /// A path as this configuration means it, where it is relative to the main file's folder.
    pub fn from_folder(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

impl fmt::Debug for Loaded {
    /// Without the texts: they hold resolved variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("config", &self.config).field("files", &self.files).finish_non_exhaustive()
    }
}
