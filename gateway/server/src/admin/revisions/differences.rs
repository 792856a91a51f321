//! What is another? File by file, and line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_core::snapshot::Texts;
use schemars::JsonSchema;
use serde::Serialize;
use similar::TextDiff;

/// Until the lines of one file are told apart less well.
const PATIENCE: Duration = Duration::from_millis(500);
/// All differences in lines together, in bytes.
const LARGEST: usize = 1024 * 1024;

/// A file that is another.
#[derive(Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ChangedFile")]
pub(super) struct Changed {
    path: String,
    change: Change,
}

#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    Added,
    Changed,
    Removed,
}

/// A file that is another, and how.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct FileChange {
    #[serde(flatten)]
    file: Changed,
    /// The lines in the unified format; null where all of them together are more than is answered.
    diff: Option<String>,
}

/// The files that are others, by path.
pub(super) fn changed<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Vec<Changed> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |path: &String| match (before.get(path), after.get(path)) {
        (None, _) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(before), Some(after)) => (before != after).then_some(Change::Changed),
    };
    paths.into_iter().filter_map(|path| Some(Changed { path: path.clone(), change: change(path)? })).collect()
}

/// The same with their lines.
pub(super) fn between(before: &Texts, after: &Texts) -> Vec<FileChange> {
    let mut room = LARGEST;
    let lines = |file: Changed| {
        let text = |texts: &Texts| texts.files.get(&file.path).cloned().unwrap_or_default();
        let (before, after) = (text(before), text(after));
        let told = TextDiff::configure().timeout(PATIENCE).diff_lines(&*before, &*after);
        let name = |letter: char, absent: Change| {
            if file.change == absent { "/dev/null".to_owned() } else { format!("{letter}/{}", file.path) }
        };
        let (from, to) = (name('a', Change::Added), name('b', Change::Removed));
        let told = told.unified_diff().header(&from, &to).to_string();
        let diff = (told.len() <= room).then_some(told);
        room -= diff.as_ref().map_or(0, String::len);
        FileChange { file, diff }
    };
    changed(&before.files, &after.files).into_iter().map(lines).collect()
}
