//! What may be asked for, by whom, and in which form?

mod pattern;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

pub use pattern::RouteMatch;

use super::{
    Authenticate, BodyConfig, ContentCoding, Cors, ExchangeConfig, GuardConfig, LimitConfig, ParameterConfig,
    ResponsesConfig, StageConfig, UnknownQuery, checks,
};
use crate::gather::ResourceAttributesConfig;
use crate::refusal::LoginStyle;
use crate::units::{Size, Span};
use crate::validate::RouteInput;

/// One of `[[routes]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The Cedar action, and the label in logs and metrics. Letters, digits and `_ . : / - { }`; unique.
    #[validate(length(min = 1, max = 128), custom(function = checks::route_name))]
    pub name: String,
    /// Methods and path: `GET /a/{id}`, `GET|POST /a`, `ANY /a/{*rest}`. `GET` covers `HEAD`. Of several paths that fit,
    /// the most specific one has the request, whatever its methods: another method there is 405.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// The only host this route answers for. Default: every host.
    #[validate(custom(function = checks::host))]
    pub host: Option<String>,
    /// Which of `[upstreams]` answers.
    pub upstream: String,
    /// Who may come: a list of methods, any of which will do (`["jwt", "api_key"]`); `{ all = […] }` when every one
    /// is needed; `"optional"`; or `"public"`. There is no default.
    pub authenticate: Authenticate,
    /// The Cedar resource, a template over path parameters: `Order::"{id}"`. Default: `App::"<upstream>"`.
    #[validate(length(min = 1, max = 512))]
    pub resource: Option<String>,
    /// Where the resource's attributes come from. Default: it has none.
    #[validate(nested)]
    pub resource_attributes: Option<ResourceAttributesConfig>,
    /// Cedar action groups this route's action is in.
    #[serde(default)]
    #[validate(length(max = 16), custom(function = checks::words))]
    pub action_groups: Vec<String>,
    /// JSON Schema of the body. Relative to the folder of `portcullis.toml`.
    #[validate(custom(function = checks::path))]
    pub body_schema: Option<PathBuf>,
    /// Whether a body must be there. Default: for POST, PUT and PATCH where there is a schema. A body that is there is
    /// judged whatever the method.
    pub body_required: Option<bool>,
    /// JSON media types the schema is for. Default: `application/json` and every `application/…+json`.
    pub media_types: Option<Vec<String>>,
    /// Bodies of further media types: forms, files, or what passes unread. Where `body_schema` or this is given, all
    /// others are 415.
    #[serde(default)]
    #[validate(length(max = 16), nested)]
    pub bodies: Vec<BodyConfig>,
    /// Content codings, `gzip` and `deflate`, that are taken off before a body is judged; the application gets it plain.
    /// Default: none, a coded body is 415.
    #[serde(default)]
    #[validate(length(max = 2))]
    pub content_encodings: Vec<ContentCoding>,
    /// What the application may answer, by schemas. Default: whatever it likes.
    #[validate(nested)]
    pub responses: Option<ResponsesConfig>,
    /// The largest body. Default: `guard.max_body`.
    #[validate(custom(function = checks::bytes::<0, 1_099_511_627_776>))]
    pub max_body: Option<Size>,
    /// Parameters that are validated.
    #[serde(default)]
    #[validate(length(max = 64), nested)]
    pub parameters: Vec<ParameterConfig>,
    /// What becomes of query parameters that are not declared. Default: `refuse` where some are declared, else `allow`.
    pub unknown_query: Option<UnknownQuery>,
    /// Limits on how often this may be asked.
    #[serde(default)]
    #[validate(length(max = 8), nested)]
    pub limits: Vec<LimitConfig>,
    /// This route's own word on `[guard]`, key by key.
    #[validate(nested)]
    pub guard: Option<GuardConfig>,
    /// This route's own word on `[limit]`.
    pub limit: Option<StageConfig>,
    /// This route's own word on `[authorize]`.
    pub authorize: Option<StageConfig>,
    /// This route's own word on `[validate]`.
    pub validate: Option<StageConfig>,
    /// Whether the body is read and validated before the policies, so that they may speak about it.
    #[serde(default)]
    pub authorize_body: bool,
    /// Time for the whole request; for a stream, until its answer begins. Default: none beyond the upstream's timeouts.
    #[validate(custom(function = checks::millis::<10, 86_400_000>))]
    pub timeout: Option<Span>,
    /// The longest life of a stream: WebSocket, server-sent events, gRPC. Default `1h`.
    #[validate(custom(function = checks::millis::<1_000, 604_800_000>))]
    pub max_stream: Option<Span>,
    /// OAuth scopes that a token must carry, all of them.
    #[serde(default)]
    #[validate(length(max = 32), custom(function = checks::scopes))]
    pub scopes: Vec<String>,
    /// Aliases of `[tokens]` whose tokens are taken here. Default: all.
    #[serde(default)]
    #[validate(length(max = 16), custom(function = checks::words))]
    pub issuers: Vec<String>,
    /// A token must be made for one of these (`aud`), in the place of its source's `audiences`.
    #[serde(default)]
    #[validate(length(max = 32))]
    pub audiences: Vec<String>,
    /// How the caller must have been authenticated: its `acr` is one of these (RFC 9470). Whoever falls short gets 401
    /// `insufficient_user_authentication`, with what would do.
    #[serde(default)]
    #[validate(length(max = 16), custom(function = checks::acr))]
    pub acr: Vec<String>,
    /// How long ago the caller may have been authenticated (`auth_time`, RFC 9470).
    #[validate(custom(function = checks::millis::<1_000, 31_536_000_000>))]
    pub max_auth_age: Option<Span>,
    /// Aliases of `[providers]` whose sessions are taken here, and that people may choose from. Default: all.
    #[serde(default)]
    #[validate(length(max = 16), custom(function = checks::words))]
    pub providers: Vec<String>,
    /// What somebody without a session gets: `auto` sends browsers that navigate to the login and answers 401 to all
    /// others, `browser` sends every GET there, `api` always answers 401.
    #[serde(default)]
    pub login: LoginStyle,
    /// Whether the application gets a token of the caller's as `Authorization: Bearer`: `none`; `relay` for the token
    /// that was shown, or the access token of the session; or `exchange` for one that its provider gives for that.
    /// Only for applications that need it.
    #[serde(default)]
    pub token: TokenToApp,
    /// With `token = "exchange"`: what is asked for, as in `{ audience = "orders" }`.
    #[validate(nested)]
    pub exchange: Option<ExchangeConfig>,
    /// Cross-origin requests: `{ origins = […] }` or `"app"`. Default: preflights are refused.
    #[validate(nested)]
    pub cors: Option<Cors>,
    /// Whether the route may be upgraded to a WebSocket.
    #[serde(default)]
    pub websocket: bool,
}

/// What the application gets of the caller's own token.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenToApp {
    /// One that the provider gives in exchange for the caller's own.
    Exchange,
    #[default]
    None,
    /// As `Authorization: Bearer`; what else stands there is removed.
    Relay,
}

impl RouteConfig {
    /// The schema files of this route besides `body_schema`, each with the key that names it.
    pub fn schema_files(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let bodies = self.bodies.iter().filter_map(|body| body.schema.as_ref()).map(|path| ("bodies", path));
        let answers = self.responses.iter().flat_map(|responses| &responses.schemas);
        bodies.chain(answers.filter_map(|answer| answer.schema.as_ref()).map(|path| ("responses", path)))
    }

    /// What the validate stage reads of it.
    pub fn input(&self) -> RouteInput {
        RouteInput {
            body_schema: self.body_schema.as_ref().map(|path| path.display().to_string()),
            body_required: self.body_required,
            media_types: self.media_types.clone(),
            bodies: self.bodies.clone(),
            content_encodings: self.content_encodings.clone(),
            responses: self.responses.clone(),
            parameters: self.parameters.clone(),
            unknown_query: self.unknown_query,
            authorize_body: self.authorize_body,
        }
    }
}
