//! Under which key is someone counted?
//!
//! `<limit>` is the stage's prefix; the value follows as `=text`, as `#` and the SHA-256 of it in base64url
//! (long ids, and everything taken from claims and header fields, which may be secret), or as `-` for a
//! caller who has none. The three cannot be taken for each other.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::By;
use crate::identify::{Identity, Principal};
use crate::request::Request;

/// Ids up to this many bytes stand in the key as they are.
const LONGEST_PLAIN: usize = 96;

/// Room for a whole key on the stack, so that a key costs one allocation.
///
/// INVARIANT: prefix (at most 96 bytes), kind and value fit; what did not would be cut, never spill.
pub(crate) struct KeyText {
    bytes: [u8; Self::ROOM],
    used: usize,
}

impl KeyText {
    const ROOM: usize = 256;

    pub(crate) fn new(prefix: &str) -> Self {
        let mut text = Self { bytes: [0; Self::ROOM], used: 0 };
        text.push(prefix);
        text
    }

    pub(crate) fn push(&mut self, text: &str) {
        let end = self.used + text.len();
        if let Some(room) = self.bytes.get_mut(self.used..end) {
            room.copy_from_slice(text.as_bytes());
            self.used = end;
        }
    }

    pub(crate) fn finish(&self) -> Arc<str> {
        let text = self.bytes.get(..self.used).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Arc::from(text.unwrap_or_default())
    }

    pub(crate) fn push_id(&mut self, id: &str) {
        if id.len() <= LONGEST_PLAIN {
            self.push("=");
            self.push(id);
        } else {
            self.push_hashed(id.as_bytes());
        }
    }

    fn push_hashed(&mut self, bytes: &[u8]) {
        self.push("#");
        self.push(hash(bytes, &mut [0; HASH]));
    }

    fn push_absent(&mut self) {
        self.push("-");
    }
}

impl Write for KeyText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// SHA-256 in base64url.
const HASH: usize = 43;

fn hash<'a>(bytes: &[u8], room: &'a mut [u8; HASH]) -> &'a str {
    let digest = digest::digest(&digest::SHA256, bytes);
    let used = URL_SAFE_NO_PAD.encode_slice(digest, room).unwrap_or(0);
    room.get(..used).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
}

/// A part of a key that must not hold a separator: as it is where it is short and plain, else its hash.
pub(super) fn plain_part(text: &str) -> String {
    if (1..=64).contains(&text.len()) && is_plain(text) {
        return text.to_owned();
    }
    format!("#{}", hash(text.as_bytes(), &mut [0; HASH]))
}

pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Appends the one who is counted.
pub(super) fn push_who(text: &mut KeyText, by: &By, request: &Request<'_>, identity: &Identity) {
    match by {
        By::Address => push_address(text, request.client),
        By::Claim(name) => push_claim(text, identity.attributes.get(name)),
        By::Header(name) => match request.single(name.as_str()) {
            Some(value) => text.push_hashed(value.as_bytes()),
            None => text.push_absent(),
        },
        By::Key => match &identity.principal {
            Principal::ApiKey(id) => text.push_id(id),
            Principal::Anonymous | Principal::Certificate(_) | Principal::Client(_) | Principal::User(_) => {
                text.push_absent();
            }
        },
        By::Principal => {
            text.push(identity.principal.kind());
            text.push_id(identity.principal.id());
        }
        By::Route => {}
    }
}

/// IPv4 whole, also where it comes mapped into IPv6; IPv6 by its /64, since that is the least one host is given.
pub(crate) fn push_address(text: &mut KeyText, address: IpAddr) {
    text.push("=");
    // Writing to the key cannot fail.
    let _ = match address.to_canonical() {
        IpAddr::V4(address) => write!(text, "{address}"),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            write!(text, "{}/64", std::net::Ipv6Addr::from_bits(network))
        }
    };
}

fn push_claim(text: &mut KeyText, value: Option<&Value>) {
    match value {
        None | Some(Value::Null) => text.push_absent(),
        // The mark keeps the string `1` apart from the number.
        Some(Value::String(value)) => {
            text.push("s");
            text.push_hashed(value.as_bytes());
        }
        Some(value @ (Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_))) => {
            text.push_hashed(value.to_string().as_bytes());
        }
    }
}
