//! Where are requests counted?

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use validator::{Validate, ValidationErrors};

use super::values::millis;
use super::{Secret, Servers, StoreMode, checks};
use crate::units::Span;

/// `[counters]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct CountersConfig {
    /// `memory:` counts in this process; `redis://` or `rediss://` counts for all replicas together (Valkey too).
    pub url: Secret,
    /// The Redis servers.
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
    /// How many replicas share the traffic: a limit falls back to its share when the shared store is away.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// How long a request waits for the shared store before the limit's `on_store_failure` holds.
    pub timeout: Span,
}

impl Default for CountersConfig {
    fn default() -> Self {
        Self {
            url: Secret::new("memory:"),
            mode: StoreMode::default(),
            nodes: Vec::new(),
            master: None,
            sentinel_password: None,
            ca: None,
            replicas: 1,
            timeout: millis::<50>(),
        }
    }
}

impl CountersConfig {
    /// Whether this process counts for itself.
    pub fn is_own(&self) -> bool {
        self.url.expose() == "memory:"
    }

    /// What it says of its servers.
    pub fn servers(&self) -> Servers<'_> {
        Servers {
            section: "counters",
            url: &self.url,
            mode: self.mode,
            nodes: &self.nodes,
            master: self.master.as_deref(),
            sentinel_password: self.sentinel_password.as_ref(),
            ca: self.ca.as_deref(),
        }
    }
}

/// The fields that are no server's.
#[derive(Validate)]
struct Ours {
    #[validate(range(min = 1, max = 1000))]
    replicas: u32,
    #[validate(custom(function = checks::millis::<1, 5_000>))]
    timeout: Span,
}

impl Validate for CountersConfig {
    // By hand, because the derived one would copy the secret into its error.
    fn validate(&self) -> Result<(), ValidationErrors> {
        let ours = Ours { replicas: self.replicas, timeout: self.timeout }.validate();
        let mut faults = ours.err().unwrap_or_default();
        for (name, fault) in self.servers().faults("memory:") {
            faults.add(name, fault);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
