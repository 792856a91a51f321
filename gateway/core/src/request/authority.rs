//! Which host is meant?

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// `host [":" port]` (RFC 9110 §7.2), in the one spelling by which hosts are compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority<'a> {
    /// Lower case; an IPv6 literal without brackets and in its shortest form (RFC 5952).
    pub host: Cow<'a, str>,
    pub port: Option<u16>,
}

/// Why a text is not one host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthorityFault {
    BadHost,
    BadPort,
    Empty,
    Several,
    UserInfo,
}

impl<'a> Authority<'a> {
    /// The longest host name there is (RFC 1035 §2.3.4), in bytes.
    pub const LONGEST_NAME: usize = 253;
    const LONGEST_LABEL: usize = 63;

    /// Reads a `Host` field value or an `:authority`.
    ///
    /// Stricter than RFC 3986: a name is made of letters, digits, `-` and `_` in labels of at most 63 bytes, without
    /// percent-encoding and without the root's dot (`example.com.` would be a second name for `example.com`).
    pub fn parse(text: &'a str) -> Result<Self, AuthorityFault> {
        if text.is_empty() {
            return Err(AuthorityFault::Empty);
        }
        // One look at what nearly all are made of.
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':'));
        if !plain && text.contains('@') {
            return Err(AuthorityFault::UserInfo);
        }
        if !plain && text.contains([',', ' ', '\t']) {
            return Err(AuthorityFault::Several);
        }
        if let Some(literal) = text.strip_prefix('[') {
            let (address, rest) = literal.split_once(']').ok_or(AuthorityFault::BadHost)?;
            let address: Ipv6Addr = address.parse().map_err(|_| AuthorityFault::BadHost)?;
            let port = match rest.strip_prefix(':') {
                Some(digits) => Some(port(digits)?),
                None if rest.is_empty() => None,
                None => return Err(AuthorityFault::BadPort),
            };
            return Ok(Self { host: Cow::Owned(address.to_string()), port });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, digits)) => (name, Some(port(digits)?)),
            None => (text, None),
        };
        Ok(Self { host: host_name(name)?, port })
    }
}

fn host_name(name: &str) -> Result<Cow<'_, str>, AuthorityFault> {
    let label_fits = |label: &[u8]| {
        !label.is_empty()
            && label.len() <= Authority::LONGEST_LABEL
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > Authority::LONGEST_NAME || !name.as_bytes().split(|byte| *byte == b'.').all(label_fits) {
        return Err(AuthorityFault::BadHost);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

fn port(digits: &str) -> Result<u16, AuthorityFault> {
    // No sign and no leading zero: `+443` and `0443` would be other spellings of 443.
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AuthorityFault::BadPort);
    }
    digits.parse().map_err(|_| AuthorityFault::BadPort)
}

impl AuthorityFault {
    /// What is wrong; holds nothing the client sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadHost => "the host is neither a host name nor an address in the usual form",
            Self::BadPort => "the port of the host is not a number from 1 to 65535",
            Self::Empty => "the host is empty",
            Self::Several => "the host field names several hosts or holds spaces",
            Self::UserInfo => "the host holds user information",
        }
    }
}

impl fmt::Display for AuthorityFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
