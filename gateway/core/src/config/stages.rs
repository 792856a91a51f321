//! Does a stage bite?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use crate::mode::Mode;

/// `[limit]`, `[authorize]`, `[validate]`, and a route's own word on each.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct StageConfig {
    /// `enforce` refuses; `shadow` decides, records `would_refuse` and lets pass; `off` does not decide.
    pub mode: Mode,
}
