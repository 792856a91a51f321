//! How is something given away that only we can read again? AES-256-GCM under a key of one purpose.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::world::random;

/// Seals and opens.
pub(crate) struct Sealer(LessSafeKey);

/// It could not be sealed: no randomness, or no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotSealed;

impl Sealer {
    /// A key for `purpose` alone, derived from 256 random bits.
    pub(crate) fn new(secret: &[u8; 32], purpose: &'static str) -> Result<Self, NotSealed> {
        let source = Salt::new(HKDF_SHA256, b"portcullis").extract(secret);
        let info = [purpose.as_bytes()];
        let key = source.expand(&info, &AES_256_GCM).map_err(|_| NotSealed)?;
        Ok(Self(LessSafeKey::new(UnboundKey::from(key))))
    }

    /// `about` is not kept, and must be the same at the opening.
    pub(crate) fn seal(&self, plain: &[u8], about: &str) -> Result<String, NotSealed> {
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce).map_err(|_| NotSealed)?;
        let mut sealed = plain.to_vec();
        let used = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(used, Aad::from(about.as_bytes()), &mut sealed).map_err(|_| NotSealed)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// `None`: not sealed by us, or about something else.
    pub(crate) fn open(&self, text: &str, about: &str) -> Option<Vec<u8>> {
        let whole = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = whole.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(about.as_bytes()), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::Sealer;

    #[test]
    fn only_what_we_sealed_for_this_opens() {
        let sealer = Sealer::new(&[1; 32], "test").ok().unwrap();
        let sealed = sealer.seal(b"secret", "a").unwrap();
        assert_eq!(sealer.open(&sealed, "a").as_deref(), Some(&b"secret"[..]));
        assert_ne!(sealed, sealer.seal(b"secret", "a").unwrap(), "never twice the same");
        assert_eq!(sealer.open(&sealed, "b"), None);
        assert_eq!(Sealer::new(&[1; 32], "other").ok().unwrap().open(&sealed, "a"), None);
        assert_eq!(Sealer::new(&[2; 32], "test").ok().unwrap().open(&sealed, "a"), None);
        for bad in ["", "AAAA", &sealed[1..], &format!("{sealed}A")] {
            assert_eq!(sealer.open(bad, "a"), None, "{bad}");
        }
    }
}
