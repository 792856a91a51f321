//! Which pages of other origins may read the answers?

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use validator::{Validate, ValidationErrors};

use super::choice::{Choice, choose};
use super::{Origin, checks};
use crate::units::Span;

/// Who answers cross-origin preflights of a route.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cors {
    /// The application, without an identity.
    App,
    /// The gateway, for these origins.
    Gateway(CorsConfig),
}

/// Whose pages may read the answers.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins, compared exactly; never `*` or `null`.
    #[validate(length(min = 1, max = 64), custom(function = checks::distinct))]
    pub origins: Vec<Origin>,
    /// Request headers a page may set, beyond those that are always allowed.
    #[serde(default)]
    #[validate(length(max = 64), custom(function = checks::words))]
    pub headers: Vec<String>,
    /// Whether the browser may send cookies and other credentials.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may remember a preflight's answer. Default `10m`.
    #[validate(custom(function = checks::millis::<0, 86_400_000>))]
    pub max_age: Option<Span>,
}

impl Choice for Cors {
    const EXPECTED: &'static str = "`\"app\"` or a table as in `{ origins = [\"https://app.example.com\"] }`";
    type List = IgnoredAny;
    type Table = CorsConfig;

    fn word(word: &str) -> Result<Self, String> {
        match word {
            "app" => Ok(Self::App),
            _ => Err(format!("`{word}` is not {}", Self::EXPECTED)),
        }
    }

    fn list(_: IgnoredAny) -> Result<Self, String> {
        Err(format!("a list does not fit here: write {}", Self::EXPECTED))
    }

    fn table(table: CorsConfig) -> Result<Self, String> {
        Ok(Self::Gateway(table))
    }
}

impl<'de> Deserialize<'de> for Cors {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        choose(from)
    }
}

impl Validate for Cors {
    fn validate(&self) -> Result<(), ValidationErrors> {
        match self {
            Self::App => Ok(()),
            Self::Gateway(config) => config.validate(),
        }
    }
}

impl JsonSchema for Cors {
    fn schema_name() -> Cow<'static, str> {
        "Cors".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "app" }, generator.subschema_for::<CorsConfig>()] })
    }
}
