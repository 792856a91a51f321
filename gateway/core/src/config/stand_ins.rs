//! What an operator writes for the stages that have a text type of their own.
//!
//! Each stage owns its part of the text: `Authenticate` and `TokenSourceConfig` are `identify`'s, `LimitConfig` is
//! `limit`'s, `GuardConfig` is `guard`'s, `ParameterConfig` is `validate`'s. Where a stage has none yet, the type here
//! stands in for it; `config` re-exports the names, so the change is one `pub use`.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use validator::{Validate, ValidationError};

use super::choice::{Choice, choose};
use super::text::text_type;
use super::values::seconds;
use super::{Network, checks};
use crate::mode::Mode;
use crate::units::{Rate, Size, Span};

/// `[guard]`, and a route's own word on it: what is not written falls to the next.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// `enforce` (default), `shadow` or `off`.
    pub mode: Option<Mode>,
    /// If any are listed: the only networks that may ask.
    #[validate(length(max = 1000))]
    pub allow: Option<Vec<Network>>,
    /// Networks that may not ask, whatever `allow` says.
    #[validate(length(max = 1000))]
    pub deny: Option<Vec<Network>>,
    /// How often one address may ask. Default `600/min`.
    pub rate: Option<Rate>,
    /// The largest body. Default `1MiB`.
    pub max_body: Option<Size>,
}

/// Who may come to a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authenticate {
    /// Every one of these methods; at least one.
    All(Vec<Method>),
    /// Any one of these methods; at least one.
    Any(Vec<Method>),
    /// Whoever shows a credential is identified; a bad one is refused.
    Optional,
    /// No credential is judged and no identity forwarded.
    Public,
}

impl Authenticate {
    /// Whether a caller may be identified by `method`.
    pub fn accepts(&self, method: Method) -> bool {
        match self {
            Self::All(methods) | Self::Any(methods) => methods.contains(&method),
            Self::Optional => true,
            Self::Public => false,
        }
    }
}

/// How a caller may prove who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    ApiKey,
    Jwt,
}

impl FromStr for Method {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "api_key" => Ok(Self::ApiKey),
            "jwt" => Ok(Self::Jwt),
            "mtls" | "session" => Err(format!("`{word}` is not available yet: write `jwt` or `api_key`")),
            "optional" | "public" => Err(format!("`{word}` stands alone: write `authenticate = \"{word}\"`")),
            _ => Err(format!("`{word}` is not a way to authenticate: write `jwt` or `api_key`")),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
        })
    }
}

text_type!(Method, "Method", "`jwt` or `api_key`.", "jwt");

/// `{ all = ["jwt", "api_key"] }`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AllOf {
    /// The methods, every one of which is needed.
    all: Vec<Method>,
}

impl Choice for Authenticate {
    const EXPECTED: &'static str =
        "`[\"jwt\", \"api_key\"]`, `{ all = [\"jwt\", \"api_key\"] }`, `\"optional\"` or `\"public\"`";
    type List = Vec<Method>;
    type Table = AllOf;

    fn word(word: &str) -> Result<Self, String> {
        match word {
            "optional" => Ok(Self::Optional),
            "public" => Ok(Self::Public),
            "jwt" | "api_key" => Err(format!("`{word}` must stand in a list: write `[\"{word}\"]`")),
            _ => Err(format!("`{word}` does not say who may come: write {}", Self::EXPECTED)),
        }
    }

    fn list(list: Vec<Method>) -> Result<Self, String> {
        some(&list)?;
        Ok(Self::Any(list))
    }

    fn table(table: AllOf) -> Result<Self, String> {
        some(&table.all)?;
        Ok(Self::All(table.all))
    }
}

fn some(methods: &[Method]) -> Result<(), String> {
    if methods.is_empty() {
        return Err("nobody could come by an empty list: name a method, or write `\"public\"`".to_owned());
    }
    checks::distinct(methods).map_err(|fault| fault.message.unwrap_or_default().into_owned())
}

impl<'de> Deserialize<'de> for Authenticate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        choose(from)
    }
}

impl JsonSchema for Authenticate {
    fn schema_name() -> Cow<'static, str> {
        "Authenticate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "enum": ["optional", "public"] },
                { "type": "array", "minItems": 1, "items": generator.subschema_for::<Method>() },
                generator.subschema_for::<AllOf>(),
            ]
        })
    }
}

