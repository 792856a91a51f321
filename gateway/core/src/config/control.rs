//! Where does the configuration come from, and how much of its past is kept?

use schemars::JsonSchema;
use serde::Deserialize;
use validator::Validate;

/// `[control]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ControlConfig {
    /// How many revisions of the configuration are kept, 1 to 1000. When there is one more, the oldest goes.
    #[validate(range(min = 1, max = 1000))]
    pub revisions: u32,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self { revisions: 100 }
    }
}
