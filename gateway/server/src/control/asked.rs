//! What did a compilation ask of its source, and what was it told? Told the same, it would make the same: it need not run
//! again.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use portcullis_core::config::{ContentHash, FileFault, Source};

/// Every question of one compilation, with a hash of its answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked(BTreeMap<Question, ContentHash>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Question {
    File(PathBuf),
    Folder(PathBuf),
    Own(String),
    Variable(String),
}

impl Asked {
    /// Whether `source` gives the same answers still. Reads every file again.
    pub(crate) fn holds(&self, source: &dyn Source) -> bool {
        self.0.iter().all(|(question, told)| {
            let now = match question {
                Question::File(path) => of_file(&source.read(path)),
                Question::Folder(path) => of_folder(&source.list(path)),
                Question::Own(key) => of_text(source.own(key).as_deref()),
                Question::Variable(name) => of_text(source.variable(name).as_deref()),
            };
            now == *told
        })
    }
}

/// Passes questions on, and notes what was answered.
pub(super) struct Noting<'s> {
    source: &'s (dyn Source + Send + Sync),
    asked: Mutex<Asked>,
}

impl<'s> Noting<'s> {
    pub(super) fn of(source: &'s (dyn Source + Send + Sync)) -> Self {
        Self { source, asked: Mutex::default() }
    }

    pub(super) fn asked(self) -> Asked {
        self.asked.into_inner()
    }

    /// Whoever is told two things in one compilation, as of a file that is being replaced, is told what never holds.
    fn note(&self, question: Question, told: ContentHash) {
        let mut asked = self.asked.lock();
        if asked.0.insert(question.clone(), told).is_some_and(|before| before != told) {
            asked.0.insert(question, ContentHash([0; 32]));
        }
    }
}

impl Source for Noting<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        let told = self.source.read(path);
        self.note(Question::File(path.to_owned()), of_file(&told));
        told
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        let told = self.source.list(folder);
        self.note(Question::Folder(folder.to_owned()), of_folder(&told));
        told
    }

    fn variable(&self, name: &str) -> Option<String> {
        let told = self.source.variable(name);
        self.note(Question::Variable(name.to_owned()), of_text(told.as_deref()));
        told
    }

    fn own(&self, key: &str) -> Option<String> {
        let told = self.source.own(key);
        self.note(Question::Own(key.to_owned()), of_text(told.as_deref()));
        told
    }
}

/// INVARIANT of all three: an answer that begins with another byte is of another kind.
fn of_file(told: &Result<Vec<u8>, FileFault>) -> ContentHash {
    match told {
        Ok(bytes) => ContentHash::of(&[b"+", bytes.as_slice()].concat()),
        Err(fault) => ContentHash::of(format!("-{fault:?}").as_bytes()),
    }
}

/// In whatever order they are listed.
fn of_folder(told: &Result<Vec<PathBuf>, FileFault>) -> ContentHash {
    match told {
        Ok(paths) => {
            let mut paths: Vec<_> = paths.iter().map(|path| path.as_os_str().as_encoded_bytes()).collect();
            paths.sort_unstable();
            ContentHash::of(&[b"+", paths.join(&0).as_slice()].concat())
        }
        Err(fault) => ContentHash::of(format!("-{fault:?}").as_bytes()),
    }
}

fn of_text(told: Option<&str>) -> ContentHash {
    ContentHash::of(told.map_or_else(|| "-".to_owned(), |text| format!("+{text}")).as_bytes())
}
