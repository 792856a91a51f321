//! How does the gateway prove that it is the client? By a statement signed with its key (RFC 7523 §2.2, §3).

use std::borrow::Cow;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::identify::Provider;
use portcullis_core::moment::Now;
use portcullis_core::refusal::LoginFailure;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use super::metadata::Metadata;
use super::tokens::Proof;
use super::{Fault, random_text};

/// How long one statement holds, in seconds.
const LIFE: i64 = 60;

enum Key {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// What is added to a request for tokens; nothing where a secret proves it.
pub(super) fn of(provider: &Provider, metadata: &Metadata, root: &Path, now: Now) -> Result<Proof, Fault> {
    let Some(path) = &provider.config.client_key else { return Ok(Vec::new()) };
    let refused = |why: String| (LoginFailure::ClientRefused, why);
    let key = read(&root.join(path)).map_err(refused)?;
    let id = &provider.config.client_id;
    let seconds = now.wall.seconds();
    let (alg, typ) = (key.algorithm(), "JWT");
    let header = match &provider.config.client_key_id {
        Some(kid) => json!({ "alg": alg, "typ": typ, "kid": kid }),
        None => json!({ "alg": alg, "typ": typ }),
    };
    // To the issuer and to the endpoint: both are in use.
    let claims = json!({
        "iss": id, "sub": id, "aud": [metadata.issuer, metadata.token_endpoint], "jti": random_text()?,
        "iat": seconds, "exp": seconds + LIFE,
    });
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key.sign(signed.as_bytes()).ok_or_else(|| refused("`client_key` does not sign".into()))?;
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
    Ok(vec![
        (Cow::Borrowed("client_assertion_type"), kind),
        (Cow::Borrowed("client_assertion"), format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))),
    ])
}

/// Whether the key of a provider can be used.
pub(crate) fn usable(provider: &Provider, root: &Path) -> Result<(), String> {
    provider.config.client_key.as_ref().map_or(Ok(()), |path| read(&root.join(path)).map(|_| ()))
}

fn read(path: &Path) -> Result<Key, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|fault| format!("`client_key` `{shown}` cannot be read: {fault}"))?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem)
        .map_err(|_| format!("`client_key` `{shown}` holds no `BEGIN PRIVATE KEY` (PKCS #8)"))?;
    let der = key.secret_pkcs8_der();
    if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
        return Ok(Key::Ec(pair));
    }
    RsaKeyPair::from_pkcs8(der).map(Key::Rsa).map_err(|_| format!("`client_key` `{shown}` is neither P-256 nor RSA"))
}

impl Key {
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Rsa(_) => "RS256",
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}
