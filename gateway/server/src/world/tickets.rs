//! With which keys are TLS session tickets sealed?
//!
//! Replicas that share a secret open each other's tickets without a word between them: the keys of each span of time
//! follow from the secret and the number of the span alone (HKDF, RFC 5869), and so are rotated by all at once.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use portcullis_core::config::Secret;
use rustls::server::ProducesTickets;

use super::clock::system_time;
use super::random;

/// Seconds that one key seals; it opens for two spans more at most, for those whose clocks differ.
const SPAN: u32 = 6 * 60 * 60;

/// The name of a key, which stands before what it sealed.
const NAME: usize = 16;
const KEY: usize = 32;

/// Keys that follow from a secret.
pub(crate) struct SharedTickets {
    root: Prk,
    keys: ArcSwap<Keys>,
    clock: fn() -> SystemTime,
}

/// Those in use during one span.
struct Keys {
    span: u64,
    seals: Key,
    /// Those of the span before, and of the next.
    opens: [Key; 2],
}

struct Key {
    name: [u8; NAME],
    key: LessSafeKey,
}

impl SharedTickets {
    /// Fails only where the cryptography library does.
    pub(crate) fn new(secret: &Secret) -> Result<Self, Unspecified> {
        Self::by(system_time, secret)
    }

    fn by(clock: fn() -> SystemTime, secret: &Secret) -> Result<Self, Unspecified> {
        let root = Salt::new(HKDF_SHA256, b"portcullis tls tickets").extract(secret.expose().as_bytes());
        let keys = ArcSwap::from_pointee(Keys::of(&root, span(clock()))?);
        Ok(Self { root, keys, clock })
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        let span = span((self.clock)());
        let current = self.keys.load_full();
        if current.span == span {
            return Some(current);
        }
        let next = Arc::new(Keys::of(&self.root, span).ok()?);
        self.keys.store(Arc::clone(&next));
        Some(next)
    }
}

impl std::fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedTickets")
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SPAN
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys()?.seals.seal(plain)
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys()?;
        let name = sealed.first_chunk::<NAME>()?;
        std::iter::once(&keys.seals).chain(&keys.opens).find(|key| key.name == *name)?.open(sealed)
    }
}

impl Keys {
    fn of(root: &Prk, span: u64) -> Result<Self, Unspecified> {
        let key = |span| Key::of(root, span);
        Ok(Self { span, seals: key(span)?, opens: [key(span.saturating_sub(1))?, key(span.saturating_add(1))?] })
    }
}

impl Key {
    fn of(root: &Prk, span: u64) -> Result<Self, Unspecified> {
        let mut bytes = [0; NAME + KEY];
        let span = span.to_be_bytes();
        root.expand(&[b"ticket key", &span], Length(bytes.len()))?.fill(&mut bytes)?;
        let (name, key) = bytes.split_first_chunk::<NAME>().ok_or(Unspecified)?;
        Ok(Self { name: *name, key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?) })
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(self.name);
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([&self.name[..], &nonce, &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let plain = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(*name), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// So many bytes of key material.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Which span a time belongs to.
fn span(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) / u64::from(SPAN)
}
