//! What stands behind the gateway?

mod identity_headers;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;
use validator::Validate;

pub use identity_headers::IdentityHeaders;

use super::text::text_type;
use super::values::seconds;
use super::{checks, urls};
use crate::units::Span;

/// One of `[upstreams.NAME]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Where it answers: `http://`, `https://`, or `h2c://` for gRPC without TLS. Several share the load.
    #[validate(length(min = 1, max = 64), custom(function = checks::distinct))]
    pub targets: Vec<TargetUrl>,
    /// Time to connect, TLS included.
    #[serde(default = "seconds::<2>")]
    #[validate(custom(function = checks::millis::<10, 60_000>))]
    pub connect_timeout: Span,
    /// Time without a byte from the upstream.
    #[serde(default = "seconds::<30>")]
    #[validate(custom(function = checks::millis::<10, 86_400_000>))]
    pub read_timeout: Span,
    /// Time without progress while writing to the upstream.
    #[serde(default = "seconds::<30>")]
    #[validate(custom(function = checks::millis::<10, 86_400_000>))]
    pub write_timeout: Span,
    /// Time an idle connection is kept for the next request; some seconds later it is closed.
    #[serde(default = "seconds::<60>")]
    #[validate(custom(function = checks::millis::<1_000, 3_600_000>))]
    pub idle_timeout: Span,
    /// Further attempts on another target, for requests that are safe or idempotent.
    #[serde(default = "one")]
    #[validate(range(max = 5))]
    pub retries: u32,
    /// Requests under way at once; further ones are shed with 503.
    #[serde(default = "thousand")]
    #[validate(range(min = 1, max = 1_000_000))]
    pub max_connections: u32,
    /// Whether `X-Portcullis-Assertion`, a short-lived signed JWT about the caller, is added.
    #[serde(default)]
    pub assertion: bool,
    /// The authorities that vouch for `https` targets, PEM. Relative to the root. Default: the system's.
    #[validate(custom(function = checks::path))]
    pub ca: Option<PathBuf>,
    /// The name that `https` targets must prove. Default: the target's host.
    #[validate(custom(function = checks::host))]
    pub sni: Option<String>,
    /// Whether `https` targets are offered HTTP/2.
    #[serde(default)]
    pub http2: bool,
    /// The headers that carry the identity: a preset (`portcullis`, `oauth2-proxy`, `authelia`) or the names one by
    /// one. Whatever names are set are removed from what clients send.
    #[serde(default)]
    #[validate(nested)]
    pub identity_headers: IdentityHeaders,
}

const fn one() -> u32 {
    1
}

const fn thousand() -> u32 {
    1_000
}

/// Where a target answers: scheme, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetUrl {
    pub scheme: TargetScheme,
    /// Lower case; an IPv6 literal without its brackets.
    pub host: String,
    pub port: u16,
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetScheme {
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3).
    H2c,
    Http,
    Https,
}

impl TargetScheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H2c => "h2c",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is not a target: write `http://`, `https://` or `h2c://`, a host and, if need be, a port")
        };
        let parts = urls::parts(text).ok_or_else(wrong)?;
        if !matches!(parts.rest, "" | "/") {
            return Err(format!(
                "`{text}` has `{}` after the host: a target has no path, because requests keep theirs",
                parts.rest
            ));
        }
        let (scheme, usual) = match parts.scheme {
            "h2c" => (TargetScheme::H2c, 80),
            "http" => (TargetScheme::Http, 80),
            "https" => (TargetScheme::Https, 443),
            _ => return Err(wrong()),
        };
        let host = parts.host.trim_matches(['[', ']']).to_owned();
        Ok(Self { scheme, host, port: parts.port.unwrap_or(usual) })
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{}://{host}:{}", self.scheme.as_str(), self.port)
    }
}

text_type!(TargetUrl, "TargetUrl", "Scheme, host and port of a target, without a path.", "http://127.0.0.1:3000");
