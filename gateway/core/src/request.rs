//! What was asked? The read-only, normalised request a stage may see.
//!
//! INVARIANT: a `Request` exists only after [`crate::framing`] has passed the head, so no stage
//! ever meets an ambiguous length, host, target or field name.

mod authority;
mod certificate;
pub mod cookies;
pub mod methods;
mod path;

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, Method, Version};

pub use authority::{Authority, AuthorityFault};
pub use certificate::ClientCertificate;
pub(crate) use path::fold;
pub use path::{CanonicalPath, PathFault};

/// One request, after framing and before any decision.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a Method,
    pub scheme: Scheme,
    /// Lower case, without port and without the brackets of an IPv6 literal.
    pub host: Cow<'a, str>,
    pub path: CanonicalPath<'a>,
    /// As received, without `?`.
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub version: Version,
    /// Who asks, after trusted proxies have been believed.
    pub client: IpAddr,
    /// The other end of the TCP connection.
    pub peer: IpAddr,
    /// Whom the TLS connection was made with, where the client showed a certificate and it was verified.
    pub certificate: Option<&'a ClientCertificate>,
    pub body: DeclaredBody,
}

/// How the client reached us (or the trusted proxy before us).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What the head says about the body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeclaredBody {
    /// No body.
    Absent,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// Chunked, or HTTP/2 without `content-length`.
    Unknown,
}

impl Request<'_> {
    /// The only value of a field that may appear once; `None` when absent, repeated or not UTF-8.
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }
}
