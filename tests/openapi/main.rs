//! Do the API descriptions of real products become projects that hold? Eleven of them, large ones among them, brought by
//! `install` out of registry packages; `expected/` says what each becomes and what of it cannot be mapped.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_tests::binary;
use serde_json::Value;
use tempfile::TempDir;

macro_rules! documents {
    ($($test:ident $name:literal)*) => {
        const ALL: &[&str] = &[$($name),*];
        $(#[test] fn $test() { becomes_a_project($name); })*
    };
}

documents! {
    anthropic "anthropic"
    azure_openai "azure-openai"
    blockfrost "blockfrost"
    cohere "cohere"
    dialogporten "dialogporten"
    directus "directus"
    github "github"
    openai "openai"
    rclone "rclone"
    shipengine "shipengine"
    shipengine_connect "shipengine-connect"
}

#[test]
fn every_document_that_is_installed_is_tried() {
    let list = fs::read_to_string(here("documents.txt")).unwrap();
    let mut named: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    named.sort_unstable();
    assert_eq!(named, ALL);
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi").join(path)
}

fn document(name: &str) -> PathBuf {
    let places = ["json", "yaml", "yml"].map(|extension| here(&format!("documents/{name}.{extension}")));
    let found = places.into_iter().find(|place| place.exists());
    found.unwrap_or_else(|| panic!("`{name}` is not there: run tests/openapi/install"))
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary::path()).current_dir(folder).args(arguments).output().unwrap();
    let said = if output.status.success() { output.stdout } else { [output.stdout, output.stderr].concat() };
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn fine(folder: &Path, arguments: &[&str]) -> String {
    let (code, said) = run(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

fn becomes_a_project(name: &str) {
    let folder = TempDir::new().unwrap();
    let path = document(name);
    let path = path.to_str().unwrap();
    let said = fine(folder.path(), &["init", "--openapi", path, "--upstream", "http://127.0.0.1:3000"]);
    assert!(!said.contains("warning"), "{said}");
    // It is checked whole; exit 1 where an operation has no route, which then is all that is found.
    let (code, said) = run(folder.path(), &["import", path, "--check", "--format", "json"]);
    let checked: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let findings: Vec<&str> = checked["findings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(code, i32::from(!findings.is_empty()));
    let others: Vec<&&str> = findings.iter().filter(|finding| !finding.starts_with("no route covers: `")).collect();
    assert_eq!(others, Vec::<&&str>::new());

    // Again, with its answers; the largest takes too long for all of it.
    let mut arguments = vec!["import", path, "--format", "json"];
    if name != "github" {
        fine(folder.path(), &["policy", "test"]);
        arguments.extend(["--responses", "shadow"]);
    }
    let imported: Value = serde_json::from_str(&fine(folder.path(), &arguments)).unwrap();
    let told = told(&imported, &findings);
    let golden = here(&format!("expected/{name}.txt"));
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        fs::write(&golden, &told).unwrap();
    }
    assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), told);
}

/// How many routes, what cannot be mapped, and how often.
fn told(imported: &Value, findings: &[&str]) -> String {
    let mut text = format!("{} routes\n", imported["routes"]);
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings {
        // Operation and place differ; the reason is what is left.
        *count.entry(format!("no route: {}", reason(finding))).or_default() += 1;
    }
    for note in imported["notes"].as_array().unwrap() {
        assert!(note["at"].as_str().unwrap().starts_with('/'), "{note}");
        assert!(!note["operation"].as_str().unwrap().is_empty(), "{note}");
        *count.entry(format!("note: {}", note["message"].as_str().unwrap())).or_default() += 1;
    }
    for (what, times) in count {
        writeln!(text, "{times} x {what}").unwrap();
    }
    text
}

fn reason(finding: &str) -> &str {
    finding.split_once("): ").map_or(finding, |(_, reason)| reason)
}
