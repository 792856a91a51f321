//! Where does the configuration come from, and how much of its past is kept?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

/// `[control]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ControlConfig {
    /// What decides which configuration is in force. A change here needs a restart.
    pub source: ControlSource,
    /// How many revisions of the configuration are kept, 1 to 1000. When there is one more, the oldest goes.
    #[validate(range(min = 1, max = 1000))]
    pub revisions: u32,
}

/// What decides which configuration is in force.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlSource {
    /// The files of each machine. A rollback holds until they are others.
    #[default]
    Files,
    /// The store: what was last applied through the admin API, on every replica. Of a machine's own files only `[server]`,
    /// `[store]`, `[counters]`, `[observe]`, `[control]`, `admin.max_connections` and secrets hold.
    Store,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self { source: ControlSource::default(), revisions: 100 }
    }
}
