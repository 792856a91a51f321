//! What does the built program say? Runs `portcullis` itself; it must be as new as its sources.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::within;

/// What a run has left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// -1 when a signal has ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs it to its end with these variables of the environment and no others of ours.
pub async fn portcullis(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(path())
        .args(arguments)
        .env_remove("PORTCULLIS_ADMIN_KEY")
        .env_remove("PORTCULLIS_CONFIG")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within(&format!("portcullis {arguments:?}"), output).await.expect("the program to start");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The program of this very build: `target/<profile>/portcullis`, beside the tests' own folder.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let program = test.ancestors().nth(2).expect("target/<profile>/deps").join("portcullis");
    let built = changed(&program);
    let stale = sources(&program).into_iter().find(|source| changed(source) > built);
    let hint = "run `cargo build -p portcullis` first, or the tests through tests/run";
    assert!(built.is_some(), "{} is not built: {hint}", program.display());
    assert!(stale.is_none(), "{} is older than {stale:?}: {hint}", program.display());
    program
}

/// What cargo says it was made of: `program: source source …`.
fn sources(program: &Path) -> Vec<PathBuf> {
    let list = std::fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    list.split_once(": ").map_or_else(Vec::new, |(_, sources)| sources.split_whitespace().map(PathBuf::from).collect())
}

fn changed(file: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(file).and_then(|about| about.modified()).ok()
}
