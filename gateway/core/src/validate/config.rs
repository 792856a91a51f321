//! What may an operator write about input?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use validator::Validate;

use super::{Limits, Numbers};
use crate::mode::Mode;
use crate::units::Size;

/// The `[validate]` section.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ValidateConfig {
    /// What a refusal of this stage does; each route may override it with `validate = { mode = "…" }`.
    pub mode: Mode,
    /// How deep arrays and objects of a JSON body may nest: 1 to 100.
    #[validate(range(min = 1, max = 100))]
    pub max_depth: u8,
    /// How many values a JSON body may hold in all: 1 to 1000000.
    #[validate(range(min = 1, max = 1_000_000))]
    pub max_values: u32,
    /// How long one string or member name of a JSON body may be.
    pub max_string: Size,
}

impl Default for ValidateConfig {
    fn default() -> Self {
        Self { mode: Mode::Enforce, max_depth: 32, max_values: 100_000, max_string: Size(1 << 20) }
    }
}

impl ValidateConfig {
    /// The bounds of reading JSON.
    ///
    /// # Errors
    /// A number outside its range.
    pub fn limits(&self) -> Result<Limits, String> {
        if !(1..=100).contains(&self.max_depth) {
            return Err(format!("`max_depth = {}` is out of range: write 1 to 100", self.max_depth));
        }
        if !(1..=1_000_000).contains(&self.max_values) {
            return Err(format!("`max_values = {}` is out of range: write 1 to 1000000", self.max_values));
        }
        let too_large = |_| "`max_values` or `max_string` is too large for this machine".to_owned();
        Ok(Limits {
            depth: usize::from(self.max_depth),
            nodes: usize::try_from(self.max_values).map_err(too_large)?,
            string_bytes: usize::try_from(self.max_string.0).map_err(too_large)?,
            numbers: Numbers::Exact,
        })
    }
}

/// What a route says about its input. All of it optional.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RouteInput {
    /// JSON Schema file (draft 2020-12, or draft 7 where `$schema` says so) every body must fit; relative to the
    /// folder of the configuration file. Without it bodies stream through unread.
    pub body_schema: Option<String>,
    /// Whether a body must be there. Default: for POST, PUT and PATCH when there is a schema. A body that is
    /// there is judged whatever the method.
    pub body_required: Option<bool>,
    /// JSON media types the schema is for. Default: `application/json` and every `application/…+json`.
    pub media_types: Option<Vec<String>>,
    /// Path, query, header and cookie parameters with their schemas.
    pub parameters: Vec<ParameterConfig>,
    /// What to do with query parameters that are not declared. Default: `refuse` where any query parameter is
    /// declared, else `allow`.
    pub unknown_query: Option<UnknownQuery>,
    /// Read and judge the body before Cedar is asked, and give it to the policies as `context.body`.
    pub authorize_body: bool,
}

/// One declared parameter.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ParameterConfig {
    /// Where it stands.
    #[serde(rename = "in")]
    pub place: Place,
    /// Case matters, except in headers.
    #[validate(length(min = 1, max = 128))]
    pub name: String,
    /// Whether it must be there; path parameters always must.
    #[serde(default)]
    pub required: bool,
    /// JSON Schema whose `type` is `string` (also when absent), `integer`, `number`, `boolean` or `array` of those.
    #[schemars(with = "Map<String, Value>")]
    pub schema: Map<String, Value>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// `Cookie: name=value`.
    Cookie,
    /// A header field; an `array` is split at commas.
    Header,
    /// A `{name}` of the route's template.
    Path,
    /// `?name=value`; an `array` is a repeated name.
    Query,
}

impl Place {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Path => "path",
            Self::Query => "query",
        }
    }
}

impl Place {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Path => "path",
            Self::Query => "query",
        }
    }
}

/// What to do with query parameters that are not declared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownQuery {
    /// Let them through to the application unread.
    Allow,
    /// Refuse the request.
    Refuse,
}
