//! What is a configuration made of? Every text that an operator wrote, and no secret.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{ConfigError, ContentHash, FileFault, FilePart, Loaded, Source, gather};

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

    /// As a path is named among them.
    pub fn name(root: &Path, path: &Path) -> String {
        name(root, path)
    }

    /// Bytes of all texts and their paths.
    pub fn size(&self) -> usize {
        self.files.iter().map(|(path, text)| path.len() + text.len()).sum()
    }
}

/// The texts of the configuration at `entry`, whether or not they hold together, and the keys of the secrets that stand in
/// them in clear, which are left out.
pub fn gathered(entry: &Path, source: &dyn Source) -> Result<(Texts, Vec<String>), Vec<ConfigError>> {
    let found = gather(entry, source)?;
    let mut paths = found.others;
    for (folder, schema) in [(Some(found.policies.dir.clone()), true), (found.policies.shadow.clone(), false)] {
        let Some(folder) = folder.map(|folder| found.root.join(folder)) else { continue };
        paths.extend(source.list(&folder).unwrap_or_default().into_iter().filter(|path| is_policy(path, schema)));
    }
    paths.push(found.root.join(found.policies.schema_path()));
    let mut files = BTreeMap::new();
    for path in paths {
        let refuse = |why: String| vec![ConfigError::of_file(&path, why)];
        let bytes = source.read(&path).map_err(|fault| refuse(fault.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text: save it as UTF-8".to_owned()))?;
        files.insert(Texts::name(&found.root, &path), text.into());
    }
    files.extend(found.texts.into_iter().map(|(path, text)| (Texts::name(&found.root, &path), text.into())));
    Ok((Texts { main: Texts::name(&found.root, entry), files }, found.clear))
}

/// Whether a file of a policy folder is read: the administrators' schema is compiled in, and their policies are those of
/// the main folder.
fn is_policy(path: &Path, main: bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("cedar") => main || name != "admin.cedar",
        Some("cedarschema") => name != "admin.cedarschema" && (main || name == "schema.cedarschema"),
        Some(_) | None => false,
    }
}

/// A path as texts are named.
fn name(root: &Path, path: &Path) -> String {
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

    fn own(&self, key: &str) -> Option<String> {
        self.source.own(key)
    }
}
