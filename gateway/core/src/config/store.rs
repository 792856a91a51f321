//! Where is kept what must outlive the process?

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use validator::{Validate, ValidationError, ValidationErrors};

use super::values::{millis, minutes};
use super::{Secret, Servers, StoreMode, checks};
use crate::units::Span;

/// `[store]`. A change here needs a restart.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:PATH`, relative to the root, or, for several replicas, `redis://[USER:PASSWORD@]HOST:PORT`, `rediss://…`
    /// with TLS (Valkey too).
    pub url: Secret,
    /// The servers of a Redis store.
    pub mode: StoreMode,
    /// Further Sentinels, or further nodes of the cluster, as `HOST:PORT`: whichever answers first tells where to go.
    #[schemars(length(max = 32))]
    pub nodes: Vec<String>,
    /// The name by which the Sentinels know the server.
    pub master: Option<String>,
    /// What the Sentinels themselves want to be shown, if anything; the URL's password is for the servers.
    pub sentinel_password: Option<Secret>,
    /// Who vouches for the servers of `rediss://`: certificates in PEM, relative to the root. The system's when left out.
    pub ca: Option<PathBuf>,
    /// How long a request waits for a Redis store; it asks only for what it does not know yet.
    pub timeout: Span,
    /// While a Redis store cannot be reached, what is known goes on holding for so long; then it is 503.
    pub stale_for: Span,
    /// Where this machine keeps what is its own: the admin key, copies of key sets. The folder of a `sqlite:` store,
    /// else `data`, when left out.
    pub folder: Option<PathBuf>,
    /// Where `POST /v1/backups` writes, relative to the root. `backups` in `folder` when left out.
    pub backups: Option<PathBuf>,
    /// Backups there at most, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_backups: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite:data/portcullis.db"),
            mode: StoreMode::default(),
            nodes: Vec::new(),
            master: None,
            sentinel_password: None,
            ca: None,
            timeout: millis::<50>(),
            stale_for: minutes::<5>(),
            folder: None,
            backups: None,
            max_backups: 32,
        }
    }
}

impl StoreConfig {
    /// The file of the embedded store, as written; `None` where the store is another.
    pub fn file(&self) -> Option<&Path> {
        self.url.expose().strip_prefix("sqlite:").map(Path::new)
    }

    /// Where this machine keeps what is its own.
    pub fn folder(&self, root: &Path) -> PathBuf {
        if let Some(folder) = &self.folder {
            return root.join(folder);
        }
        let file = self.file().map(|file| root.join(file));
        file.and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_else(|| root.join("data"))
    }

    /// Where copies of the store are written.
    pub fn backups(&self, root: &Path) -> PathBuf {
        self.backups.as_ref().map_or_else(|| self.folder(root).join("backups"), |folder| root.join(folder))
    }

    /// What it says of its servers.
    pub fn servers(&self) -> Servers<'_> {
        Servers {
            section: "store",
            url: &self.url,
            mode: self.mode,
            nodes: &self.nodes,
            master: self.master.as_deref(),
            sentinel_password: self.sentinel_password.as_ref(),
            ca: self.ca.as_deref(),
        }
    }

    fn faults(&self) -> Vec<(&'static str, ValidationError)> {
        let mut faults = self.servers().faults("sqlite:");
        faults.extend(checks::millis::<1, 5_000>(&self.timeout).err().map(|error| ("timeout", error)));
        faults.extend(checks::millis::<0, 86_400_000>(&self.stale_for).err().map(|error| ("stale_for", error)));
        if !(1..=1000).contains(&self.max_backups) {
            let fault = ValidationError::new("store").with_message("write a number from 1 to 1000".into());
            faults.push(("max_backups", fault));
        }
        if let Some(folder) = &self.backups {
            faults.extend(checks::path(folder).err().map(|error| ("backups", error)));
        }
        faults
    }
}

impl Validate for StoreConfig {
    // By hand, because the derived one would copy the secret into its error.
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = ValidationErrors::new();
        for (name, fault) in self.faults() {
            faults.add(name, fault);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
