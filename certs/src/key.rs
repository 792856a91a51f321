//! A signing key: P-256, in memory or in a file of mode 0600.

use std::fmt;
use std::path::Path;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};

use crate::{Error, file};

/// A P-256 private key. Its `Debug` shows nothing of it.
pub struct PrivateKey(pub(crate) KeyPair);

impl PrivateKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// The key in the file `path`, made there (mode 0600, folder 0700) if there is none.
    ///
    /// Fails when the file holds something else: a key is never overwritten.
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        let dir = path.parent().filter(|dir| *dir != "").unwrap_or(Path::new("."));
        file::make_dir(dir)?;
        let _lock = file::lock(dir)?;
        if let Some(pem) = file::read_private(path)? {
            let unusable = || Error::Unusable { path: path.to_owned(), why: "is not a P-256 key in PKCS #8 PEM" };
            return Self::from_pem(&pem).ok_or_else(unusable);
        }
        let key = Self::generate()?;
        file::write_private(path, key.pem().as_bytes())?;
        Ok(key)
    }

    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256).ok().map(Self)
    }

    /// PKCS #8 in PEM.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// PKCS #8 in DER (RFC 5958).
    pub fn pkcs8(&self) -> &[u8] {
        self.0.serialized_der()
    }

    /// The public point, uncompressed: `04`, then 32 bytes of x, then 32 bytes of y (SEC 1 §2.3.3).
    pub fn public_point(&self) -> &[u8] {
        self.0.public_key_raw()
    }

    pub(crate) fn public_key_info(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}
