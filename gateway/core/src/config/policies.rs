//! Where are the policies?

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use validator::Validate;

use super::checks;

/// `[policies]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PoliciesConfig {
    /// The folder of the `*.cedar` files. Relative to the root.
    #[validate(custom(function = checks::path))]
    pub dir: PathBuf,
    /// The Cedar schema that every policy is validated against, strictly. Default: `schema.cedarschema` in `dir`.
    /// Further `*.cedarschema` files in `dir`, as `import` writes them, are a part of it.
    #[validate(custom(function = checks::path))]
    pub schema: Option<PathBuf>,
    /// A folder of policies that are asked beside those that decide, and decide nothing: where they would have it
    /// otherwise is recorded. It may have a `schema.cedarschema` of its own. Relative to the root.
    #[validate(custom(function = checks::path))]
    pub shadow: Option<PathBuf>,
}

impl PoliciesConfig {
    /// The schema's path, relative to the root.
    pub fn schema_path(&self) -> PathBuf {
        self.schema.clone().unwrap_or_else(|| self.dir.join("schema.cedarschema"))
    }
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self { dir: PathBuf::from("policies"), schema: None, shadow: None }
    }
}