/// One of `[tokens.ALIAS]`: an issuer whose bearer JWTs are believed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct TokenSourceConfig {
    /// The exact `iss` of its tokens.
    #[validate(custom(function = checks::issuer))]
    pub issuer: String,
    /// Values of `aud`, one of which a token must carry.
    #[validate(length(min = 1, max = 32), custom(function = checks::distinct))]
    pub audiences: Vec<String>,
    /// Where its keys are: an `https` URL, or `file:PATH` (relative to the root). Default: found through OIDC discovery.
    pub jwks: Option<KeysFrom>,
    /// The signature algorithms that are accepted.
    #[serde(default = "default_algorithms")]
    #[validate(length(min = 1, max = 9), custom(function = algorithms))]
    pub algorithms: Vec<String>,
    /// Values of the header's `typ` that are accepted.
    #[serde(default = "default_types")]
    #[validate(length(min = 1, max = 8))]
    pub types: Vec<String>,
    /// How far its clock may be from ours.
    #[serde(default = "seconds::<30>")]
    #[validate(custom(function = checks::millis::<0, 300_000>))]
    pub leeway: Span,
    /// How often its keys are fetched anew.
    #[serde(default = "seconds::<300>")]
    #[validate(custom(function = checks::millis::<10_000, 86_400_000>))]
    pub refresh: Span,
    /// How old the last good keys may become while they cannot be fetched; after that 503.
    #[serde(default = "seconds::<86_400>")]
    #[validate(custom(function = checks::millis::<60_000, 2_592_000_000>))]
    pub max_age: Span,
    /// The shortest time between two fetches that unknown key ids cause.
    #[serde(default = "seconds::<30>")]
    #[validate(custom(function = checks::millis::<1_000, 3_600_000>))]
    pub cooldown: Span,
    /// The claim that lists groups.
    #[serde(default = "default_groups_claim")]
    #[validate(length(min = 1, max = 128))]
    pub groups_claim: String,
    /// The claim that names the client: where it equals `sub`, the principal is a `Client`.
    #[serde(default = "default_client_claim")]
    #[validate(length(min = 1, max = 128))]
    pub client_claim: String,
    /// Verified tokens kept, so that each is verified once.
    #[serde(default = "default_cache")]
    #[validate(range(max = 1_000_000))]
    pub cache: u32,
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn default_algorithms() -> Vec<String> {
    words(["ES256", "ES384", "RS256", "PS256", "EdDSA"])
}

fn default_types() -> Vec<String> {
    words(["at+jwt", "JWT"])
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}

fn default_client_claim() -> String {
    "client_id".to_owned()
}

const fn default_cache() -> u32 {
    20_000
}

fn algorithms(algorithms: &[String]) -> Result<(), ValidationError> {
    const KNOWN: [&str; 9] = ["ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];
    let fault = |message: String| ValidationError::new("algorithm").with_message(message.into());
    for algorithm in algorithms {
        if algorithm == "none" || algorithm.starts_with("HS") {
            return Err(fault(format!("`{algorithm}` proves nothing here: use a public-key algorithm, as in `ES256`")));
        }
        if !KNOWN.contains(&algorithm.as_str()) {
            return Err(fault(format!("`{algorithm}` is not a known algorithm: {}", KNOWN.join(", "))));
        }
    }
    checks::distinct(algorithms)
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeysFrom {
    /// Relative to the root.
    File(PathBuf),
    Url(String),
}

impl FromStr for KeysFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("file:") {
            Some("") => Err("`file:` names no file".to_owned()),
            Some(path) => Ok(Self::File(PathBuf::from(path))),
            None => match checks::issuer(text) {
                Ok(()) => Ok(Self::Url(text.to_owned())),
                Err(_) => Err(format!("`{text}` is not a place for keys: write an `https` URL or `file:PATH`")),
            },
        }
    }
}

impl fmt::Display for KeysFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Url(url) => f.write_str(url),
        }
    }
}

text_type!(KeysFrom, "KeysFrom", "An `https` URL of a JWK Set, or `file:PATH`.", "https://idp.example.com/jwks");

/// One limit of a route.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Who is counted: `principal`, `key`, `address`, `route`, `claim:NAME` or `header:NAME`.
    pub by: LimitBy,
    /// How many requests in how long.
    pub rate: Rate,
    /// How many of them may come at once. Default: as many as the rate has in one window.
    #[validate(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<u64>,
    /// Its name in `RateLimit` headers, and its bucket: limits of one name share it. Default: the route's name.
    #[validate(length(min = 1, max = 128), custom(function = checks::route_name))]
    pub name: Option<String>,
    /// What holds when the shared counters are away: `local` (the share of one replica), `allow` or `deny`.
    #[serde(default)]
    pub on_store_failure: OnStoreFailure,
}

/// Who is counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LimitBy {
    Address,
    Claim(String),
    Header(String),
    Key,
    Principal,
    Route,
}

impl FromStr for LimitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.split_once(':')) {
            ("address", _) => Ok(Self::Address),
            ("key", _) => Ok(Self::Key),
            ("principal", _) => Ok(Self::Principal),
            ("route", _) => Ok(Self::Route),
            (_, Some(("claim", name))) if !name.is_empty() => Ok(Self::Claim(name.to_owned())),
            (_, Some(("header", name))) if name.parse::<http::HeaderName>().is_ok() => {
                Ok(Self::Header(name.to_owned()))
            }
            _ => Err(format!(
                "`{text}` is nothing to count by: write `principal`, `key`, `address`, `route`, `claim:NAME` or \
                 `header:NAME`"
            )),
        }
    }
}

impl fmt::Display for LimitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Key => f.write_str("key"),
            Self::Principal => f.write_str("principal"),
            Self::Route => f.write_str("route"),
        }
    }
}

text_type!(LimitBy, "LimitBy", "`principal`, `key`, `address`, `route`, `claim:NAME` or `header:NAME`.", "principal");

/// What holds when the shared counters are away.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreFailure {
    Allow,
    Deny,
    #[default]
    Local,
}

/// One parameter of a route.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ParameterConfig {
    /// Where it stands: `path`, `query`, `header` or `cookie`.
    #[serde(rename = "in")]
    pub place: ParameterPlace,
    /// Its name.
    #[validate(length(min = 1, max = 128))]
    pub name: String,
    /// Whether a request without it is refused. Path parameters always are there.
    #[serde(default)]
    pub required: bool,
    /// JSON Schema of its value.
    pub schema: serde_json::Value,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterPlace {
    Cookie,
    Header,
    Path,
    Query,
}
