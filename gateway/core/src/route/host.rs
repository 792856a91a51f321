//! Which hosts is a route for?

use std::fmt;
use std::str::FromStr;

use crate::request::Authority;

/// A host, or all hosts under a domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HostPattern {
    /// In the spelling of [`Authority::host`].
    Exact(Box<str>),
    /// `*.example.com`, kept as `.example.com`: every name below it, however deep, and not the domain itself.
    Under(Box<str>),
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, under) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let authority = Authority::parse(name).map_err(|_| {
            format!("`{text}` is not a host: write a name as in `app.example.com`, or `*.example.com` for all below it")
        })?;
        if authority.port.is_some() {
            return Err(format!("`{text}` has a port: write the host alone, `{}`", authority.host));
        }
        match under {
            true if authority.host.contains(':') => Err(format!("`{text}` is an address: nothing lies below it")),
            true => Ok(Self::Under(format!(".{}", authority.host).into())),
            false => Ok(Self::Exact(authority.host.into())),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => out.write_str(host),
            Self::Under(suffix) => write!(out, "*{suffix}"),
        }
    }
}
