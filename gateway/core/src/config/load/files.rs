//! What is on the desk? The files read so far, and everything found in them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::interpolate::{self, Wanted};
use super::keys::{self, Part};
use super::text::{TextFile, Veil};
use super::tree::{self, Node};
use super::{Draft, Findings, Spans, Terms, depth};
use crate::config::{ConfigError, ContentHash, FileFault, FilePart, PathPart, ReadFile, Source};

/// Largest file of the configuration, or behind a `body_schema`, in bytes.
const LARGEST: usize = 1 << 20;

/// What becomes of the rest of a file whose syntax is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Torn {
    Dropped,
    Kept,
}

/// Everything one run of the loader works on.
pub(super) struct Desk<'s> {
    pub(super) source: &'s dyn Source,
    pub(super) terms: Terms<'s>,
    pub(super) root: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) files: Vec<ReadFile>,
    pub(super) spans: Spans,
    pub(super) findings: Findings,
    /// A file could not be read or parsed: what it would have defined is not known.
    pub(super) torn: bool,
    rest: Torn,
}

impl<'s> Desk<'s> {
    /// Reads the main file; its syntax must be right before anything else can be said.
    pub(super) fn open(entry: &Path, source: &'s dyn Source, terms: Terms<'s>) -> Result<Self, Vec<ConfigError>> {
        let desk = Self::begin(entry, source, terms, Torn::Dropped)?;
        if desk.torn { Err(desk.findings.into_errors(&desk.spans)) } else { Ok(desk) }
    }

    /// As [`Self::open`], with what can be read around faults of syntax.
    pub(super) fn open_torn(entry: &Path, source: &'s dyn Source) -> Result<Self, Vec<ConfigError>> {
        Self::begin(entry, source, Terms::Own, Torn::Kept)
    }

    fn begin(entry: &Path, source: &'s dyn Source, terms: Terms<'s>, rest: Torn) -> Result<Self, Vec<ConfigError>> {
        let folder = entry.parent().unwrap_or(Path::new("")).to_owned();
        let root = root_of(entry);
        let (spans, findings) = (Spans::default(), Findings::default());
        let mut desk = Self { source, terms, root, folder, files: Vec::new(), spans, findings, torn: false, rest };
        if let Err(fault) = desk.add(entry, Part::Main) {
            let mut error = ConfigError::of_file(entry, format!("the configuration {fault}"));
            if matches!(fault, FileFault::Missing) {
                error.help = Some(
                    "name yours with `--config`, begin one with `portcullis init`, or do without: `portcullis run \
                     --upstream URL`"
                        .to_owned(),
                );
            }
            return Err(vec![error]);
        }
        Ok(desk)
    }

    /// Reads, parses and walks one more file. `Err` when it cannot be had at all.
    pub(super) fn add(&mut self, path: &Path, part: Part) -> Result<(), FileFault> {
        let bytes = self.read(path, LARGEST, FilePart::Text)?;
        let file = self.spans.files.len();
        let (text, tree) = match String::from_utf8(bytes) {
            Ok(text) => {
                // A byte order mark is what some editors leave; TOML has none.
                let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
                let tree = self.parse(file, &text);
                (text, tree)
            }
            Err(fault) => {
                let good = fault.utf8_error().valid_up_to();
                self.tear(file, good..good + 1, "this is not UTF-8 text");
                (String::from_utf8_lossy(fault.as_bytes()).into_owned(), Node::default())
            }
        };
        let mut added = TextFile::new(path.to_owned(), text, tree);
        if self.torn {
            added.veil_by_name(&keys::secret_names());
        }
        // What is torn is told, not what follows from it.
        let mut follows = Findings::default();
        let findings = if self.torn { &mut follows } else { &mut self.findings };
        keys::walk(file, &mut added, part, findings);
        self.spans.files.push(added);
        self.put_variables_in(file);
        Ok(())
    }

    /// The parsed text; empty when its syntax is wrong.
    fn parse(&mut self, file: usize, text: &str) -> Node {
        let too_deep = format!("this is nested more than {} deep", tree::DEEPEST);
        if let Some(at) = depth::too_deep(text) {
            self.tear(file, at..at + 1, &too_deep);
            return Node::default();
        }
        let (document, faults) = DeTable::parse_recoverable(text);
        if faults.is_empty() {
            return tree::from_document(document.into_inner()).unwrap_or_else(|span| {
                self.tear(file, span, &too_deep);
                Node::default()
            });
        }
        for fault in faults.iter().take(20) {
            let span = fault.span().unwrap_or(0..0);
            let (message, help) = syntax(fault.message(), text.get(span.clone()).unwrap_or_default());
            self.findings.add(file, span, message, help.map(str::to_owned));
        }
        self.torn = true;
        match self.rest {
            Torn::Dropped => Node::default(),
            Torn::Kept => tree::from_document(document.into_inner()).unwrap_or_default(),
        }
    }

