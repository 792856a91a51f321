//! Which URLs? The few forms that configuration needs, each exact.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::text::text_type;

/// The parts of `scheme://host[:port]rest`. The host is lower case; an IPv6 literal keeps its brackets.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// Path, query and fragment as written.
    pub(super) rest: &'a str,
}

/// `None` when the text has another form, names a user, or holds what a URL may not.
pub(super) fn parts(text: &str) -> Option<Parts<'_>> {
    if text.len() > 2048 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let (scheme, after) = text.split_once("://")?;
    let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
    let (authority, rest) = after.split_at_checked(end)?;
    let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), port)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (name, port) = authority.split_at_checked(end)?;
        (is_name(name).then(|| name.to_ascii_lowercase())?, port)
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok().filter(|p| *p != 0)?),
        None if port.is_empty() => None,
        Some(_) | None => return None,
    };
    Some(Parts { scheme, host, port, rest })
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inner) && !label.starts_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a host is this very machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback())
}

/// A web origin as browsers write it: scheme, host and port, nothing after (RFC 6454 §6.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    text: String,
    secure: bool,
    loopback: bool,
}

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its scheme is `https`.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether its host is this very machine.
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an origin: write scheme and host, and the port unless it is the usual one, as in \
                 `https://app.example.com`"
            )
        };
        if matches!(text, "*" | "null") {
            return Err(format!("`{text}` would let every page read the answers: list the origins one by one"));
        }
        let parts = parts(text).ok_or_else(wrong)?;
        if !parts.rest.is_empty() {
            return Err(format!("`{text}` has `{}` after the host, which an origin may not have", parts.rest));
        }
        let usual = match parts.scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong()),
        };
        let port = parts.port.filter(|port| *port != usual).map_or_else(String::new, |port| format!(":{port}"));
        let exact = format!("{}://{}{port}", parts.scheme, parts.host);
        if exact != text {
            return Err(format!("`{text}` is not how browsers write this origin: write `{exact}`"));
        }
        Ok(Self { text: exact, secure: parts.scheme == "https", loopback: is_loopback(&parts.host) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_type!(Origin, "Origin", "A web origin: scheme, host and port, nothing after.", "https://app.example.com");
