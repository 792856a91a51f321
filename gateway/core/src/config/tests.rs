mod broken;
mod generated;
mod loading;
mod properties;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{FileFault, Source};

/// The folder of the project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The project's files as seen from its folder, and the variables that are set.
struct Disk(Vec<(&'static str, &'static str)>);

impl Source for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        std::fs::read(project().join(path)).map_err(|_| FileFault::Missing)
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        let entries = std::fs::read_dir(project().join(folder)).map_err(|_| FileFault::Missing)?;
        Ok(entries.map(|entry| folder.join(entry.unwrap().file_name())).collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
    }
}

/// Files and variables that exist only here.
#[derive(Default)]
struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    variables: BTreeMap<String, String>,
}

impl Memory {
    fn with(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        Self {
            files: files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect(),
            variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }
}

impl Source for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        self.files.get(path).cloned().ok_or(FileFault::Missing)
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        Ok(self.files.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// Whether a generated file is up to date; `PORTCULLIS_BLESS=1` writes it.
fn golden(path: &Path, text: &str) -> Result<(), String> {
    let full = project().join(path);
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(full, text).unwrap();
        return Ok(());
    }
    let found = std::fs::read_to_string(full).unwrap_or_default();
    if found == text { Ok(()) } else { Err(format!("{} should read:\n{text}\nbut reads:\n{found}", path.display())) }
}
