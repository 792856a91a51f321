use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use portcullis_core::config::{FileFault, Source};

use super::{Asked, Noting};

type Change = fn(&mut Memory);

/// A folder of files, and variables that are the machine's own too.
#[derive(Clone, Default)]
struct Memory {
    files: BTreeMap<PathBuf, Result<Vec<u8>, FileFault>>,
    variables: HashMap<String, String>,
}

impl Memory {
    fn write(&mut self, path: &str, text: &str) {
        self.files.insert(path.into(), Ok(text.into()));
    }
}

impl Source for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        self.files.get(path).cloned().unwrap_or(Err(FileFault::Missing))
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        let files: Vec<PathBuf> = self.files.keys().filter(|path| path.parent() == Some(folder)).cloned().collect();
        if files.is_empty() { Err(FileFault::Missing) } else { Ok(files) }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn own(&self, key: &str) -> Option<String> {
        self.variables.get(key).cloned()
    }
}

fn memory() -> Memory {
    let mut memory = Memory::default();
    memory.write("a/main", "text");
    memory.write("a/policies/one", "permit");
    memory.variables.insert("NAME".into(), "value".into());
    memory
}

/// What a compilation of it would ask; the file of schemas is not there.
fn asked(memory: &Memory) -> Asked {
    let noting = Noting::of(memory);
    assert_eq!(noting.read(Path::new("a/main")), memory.read(Path::new("a/main")));
    assert_eq!(noting.read(Path::new("a/schema")), Err(FileFault::Missing));
    assert_eq!(noting.list(Path::new("a/policies")), memory.list(Path::new("a/policies")));
    assert_eq!(noting.list(Path::new("a/shadow")), Err(FileFault::Missing));
    assert_eq!(noting.variable("NAME"), Some("value".to_owned()));
    assert_eq!(noting.variable("OTHER"), None);
    assert_eq!(noting.own("KEY"), None);
    noting.asked()
}

#[test]
fn every_answer_that_is_another_counts() {
    let was = memory();
    let asked = asked(&was);
    assert!(asked.holds(&was));
    let changes: [(&str, Change); 11] = [
        ("another text", |now| now.write("a/main", "texts")),
        ("an empty text", |now| now.write("a/main", "")),
        ("a file that is gone", |now| drop(now.files.remove(Path::new("a/main")))),
        ("a file that may not be read", |now| drop(now.files.insert("a/main".into(), Err(FileFault::Denied)))),
        ("a file that was not there", |now| now.write("a/schema", "")),
        ("one file more", |now| now.write("a/policies/two", "")),
        ("a folder that was not there", |now| now.write("a/shadow/one", "")),
        ("another value", |now| drop(now.variables.insert("NAME".into(), "valu".into()))),
        ("a variable that is gone", |now| drop(now.variables.remove("NAME"))),
        ("a variable that was not there", |now| drop(now.variables.insert("OTHER".into(), String::new()))),
        ("a secret that was not there", |now| drop(now.variables.insert("KEY".into(), String::new()))),
    ];
    for (what, change) in changes {
        let mut now = was.clone();
        change(&mut now);
        assert!(!asked.holds(&now), "{what}");
    }
}

#[test]
fn what_was_not_asked_for_does_not_count() {
    let was = memory();
    let asked = asked(&was);
    let mut now = was.clone();
    now.write("a/notes", "mine");
    now.write("a/policies/one", "forbid");
    now.variables.insert("MORE".into(), "x".into());
    assert!(asked.holds(&now));
}

/// A file that was replaced while it was compiled: neither text is what the whole was made of.
#[test]
fn two_answers_to_one_question_never_hold() {
    let was = memory();
    let mut now = was.clone();
    now.write("a/main", "other");
    let noting = Noting::of(&was);
    noting.read(Path::new("a/main")).unwrap();
    noting.note(super::Question::File("a/main".into()), super::of_file(&now.read(Path::new("a/main"))));
    noting.read(Path::new("a/main")).unwrap();
    let asked = noting.asked();
    assert!(!asked.holds(&was) && !asked.holds(&now));
}
