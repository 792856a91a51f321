//! Who signs? Keys made at run time, and tokens straight or bent.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The algorithms the gateway may accept (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    EdDsa,
    Es256,
    Es384,
    Ps256,
    Rs256,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::EdDsa, Self::Es256, Self::Es384, Self::Ps256, Self::Rs256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

/// A key pair with its id.
pub struct Signer {
    pub algorithm: Algorithm,
    pub kid: String,
    key: Key,
}

enum Key {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// Makes a new key pair; RSA keys have 2048 bits.
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let key = match algorithm {
            Algorithm::EdDsa => Key::Ed(Ed25519KeyPair::generate().unwrap()),
            Algorithm::Es256 => Key::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            Algorithm::Es384 => Key::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            Algorithm::Ps256 | Algorithm::Rs256 => Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        Self { algorithm, kid: kid.to_owned(), key }
    }

    /// The public key (RFC 7517 §4).
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Key::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key()) }),
            Key::Ec(pair) => {
                // An uncompressed point: 4, x, y.
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) })
            }
            Key::Rsa(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({
                    "kty": "RSA",
                    "n": base64(n.big_endian_without_leading_zero()),
                    "e": base64(e.big_endian_without_leading_zero()),
                })
            }
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// An `at+jwt` with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({}), claims)
    }

    /// As [`Self::sign`], with `header` put over the usual `alg`, `kid` and `typ`; a member set to null is left out.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let mut whole = json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": "at+jwt" });
        let members = whole.as_object_mut().unwrap();
        members.extend(header.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        self.sign_raw(whole.to_string(), claims.to_string())
    }

    /// Signs any bytes: duplicate members, broken JSON, whatever a header may not be.
    pub fn sign_raw(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let head = format!("{}.{}", base64(header), base64(payload));
        let signature = self.signature(head.as_bytes());
        format!("{head}.{}", base64(signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                match self.algorithm {
                    Algorithm::Ps256 => pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature),
                    Algorithm::Rs256 | Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Es384 => {
                        pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    }
                }
                .unwrap();
                signature
            }
        }
    }
}

/// A JWK set of these keys (RFC 7517 §5).
pub fn jwks<'s>(signers: impl IntoIterator<Item = &'s Signer>) -> Value {
    json!({ "keys": signers.into_iter().map(Signer::jwk).collect::<Vec<_>>() })
}

/// `alg: none`, without a signature.
pub fn unsigned(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "at+jwt" });
    format!("{}.{}.", base64(header.to_string()), base64(claims.to_string()))
}

/// HS256 with any secret: with a public key as the secret, the confusion of RFC 8725 §2.1.
pub fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let mut whole = json!({ "alg": "HS256", "typ": "at+jwt" });
    whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
    let head = format!("{}.{}", base64(whole.to_string()), base64(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), head.as_bytes());
    format!("{head}.{}", base64(tag))
}

/// The token with the first character of its signature changed.
pub fn corrupt(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{other}{}", &signature[1..])
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
