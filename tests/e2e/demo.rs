//! Does the first thing anybody tries work as it says?

mod ends;
mod rights;

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_tests::binary::{self, Running};
use portcullis_tests::within;
use serde_json::Value;
use tempfile::TempDir;

/// A demo that is ready.
pub(crate) struct Demo {
    pub(crate) folder: TempDir,
    base: u16,
    running: Running,
    pub(crate) ready: Value,
}

impl Demo {
    /// Starts in an empty folder, as somebody does who has the binary and nothing else.
    pub(crate) async fn start(more: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let base = binary::free_ports(5);
        let port = base.to_string();
        let arguments = [&["demo", "--port-base", &port, "--ready-file", "ready.json"], more].concat();
        let mut running = binary::spawn(folder.path(), &arguments);
        let file = folder.path().join("ready.json");
        // Nothing tells when another process has made a file, so it is looked for.
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        let ready = within("the ready file", async {
            while !file.exists() {
                assert!(running.runs(), "it ended before it was ready");
                looks.tick().await;
            }
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
        })
        .await;
        Self { folder, base, running, ready }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    /// A member of the ready file.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }
}

/// What lies in a folder, and its mode.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.clone(), path.metadata().unwrap().permissions().mode() & 0o777));
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}
