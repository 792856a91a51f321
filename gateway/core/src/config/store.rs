//! Where is kept what must outlive the process?

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use validator::{Validate, ValidationError, ValidationErrors};

use super::{Secret, checks};

/// `[store]`. A change here needs a restart.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:PATH`, relative to the root. Other stores are refused by this version; what replicas share, the limits,
    /// is `counters.url`.
    pub url: Secret,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: Secret::new("sqlite:data/portcullis.db") }
    }
}

impl StoreConfig {
    /// The file of the embedded store, as written; `None` where the store is another.
    pub fn file(&self) -> Option<&Path> {
        self.url.expose().strip_prefix("sqlite:").map(Path::new)
    }

    /// The folder of the embedded store, where everything else that is kept lies too.
    pub fn folder(&self, root: &Path) -> PathBuf {
        let file = self.file().map(|file| root.join(file));
        file.and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_else(|| root.join("data"))
    }
}

impl Validate for StoreConfig {
    // By hand, because the derived one would copy the secret into its error.
    fn validate(&self) -> Result<(), ValidationErrors> {
        secret_field("url", checks::store_scheme(self.url.expose(), "sqlite:"))
    }
}

/// Reports the fault of a field without its value.
pub(super) fn secret_field(name: &'static str, fault: Result<(), ValidationError>) -> Result<(), ValidationErrors> {
    fault.map_err(|fault| {
        let mut faults = ValidationErrors::new();
        faults.add(name, fault);
        faults
    })
}
