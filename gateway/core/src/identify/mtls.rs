//! Whose certificate is this? The handshake has verified it; here it becomes a principal.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use super::{AuthMethod, Identity, Principal, refuse};
use crate::moment::Now;
use crate::refusal::Refusal;
use crate::request::ClientCertificate;

/// By thumbprint, and by what the holder is called, which differs by the kind of name that was configured.
type Known = ([u8; 32], Option<Arc<str>>);

/// The judge of client certificates, and the identities of those last seen.
#[derive(Debug)]
pub(super) struct Holders {
    seen: Cache<Known, Arc<Identity>>,
}

impl Holders {
    /// Identities kept, so that a request on a known connection costs no allocation.
    const MOST_SEEN: usize = 10_000;

    pub(super) fn new() -> Self {
        Self { seen: Cache::new(Self::MOST_SEEN) }
    }

    /// Who holds the certificate of this connection.
    ///
    /// # Errors
    /// `invalid_certificate` when it has expired since the handshake, or holds no name of the configured kind.
    pub(super) fn identify(&self, certificate: &ClientCertificate, now: Now) -> Result<Arc<Identity>, Refusal> {
        if now.wall >= certificate.not_after {
            return Err(refuse::certificate("the client certificate has expired since the connection was made"));
        }
        let key = (certificate.thumbprint, certificate.name.clone());
        self.seen.get_or_insert_with(&key, || identity(certificate))
    }
}

fn identity(certificate: &ClientCertificate) -> Result<Arc<Identity>, Refusal> {
    let name = certificate.name.as_ref().ok_or_else(|| {
        refuse::certificate("the client certificate has no subject alternative name, and those name the principal here")
    })?;
    Ok(Arc::new(Identity {
        principal: Principal::Certificate(Arc::clone(name)),
        method: AuthMethod::Mtls,
        groups: Vec::new(),
        attributes: attributes(certificate),
        scopes: Vec::new(),
        email: None,
        authenticated_at: None,
        expires_at: Some(certificate.not_after),
        token: None,
        session: None,
        bounds: None,
        entity: OnceLock::new(),
    }))
}

/// What policies may see of it, where their schema declares it.
fn attributes(certificate: &ClientCertificate) -> Map<String, Value> {
    let base64 = |hash: &[u8; 32]| Value::from(URL_SAFE_NO_PAD.encode(hash));
    let sans: Vec<Value> = certificate.sans.iter().map(|san| Value::from(&**san)).collect();
    [
        ("subject", Value::from(&*certificate.subject)),
        ("issuer", Value::from(&*certificate.issuer)),
        ("serial", Value::from(&*certificate.serial)),
        ("sans", Value::from(sans)),
        ("spki", base64(&certificate.spki)),
        ("fingerprint", base64(&certificate.thumbprint)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
