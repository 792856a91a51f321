//! Where does the gateway listen, and what may a connection cost?

use schemars::JsonSchema;
use serde::Deserialize;
use validator::Validate;

use super::values::{kib, mib, seconds};
use super::{ClientCertificatesConfig, Listener, Network, Origin, checks};
use crate::units::{Size, Span};

/// `[server]`. A change here needs a restart.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The public listener: HTTPS, with HTTP/1.1 and HTTP/2. `off` only where `plain` is used instead.
    pub https: Listener,
    /// A public plain HTTP listener that does nothing but redirect to `public_url`.
    pub http: Listener,
    /// A public plain HTTP listener behind a platform that terminates TLS. It answers `trusted_proxies` only.
    pub plain: Listener,
    /// The admin API, `/livez`, `/readyz` and `/metrics`, over HTTPS. A loopback address, unless
    /// `admin_client_certificates` says who vouches for administrators, or `admin.issuers` whose tokens are taken: from
    /// elsewhere nothing but those opens it.
    pub admin: Listener,
    /// Who vouches for administrators by certificate. What a holder may, `[admin.holders]` says. With
    /// `demand = "required"` nobody gets past the handshake of the admin listener without one.
    #[validate(nested)]
    pub admin_client_certificates: Option<ClientCertificatesConfig>,
    /// `/livez`, `/readyz` and `/metrics` alone, over plain HTTP and without detail, for probes and scrapers.
    pub probes: Listener,
    /// The origin clients reach the gateway by. Redirects and metadata name it; needed by `http`.
    pub public_url: Option<Origin>,
    /// The proxies before the gateway whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Nobody's, unless
    /// listed here.
    #[validate(length(max = 256))]
    pub trusted_proxies: Vec<Network>,
    /// Worker threads. Default: one per core.
    #[validate(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
    /// Connections open at once on the public listeners; further ones are closed at once.
    #[validate(range(min = 1, max = 1_000_000))]
    pub max_connections: u32,
    /// Requests one connection may carry before it is closed.
    #[validate(range(min = 1, max = 1_000_000))]
    pub max_requests_per_connection: u32,
    /// Memory that all bodies together may take while they are held for validation.
    #[validate(custom(function = checks::bytes::<65_536, 68_719_476_736>))]
    pub max_body_memory: Size,
    /// Size of a request's header fields together.
    #[validate(custom(function = checks::bytes::<1_024, 1_048_576>))]
    pub max_header_bytes: Size,
    /// Number of a request's header fields.
    #[validate(range(min = 8, max = 200))]
    pub max_header_fields: u32,
    /// Length of a request's target (path and query).
    #[validate(custom(function = checks::bytes::<256, 65_536>))]
    pub max_target_bytes: Size,
    /// Time for a TLS handshake.
    #[validate(custom(function = checks::millis::<100, 300_000>))]
    pub handshake_timeout: Span,
    /// Time until a request's head has arrived whole.
    #[validate(custom(function = checks::millis::<100, 300_000>))]
    pub header_timeout: Span,
    /// Time without progress of a body: a request's as it arrives, an answer's as the client reads it.
    #[validate(custom(function = checks::millis::<100, 3_600_000>))]
    pub body_timeout: Span,
    /// Time an idle connection is kept open for its next request.
    #[validate(custom(function = checks::millis::<1_000, 3_600_000>))]
    pub keepalive_timeout: Span,
    /// Time that requests under way are given when the gateway stops.
    #[validate(custom(function = checks::millis::<1_000, 3_600_000>))]
    pub grace_period: Span,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            https: Listener::https(),
            http: Listener::Off,
            plain: Listener::Off,
            admin: Listener::admin(),
            admin_client_certificates: None,
            probes: Listener::Off,
            public_url: None,
            trusted_proxies: Vec::new(),
            threads: None,
            max_connections: 10_000,
            max_requests_per_connection: 1_000,
            max_body_memory: mib::<256>(),
            max_header_bytes: kib::<32>(),
            max_header_fields: 100,
            max_target_bytes: kib::<8>(),
            handshake_timeout: seconds::<10>(),
            header_timeout: seconds::<10>(),
            body_timeout: seconds::<30>(),
            keepalive_timeout: seconds::<60>(),
            grace_period: seconds::<30>(),
        }
    }
}