    fn tear(&mut self, file: usize, span: Range<usize>, message: &str) {
        self.findings.add(file, span, message.to_owned(), None);
        self.torn = true;
    }

    fn put_variables_in(&mut self, file: usize) {
        let Some(mut tree) = self.spans.files.get_mut(file).map(|text| std::mem::take(&mut text.tree)) else { return };
        let mut faults = Vec::new();
        let mut veils = Vec::new();
        interpolate::texts(&mut tree, &mut |span, value| match interpolate::resolve(value, &mut |wanted| {
            self.look_up(wanted)
        }) {
            Ok(None) => {}
            Ok(Some(resolved)) => {
                let written = std::mem::replace(value, resolved.text.clone());
                if resolved.pieces.iter().any(|piece| !piece.is_empty()) {
                    veils.push(Veil::Resolved { written, resolved });
                }
            }
            Err(fault) => faults.push((span.clone(), fault)),
        });
        for (span, fault) in faults {
            self.findings.add(file, span, fault.message, fault.help);
        }
        if let Some(text) = self.spans.files.get_mut(file) {
            text.tree = tree;
            text.veils.extend(veils);
        }
    }

    fn look_up(&mut self, wanted: Wanted<'_>) -> Result<Option<String>, FileFault> {
        match wanted {
            Wanted::File(path) => {
                if matches!(self.terms, Terms::Applying(_)) {
                    let why =
                        "may not be named here: a text that is sent names no file for its values; write `${NAME}`";
                    return Err(FileFault::Other(why.to_owned()));
                }
                let bytes = self.read(&self.root.join(path), interpolate::LARGEST, FilePart::Value)?;
                let text = String::from_utf8(bytes).map_err(|_| FileFault::Other("it is not UTF-8 text".to_owned()))?;
                let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
                Ok(Some(line.unwrap_or(&text).to_owned()))
            }
            Wanted::Own(key) => Ok(self.source.own(key)),
            Wanted::Variable(name) => Ok(self.source.variable(name)),
        }
    }

    /// Reads a file of at most `most` bytes and notes its hash.
    fn read(&mut self, path: &Path, most: usize, part: FilePart) -> Result<Vec<u8>, FileFault> {
        let bytes = self.source.read(path)?;
        if bytes.len() > most {
            return Err(FileFault::Other(format!("it is larger than {most} bytes")));
        }
        if !self.files.iter().any(|file| file.path == path) {
            self.files.push(ReadFile { path: path.to_owned(), hash: ContentHash::of(&bytes), part });
        }
        Ok(bytes)
    }

    /// The bytes behind every `body_schema`, and the schemas of `bodies` and `responses`. Whether they are a schema is for
    /// the compiler of schemas to say.
    pub(super) fn read_body_schemas(&mut self, draft: &Draft) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut schemas = BTreeMap::new();
        for (at, route) in draft.routes.iter().enumerate() {
            let Some(route) = route else { continue };
            let named = route.body_schema.iter().map(|path| ("body_schema", path)).chain(route.schema_files());
            for (key, path) in named {
                let full = self.folder.join(path);
                if schemas.contains_key(path) {
                    continue;
                }
                match self.read(&full, LARGEST, FilePart::Text) {
                    Ok(bytes) => {
                        schemas.insert(path.clone(), bytes);
                    }
                    Err(fault) => {
                        let place = [PathPart::Key("routes"), PathPart::Index(at), PathPart::Key(key)];
                        let (file, span) = self.spans.find(&place);
                        let help = "paths of schemas are relative to the folder of the main file".to_owned();
                        self.findings.add(file, span, format!("`{}` {fault}", full.display()), Some(help));
                    }
                }
            }
        }
        schemas
    }
}

/// What most relative paths are relative to; see [`super::Loaded::root`].
pub(super) fn root_of(entry: &Path) -> PathBuf {
    let folder = entry.parent().unwrap_or(Path::new(""));
    match folder.file_name() {
        Some(name) if name == "config" => folder.parent().unwrap_or(Path::new("")).to_owned(),
        _ => folder.to_owned(),
    }
}

/// The parser's words for people.
fn syntax(message: &str, text: &str) -> (String, Option<&'static str>) {
    match message {
        "duplicate key" => (format!("`{text}` is written twice"), Some("a key or a table may be written only once")),
        "invalid basic string, expected `\"`" => ("the text is not closed".to_owned(), Some("close it with `\"`")),
        "invalid literal string, expected `'`" => ("the text is not closed".to_owned(), Some("close it with `'`")),
        _ if message.starts_with("invalid") => {
            let message = message.trim_end_matches(", expected nothing").to_owned();
            (message, Some("texts, spans, sizes and addresses stand in quotes"))
        }
        _ => (message.to_owned(), None),
    }
}
