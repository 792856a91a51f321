//! Does our reading of JSON Schema agree with everybody's? All required cases of the JSON-Schema-Test-Suite, draft 7 and
//! 2020-12, through the very type that judges bodies. Where it differs, `differences.txt` says where and why.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portcullis_core::refusal::Code;
use portcullis_core::validate::{BodySchema, Limits, Numbers};
use serde_json::{Value, json};

const DRAFTS: [(&str, &str); 2] = [
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
];
/// Headings of `differences.txt` about verdicts; every other heading is part of the message of a refusal at load.
const STRICTER: &str = "refused, and the suite accepts it";
const LAXER: &str = "accepted, and the suite refuses it";

#[derive(Default)]
struct Found {
    cases: usize,
    /// Groups whose schema is refused at load, with what is said about it.
    refused: Vec<(String, String)>,
    stricter: Vec<String>,
    laxer: Vec<String>,
}

#[test]
fn agrees_with_the_suite_except_where_it_is_written_down() {
    let mut found = Found::default();
    for (draft, uri) in DRAFTS {
        for file in files(draft) {
            let name = format!("{draft}/{}", file.file_name().unwrap().to_string_lossy());
            let groups: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            for group in &groups {
                found.group(&name, uri, group);
            }
        }
    }

    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    seen.extend(found.stricter.into_iter().map(|case| (STRICTER.to_owned(), case)));
    seen.extend(found.laxer.into_iter().map(|case| (LAXER.to_owned(), case)));
    let written = written();
    let headings = headings();
    for (group, message) in found.refused {
        let heading = headings.iter().find(|heading| message.contains(**heading));
        seen.insert((heading.map_or(message, |heading| (*heading).to_owned()), group));
    }
    let lines = |these: Vec<&(String, String)>| -> String {
        these.iter().flat_map(|(heading, case)| ["\n  ", case, "\n      ", heading]).collect()
    };
    let unwritten = lines(seen.difference(&written).collect());
    let outdated = lines(written.difference(&seen).collect());
    assert!(unwritten.is_empty(), "differs from the suite, and differences.txt does not say so:{unwritten}");
    assert!(outdated.is_empty(), "differences.txt names what differs no longer, take it out:{outdated}");
    assert_eq!(found.cases, CASES, "the pinned suite has another number of cases");
}

/// Of both drafts, in the pinned version.
const CASES: usize = 2_170;

impl Found {
    fn group(&mut self, file: &str, uri: &str, group: &Value) {
        let mut schema = group.get("schema").unwrap().clone();
        if let Value::Object(members) = &mut schema {
            members.entry("$schema").or_insert_with(|| json!(uri));
        }
        let group_name = format!("{file}: {}", text(group, "description"));
        let cases = group.get("tests").unwrap().as_array().unwrap();
        self.cases += cases.len();
        // The suite is about values, not about how exactly an application reads their numbers.
        let limits = Limits { numbers: Numbers::Any, ..Limits::default() };
        let schema = match BodySchema::compile(schema.to_string().as_bytes(), limits) {
            Ok(schema) => schema,
            Err(faults) => {
                self.refused.push((group_name, faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")));
                return;
            }
        };
        for case in cases {
            let name = format!("{group_name} / {}", text(case, "description"));
            let fits = match schema.check(case.get("data").unwrap().to_string().as_bytes()) {
                Ok(_) => true,
                Err(refusal) if refusal.code == Code::SchemaViolation => false,
                Err(refusal) => panic!("{name}: not read: {refusal:?}"),
            };
            match (fits, case.get("valid").unwrap().as_bool().unwrap()) {
                (true, false) => self.laxer.push(name),
                (false, true) => self.stricter.push(name),
                _ => {}
            }
        }
    }
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).unwrap().as_str().unwrap()
}

/// The required cases: those below `optional` are not.
fn files(draft: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json-schema/suite").join(draft);
    let Ok(entries) = fs::read_dir(&folder) else {
        panic!(
            "the JSON-Schema-Test-Suite is not installed: run tests/json-schema/install, or the tests through tests/run"
        )
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// In the order of `differences.txt`.
fn headings() -> Vec<&'static str> {
    include_str!("differences.txt").lines().filter_map(|line| line.strip_prefix("= ")).collect()
}

/// Heading and case of each line in `differences.txt`.
fn written() -> BTreeSet<(String, String)> {
    let mut heading = String::new();
    let mut all = BTreeSet::new();
    for line in include_str!("differences.txt").lines() {
        if let Some(next) = line.strip_prefix("= ") {
            next.clone_into(&mut heading);
        } else if !line.is_empty() && !line.starts_with('#') {
            assert!(all.insert((heading.clone(), line.to_owned())), "stands twice: {line}");
        }
    }
    all
}
