//! Key sets (RFC 7517): which keys may verify a token of one issuer.

mod key;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::json;
use super::jwt::{Algorithm, Token};
pub(super) use key::VerificationKey;

/// The verification keys of one issuer, parsed once when fetched.
#[derive(Debug)]
pub struct KeySet {
    /// Differs for every content and every source, in the whole process: the cache of verified tokens
    /// relies on it.
    pub generation: u64,
    keys: Vec<VerificationKey>,
}

/// Where the keys of one token source come from and how fresh they must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceSpec {
    pub alias: Arc<str>,
    /// Exactly as configured; discovery metadata must name the same.
    pub issuer: String,
    pub origin: KeyOrigin,
    /// How often the keys are fetched.
    pub refresh: Duration,
    /// How old the last good set may be.
    pub max_age: Duration,
    /// At least so long between two fetches that unknown key ids ask for.
    pub cooldown: Duration,
}

/// Where a key set is to be had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyOrigin {
    /// `<issuer>/.well-known/openid-configuration` names the key set (OIDC Discovery §4).
    Discovery,
    /// Relative to the root of the configuration.
    File(PathBuf),
    /// `https`, or `http` on loopback.
    Url(String),
}

/// What a key set says about a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signature {
    /// The key is known and the signature is not its.
    Bad,
    Good,
    /// The key that signed this may be newer than the set.
    UnknownKey,
}

impl KeySet {
    /// Larger documents are refused unread.
    pub const MOST_BYTES: usize = 512 * 1024;
    pub const MOST_KEYS: usize = 100;
    /// A token without `kid`, or a `kid` shared by several keys, costs at most so many verifications.
    const MOST_TRIES: usize = 4;

    /// Reads a key set; keys of no use here are left out, each with the reason.
    ///
    /// An empty set is no error: an issuer may withdraw all its keys, and then no token verifies.
    ///
    /// # Errors
    /// What is wrong with the document as a whole.
    pub fn parse(document: &[u8], generation: u64) -> Result<(Self, Vec<String>), String> {
        if document.len() > Self::MOST_BYTES {
            return Err("the key set is larger than 512 KiB".into());
        }
        let mut members = json::object(document).map_err(|fault| match fault {
            json::Fault::NotAnObject => "the key set is not a JSON object",
            json::Fault::Repeated => "the key set repeats a member",
        })?;
        let Some(Value::Array(entries)) = members.remove("keys") else {
            return Err("the key set has no `keys` array (RFC 7517 §5)".into());
        };
        if entries.len() > Self::MOST_KEYS {
            return Err(format!("the key set has {} keys; at most {} are read", entries.len(), Self::MOST_KEYS));
        }
        let mut keys = Vec::with_capacity(entries.len());
        let mut skipped = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match VerificationKey::parse(entry) {
                Ok(key) => keys.push(key),
                Err(why) => skipped.push(format!("key {index} is left out: {why}")),
            }
        }
        Ok((Self { generation, keys }, skipped))
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks the signature of `token` with the keys that its `kid` and `alg` select.
    pub(super) fn check(&self, token: &Token<'_>) -> Signature {
        let named = |key: &&VerificationKey| token.kid.is_none() || key.kid == token.kid;
        if token.kid.is_some() && !self.keys.iter().any(|key| named(&key)) {
            return Signature::UnknownKey;
        }
        let fitting = self.keys.iter().filter(named).filter(|key| key.may(token.algorithm)).take(Self::MOST_TRIES);
        for key in fitting {
            if key.verifies(token) {
                return Signature::Good;
            }
        }
        match token.kid {
            Some(_) => Signature::Bad,
            // Without a name, a newer key and a forged signature look the same.
            None => Signature::UnknownKey,
        }
    }
}

/// Which algorithms a key may be used with is the key's to say, never the token's.
impl VerificationKey {
    pub(super) fn may(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    fn verifies(&self, token: &Token<'_>) -> bool {
        self.signed(token.signed.as_bytes(), token.signature, token.algorithm)
    }

    /// Whether it made this signature (base64url) over `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &str, algorithm: Algorithm) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.material, algorithm.library()).unwrap_or(false)
    }
}
