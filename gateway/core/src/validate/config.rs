//! What may an operator write about input?

use std::path::PathBuf;

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
    /// How many members one object of a JSON body may have: 1 to 100000.
    #[validate(range(min = 1, max = 100_000))]
    pub max_members: u32,
    /// Which numbers are read: `exact`, those that every reader of doubles keeps (up to 2^53 − 1), or `any`.
    pub numbers: Numbers,
    /// How many times longer than its coded form a body may become when `content_encodings` is taken off it: 1 to 1000.
    /// Up to 64 KiB every ratio will do.
    #[validate(range(min = 1, max = 1_000))]
    pub max_ratio: u32,
}

impl Default for ValidateConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            max_depth: 32,
            max_values: 100_000,
            max_string: Size(1 << 20),
            max_members: 10_000,
            numbers: Numbers::Exact,
            max_ratio: 100,
        }
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
            members: usize::try_from(self.max_members).map_err(too_large)?,
            numbers: self.numbers,
            ratio: self.max_ratio,
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
    /// Bodies of further media types.
    pub bodies: Vec<BodyConfig>,
    /// Content codings that are taken off before a body is judged and forwarded. Default: none, 415.
    pub content_encodings: Vec<ContentCoding>,
    /// What the application may answer.
    pub responses: Option<ResponsesConfig>,
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
    /// How it is written, by the names of `OpenAPI`. Default: `form` in queries and cookies, `simple` in paths and headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<ParameterStyle>,
    /// Whether each element or member stands by itself: `a=1&a=2`, not `a=1,2`. Default: in queries of style `form`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explode: Option<bool>,
    /// In the place of `style`: the parameter's text is of this media type, `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 128))]
    pub content: Option<String>,
    /// JSON Schema. Its `type` says what the text is read as: `string` (also when absent), `integer`, `number`,
    /// `boolean`, `array`, `object`.
    #[schemars(with = "Map<String, Value>")]
    pub schema: Map<String, Value>,
}

/// How a parameter is written (`OpenAPI` 3.1 §4.8.12.3).
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ParameterStyle {
    /// `p[a]=1&p[b]=2`, for objects in queries; also `p[a][b]` and `p[a][]`.
    DeepObject,
    /// `p=1&p=2`, or `p=1,2` with `explode = false`.
    Form,
    /// `.1.2`, in paths.
    Label,
    /// `;p=1,2`, in paths: cannot be had, since such paths are refused.
    Matrix,
    /// `p=1|2`, for arrays in queries.
    PipeDelimited,
    /// `1,2`, in paths and headers.
    Simple,
    /// `p=1%202`, for arrays in queries.
    SpaceDelimited,
}

impl ParameterStyle {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeepObject => "deepObject",
            Self::Form => "form",
            Self::Label => "label",
            Self::Matrix => "matrix",
            Self::PipeDelimited => "pipeDelimited",
            Self::Simple => "simple",
            Self::SpaceDelimited => "spaceDelimited",
        }
    }
}

/// Bodies of one media type.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct BodyConfig {
    /// `application/x-www-form-urlencoded`, `multipart/form-data`, a JSON type; or any other, `image/*` and `*/*` too, of
    /// which bodies pass unread.
    #[validate(length(min = 3, max = 128))]
    pub media_type: String,
    /// JSON Schema file, relative to the folder of the configuration file. A form is judged as the object of its
    /// fields, a file in it as an object with `filename`, `media_type` and `size`. Without it bodies pass unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,
    /// How many parts a `multipart/form-data` body may have: 1 to 1000. Default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 1_000))]
    pub max_parts: Option<u16>,
    /// How large one part may be. Default: the route's `max_body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_part: Option<Size>,
}

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentCoding {
    /// `zlib` data, as the RFC says; bare deflate, which some clients send, is refused.
    Deflate,
    Gzip,
}

impl ContentCoding {
    /// As it is registered.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
        }
    }
}

/// What the application may answer on a route. Where answers are judged, the application is not told which content
/// codings and ranges the client would take, so that it answers plain and whole.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ResponsesConfig {
    /// `enforce` holds each answer, and sends 502 in the place of what does not fit; `shadow` lets it pass as it comes,
    /// and records `would_refuse`.
    #[serde(default)]
    pub mode: Mode,
    /// What becomes of members that the schema does not declare: `keep` leaves them to the schema, `strip` takes them
    /// out (with `enforce`).
    #[serde(default)]
    pub undeclared: Undeclared,
    /// The largest answer that is judged: beyond it is a violation. Default `1MiB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
    /// By status and media type. A status that is not listed passes unjudged; a media type that is not listed for its
    /// status is a violation, a stream's too, unless it is listed without `schema`.
    #[validate(length(min = 1, max = 64), nested)]
    pub schemas: Vec<ResponseConfig>,
}

/// One kind of answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ResponseConfig {
    /// `200`, `4XX`, or `default` for all that no other entry names.
    #[validate(length(min = 3, max = 7))]
    pub status: String,
    /// Default: `application/json` and every `application/…+json`. Others, and `image/*` and `*/*`, only without `schema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 3, max = 128))]
    pub media_type: Option<String>,
    /// JSON Schema file, relative to the folder of the configuration file. Without it such answers pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,
}

/// What becomes of members that a schema does not declare.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Undeclared {
    #[default]
    Keep,
    Strip,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// `Cookie: name=value`.
    Cookie,
    /// A header field.
    Header,
    /// A `{name}` of the route's template.
    Path,
    /// `?name=value`.
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

/// What to do with query parameters that are not declared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownQuery {
    /// Let them through to the application unread.
    Allow,
    /// Refuse the request.
    Refuse,
}
