//! Who may use whom? Reads every `crate::x` of the core and holds it against the table below.
//!
//! A new arrow here is a change of the architecture: it belongs into ARCHITECTURE.md too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Plain vocabulary that anybody may use.
const WORDS: &[&str] = &["answer", "mode", "moment", "near", "refusal", "request", "units"];

/// What else a module may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("answer", &[]),
    ("authorize", &["gather", "identify"]),
    ("config", &["gather", "govern", "guard", "identify", "limit", "validate"]),
    ("cors", &["config"]),
    ("framing", &[]),
    ("gather", &[]),
    ("govern", &["authorize", "identify"]),
    ("guard", &["limit"]),
    ("identify", &[]),
    (
        "journey",
        &["authorize", "cors", "gather", "guard", "identify", "ports", "route", "snapshot", "trail", "validate"],
    ),
    ("limit", &["identify"]),
    ("mode", &[]),
    ("moment", &[]),
    ("near", &[]),
    ("openapi", &["route", "validate"]),
    ("ports", &["gather", "identify", "limit"]),
    ("refusal", &[]),
    ("request", &[]),
    ("route", &[]),
    (
        "snapshot",
        &[
            "authorize",
            "config",
            "cors",
            "framing",
            "gather",
            "govern",
            "guard",
            "identify",
            "limit",
            "route",
            "validate",
        ],
    ),
    ("trail", &["authorize", "identify"]),
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

/// Every arrow between modules, with a file it stands in; words that anybody may use are left out.
fn arrows() -> BTreeMap<(String, String), PathBuf> {
    let mut found = BTreeMap::new();
    for path in files() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("crate::{"), "{}: name one module per `use crate::`", path.display());
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if used != module && !used.is_empty() && !WORDS.contains(&used.as_str()) {
                    found.insert((module.clone(), used), path.clone());
                }
            }
        }
    }
    found
}

#[test]
fn modules_use_what_the_table_says_and_nothing_else() {
    let table: BTreeSet<(String, String)> = MAY_USE
        .iter()
        .flat_map(|(module, uses)| uses.iter().map(|used| ((*module).to_owned(), (*used).to_owned())))
        .collect();
    let arrows = arrows();
    let wrong: Vec<_> = arrows.iter().filter(|(arrow, _)| !table.contains(*arrow)).collect();
    assert!(wrong.is_empty(), "arrows that are not in the table: {wrong:#?}");
    let stale: Vec<_> = table.iter().filter(|arrow| !arrows.contains_key(*arrow)).collect();
    assert!(stale.is_empty(), "arrows of the table that nobody needs: {stale:#?}");
}

#[test]
fn every_module_stands_in_the_table() {
    let modules: BTreeSet<String> =
        files().iter().map(|path| module_of(path)).filter(|module| module != "lib").collect();
    let table: BTreeSet<String> = MAY_USE.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(table, modules);
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

/// Dependencies that are no part of the workspace, by the `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines().map(str::trim);
    let listed = lines.skip_while(|line| *line != "[dependencies]").skip(1).take_while(|line| !line.starts_with('['));
    let names = listed.filter_map(|line| line.split_once(['.', ' ', '=']).map(|(name, _)| name));
    names
        .filter(|name| !name.is_empty() && *name != "#" && !name.starts_with("portcullis"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_dependency_of_the_program_says_why_it_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let said = std::fs::read_to_string(root.join("docs/dependencies.md")).unwrap();
    let mut silent = Vec::new();
    for manifest in ["gateway/core/Cargo.toml", "gateway/server/Cargo.toml", "certs/Cargo.toml"] {
        let found = dependencies(&std::fs::read_to_string(root.join(manifest)).unwrap());
        assert!(!found.is_empty(), "{manifest} has dependencies");
        silent.extend(found.into_iter().filter(|name| !said.contains(&format!("\n| `{name}` |"))));
    }
    assert_eq!(silent, Vec::<String>::new(), "docs/dependencies.md has a row for each");
}
