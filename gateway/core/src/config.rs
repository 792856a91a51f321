//! What may an operator write?
//!
//! The types here are the text: what stands in `portcullis.toml`, with every default filled in and nothing resolved.
//! [`load`] reads it, reports everything wrong with it at once, and hands on a [`Loaded`]; compiling that into
//! something that runs is the snapshot's work. One file per section; the JSON Schema and `docs/configuration.md`
//! are generated from these very types.

mod addresses;
mod checks;
mod choice;
mod control;
mod cors;
mod counters;
mod error;
mod exchange;
mod load;
mod observe;
mod policies;
mod routes;
mod schema;
mod server;
mod servers;
mod source;
mod stages;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod upstreams;
mod urls;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;

// Each stage owns the text of its own part.
pub use crate::gather::HierarchyConfig;
pub use crate::govern::AdminConfig;
pub use crate::guard::{GuardConfig, Network};
pub use crate::identify::{
    Authenticate, IntrospectionConfig, LogoutReach, Method, PlanConfig, ProviderConfig, ProviderKind, Secret,
    SessionsConfig, TokenSourceConfig,
};
pub use crate::limit::{By as LimitBy, LimitConfig, OnStoreFailure};
pub use crate::validate::{
    BodyConfig, ContentCoding, ParameterConfig, ParameterStyle, Place as ParameterPlace, ResponseConfig,
    ResponsesConfig, Undeclared, UnknownQuery, ValidateConfig,
};
pub use addresses::Listener;
pub use control::{ControlConfig, ControlSource};
pub use cors::{Cors, CorsConfig};
pub use counters::CountersConfig;
pub use error::{ConfigError, Location, render};
pub use exchange::{ExchangeConfig, OnExchangeFailure};
pub use load::{Doorway, Gathered, Loaded, Machine, PathPart, Terms, doorway, gather, load, load_under};
pub use observe::{AccessLog, Level, ObserveConfig};
pub use policies::PoliciesConfig;
pub use routes::{RouteConfig, RouteMatch, TokenToApp};
pub use schema::{json_schema, reference_markdown};
pub use server::ServerConfig;
pub use servers::{Servers, StoreMode};
pub use source::{ContentHash, FileFault, FilePart, ReadFile, Source};
pub use stages::StageConfig;
pub use store::StoreConfig;
pub use tls::{CertificateConfig, CertificateName, ClientCertificatesConfig, Demand, TlsConfig, TlsVersion};
pub use upstreams::{IdentityHeaders, TargetScheme, TargetUrl, UpstreamConfig};
pub use urls::Origin;

/// Everything an operator may write in `portcullis.toml` and the files it includes.
///
/// Durations are written `10s`, sizes `1MiB`, rates `60/min`. In every text value `${NAME}`, `${NAME:-default}` and
/// `${file:PATH}` are replaced after parsing; `$${` stands for `${` itself. An unknown key is an error.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Portcullis configuration")]
pub struct Config {
    /// Further files with routes, upstreams and token sources. Paths are relative to this file; the last part may hold
    /// one `*`. Included files may hold `[[routes]]`, `[upstreams.…]` and `[tokens.…]` only, and include nothing.
    #[schemars(default)]
    pub include: Vec<String>,
    /// Where the gateway listens and what a connection may cost. A change here needs a restart.
    #[schemars(default)]
    pub server: ServerConfig,
    /// Who else than the holder of the admin key may use the admin API.
    #[schemars(default)]
    pub admin: AdminConfig,
    /// The certificates of the public HTTPS listener.
    #[schemars(default)]
    pub tls: TlsConfig,
    /// Where keys, decisions and revisions are kept.
    #[schemars(default)]
    pub store: StoreConfig,
    /// Where the configuration comes from, and what is kept of its past.
    #[schemars(default)]
    pub control: ControlConfig,
    /// Where requests are counted for limits.
    #[schemars(default)]
    pub counters: CountersConfig,
    /// Where the Cedar policies and their schema are.
    #[schemars(default)]
    pub policies: PoliciesConfig,
    /// May this address even ask? The default for every route; a route overrides it key by key.
    #[schemars(default)]
    pub guard: GuardConfig,
    /// Whether limits bite, for every route that does not say otherwise.
    #[schemars(default)]
    pub limit: StageConfig,
    /// Whether policies bite, for every route that does not say otherwise.
    #[schemars(default)]
    pub authorize: StageConfig,
    /// Whether parameter and body schemas bite, for every route that does not say otherwise, and how much JSON is read.
    #[schemars(default)]
    pub validate: ValidateConfig,
    /// Logs.
    #[schemars(default)]
    pub observe: ObserveConfig,
    /// How long somebody who has logged in stays so.
    #[schemars(default)]
    pub sessions: SessionsConfig,
    /// Where people log in with a browser, by alias. The alias names the provider in policies: `User::"<alias>|<sub>"`.
    #[schemars(default)]
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Issuers of bearer JWTs, by alias. The alias names the issuer in policies: `User::"<alias>|<sub>"`.
    #[schemars(default)]
    pub tokens: BTreeMap<String, TokenSourceConfig>,
    /// Limits that many API keys have in common, by the name that keys have as their `plan`.
    #[schemars(default)]
    pub plans: BTreeMap<String, PlanConfig>,
    /// What entities are in, by their type: `[hierarchy.Folder]`, so that `resource in Folder::"shared"` holds for what is in
    /// a folder in it, and `principal in Group::"company|staff"` for whoever is in a group of it. At most 16 levels and 64
    /// entities above one.
    #[schemars(default)]
    pub hierarchy: BTreeMap<String, HierarchyConfig>,
    /// The applications behind the gateway, by name.
    #[schemars(default)]
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// What may be asked for. What no route matches is refused.
    #[schemars(default)]
    pub routes: Vec<RouteConfig>,
}
