//! What is a configuration made of? Every text that an operator wrote, and no secret.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{ContentHash, FileFault, FilePart, Loaded, Source};

/// The texts of one configuration: its main file, those it includes, schemas, policies and tables of attributes. Not the
/// values of variables, nor certificates, keys and what `${file:…}` names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Texts {
    /// The main file, among the files.
    pub main: String,
    /// By path: below the root, as `policies/app.cedar`, or as it is named where it lies elsewhere.
    pub files: BTreeMap<String, Arc<str>>,
}

impl Texts {
    /// The same texts have the same hash, wherever they lie.
    pub fn hash(&self) -> ContentHash {
        let line = |(path, text): (&String, &Arc<str>)| format!("{path}={}\n", ContentHash::of(text.as_bytes()));
        let lines: String = self.files.iter().map(line).collect();
        ContentHash::of(format!("{}\n{lines}", self.main).as_bytes())
    }

    /// Bytes of all texts and their paths.
    pub fn size(&self) -> usize {
        self.files.iter().map(|(path, text)| path.len() + text.len()).sum()
    }
}

/// A path as texts are named.
pub(super) fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Reads, and keeps what was read until the texts are known.
pub(super) struct Reader<'s> {
    source: &'s dyn Source,
    read: RefCell<HashMap<PathBuf, Vec<u8>>>,
}

impl<'s> Reader<'s> {
    pub(super) fn of(source: &'s dyn Source) -> Self {
        Self { source, read: RefCell::default() }
    }

    /// The texts of `loaded`, and those at the paths `more`.
    pub(super) fn texts<'p>(&self, loaded: &'p Loaded, entry: &Path, more: impl Iterator<Item = &'p Path>) -> Texts {
        let read = self.read.borrow();
        let own = loaded.files.iter().filter(|file| file.part == FilePart::Text).map(|file| file.path.as_path());
        let mut files: BTreeMap<String, Arc<str>> = own
            .chain(more)
            .filter_map(|path| {
                Some((name(&loaded.root, path), String::from_utf8_lossy(read.get(path)?).into_owned().into()))
            })
            .collect();
        files.extend(loaded.texts().map(|(path, text)| (name(&loaded.root, path), text.into())));
        Texts { main: name(&loaded.root, entry), files }
    }
}

impl Source for Reader<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        let bytes = self.source.read(path)?;
        self.read.borrow_mut().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        self.source.list(folder)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.source.variable(name)
    }
}
