//! Who may use whom? Reads every `crate::x` of the core and holds it against the table below.
//!
//! A new arrow here is a change of the architecture: it belongs into ARCHITECTURE.md too.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Plain vocabulary that anybody may use.
const WORDS: &[&str] = &["mode", "moment", "near", "refusal", "request", "units"];

/// What else a module may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("authorize", &["gather", "identify"]),
    ("config", &["guard", "identify", "limit", "validate"]),
    ("cors", &["config", "journey"]),
    ("framing", &[]),
    ("gather", &[]),
    ("guard", &["limit", "ports"]),
    ("identify", &["ports"]),
    ("journey", &["authorize", "cors", "gather", "identify", "ports", "route", "snapshot", "trail", "validate"]),
    ("limit", &["identify", "ports"]),
    ("mode", &[]),
    ("moment", &[]),
    ("near", &[]),
    ("ports", &["identify", "limit"]),
    ("refusal", &[]),
    ("request", &["framing"]),
    ("route", &[]),
    (
        "snapshot",
        &["authorize", "config", "cors", "framing", "gather", "guard", "identify", "limit", "route", "validate"],
    ),
    ("trail", &["identify"]),
    ("units", &[]),
    ("validate", &[]),
];

/// The longest file, tests apart.
const LONGEST: usize = 400;

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "samples.rs")
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    source_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.retain(|path| !is_test(path));
    found
}

fn module_of(path: &Path) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(source).unwrap().iter().next().unwrap().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn modules_use_only_what_the_table_lets_them() {
    let table: BTreeMap<&str, BTreeSet<&str>> =
        MAY_USE.iter().map(|(module, uses)| (*module, uses.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for path in files() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let allowed = table.get(module.as_str()).unwrap_or_else(|| panic!("`{module}` is not in the table"));
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if used != module
                    && !used.is_empty()
                    && !WORDS.contains(&used.as_str())
                    && !allowed.contains(used.as_str())
                {
                    wrong.push(format!("{} uses crate::{used}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = files()
        .into_iter()
        .filter_map(|path| {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            (lines > LONGEST).then(|| format!("{} has {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines:\n{}", long.join("\n"));
}
