//! Who knows nothing of an API but what its description says? schemathesis, which asks whatever follows from it: what it
//! allows, and what it does not.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Printed with every failure; the same requests for the same seed.
const SEED: &str = "20261125";

/// What is asked of whom, and how its answers are judged.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Where the description is: a URL, or a path.
    pub description: &'a str,
    /// A credential, as a field: `X-Api-Key: …`.
    pub credential: &'a str,
    /// Of schemathesis, by name.
    pub checks: &'a [&'a str],
    /// Further arguments.
    pub more: &'a [&'a str],
}

impl Asking<'_> {
    /// Asks, trusting the authority `certificate`; answers how many operations were tried, and all that was said.
    /// Panics with what it found wrong.
    pub async fn ask(&self, folder: &Path, certificate: &str) -> (u32, String) {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis/site");
        let remedy = "run tests/schemathesis/install, or the tests through tests/run";
        assert!(installed.join("schemathesis").is_dir(), "schemathesis is not installed: {remedy}");
        let ran = Command::new("python3")
            .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "--no-color", "run"])
            .args([self.description, "--tls-verify", certificate, "-H", self.credential])
            // A connection that was kept may be closed at the very moment when it is used again.
            .args(["-H", "Connection: close"])
            .args(["--checks", &self.checks.join(","), "--seed", SEED, "--request-timeout", "120"])
            .args(["--continue-on-failure", "--no-shrink", "--warnings", "off"])
            .args(self.more)
            .env("PYTHONPATH", &installed)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("python3");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        // It has asked, and not passed over what it could not read.
        let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
        (tested.and_then(|tested| tested.parse().ok()).expect("a count of operations"), said)
    }
}
