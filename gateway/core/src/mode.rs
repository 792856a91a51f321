//! Does a check bite? Enforce, shadow or off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a stage's refusal does.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Refuse.
    #[default]
    Enforce,
    /// Decide, record `would_refuse`, let pass.
    Shadow,
    /// Do not decide.
    Off,
}

impl Mode {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}
