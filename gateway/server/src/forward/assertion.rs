//! How can the application be sure that we sent this? A short-lived signed statement about the caller.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_core::identify::{AuthMethod, Identity, Principal};
use portcullis_core::moment::Moment;
use quick_cache::sync::Cache;
use serde::Serialize;

use super::identity::local_name;

/// How long a statement holds. The contract allows five minutes at most.
const LIFE: Duration = Duration::from_mins(5);
/// Statements kept, one for all that is stated of a caller to an upstream.
const KEPT: usize = 10_000;

/// Signs statements (ES256), keeping each until half its life so that a request costs no signature.
pub(crate) struct Assertions {
    key: EncodingKey,
    kid: String,
    jwks: String,
    issuer: Arc<str>,
    kept: Cache<Asked, (Moment, HeaderValue)>,
}

/// Everything that is stated.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Asked {
    principal: Principal,
    method: AuthMethod,
    groups: Vec<Arc<str>>,
    email: Option<Arc<str>>,
    upstream: Arc<str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    principal: String,
    groups: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    auth: &'a str,
    iat: i64,
    exp: i64,
}

impl Assertions {
    /// `pkcs8`: a P-256 private key in DER. `public`: its uncompressed point, 65 bytes.
    pub(crate) fn new(pkcs8: &[u8], public: &[u8], issuer: Arc<str>) -> Option<Self> {
        let x = URL_SAFE_NO_PAD.encode(public.get(1..33)?);
        let y = URL_SAFE_NO_PAD.encode(public.get(33..65)?);
        let kid = thumbprint(&x, &y);
        let jwks = serde_json::json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": x, "y": y }
        ]});
        Some(Self { key: EncodingKey::from_ec_der(pkcs8), kid, jwks: jwks.to_string(), issuer, kept: Cache::new(KEPT) })
    }

    /// The public keys, for `/_portcullis/jwks.json`.
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The statement about `identity` for `upstream`; `None` when signing failed, which refuses the request.
    pub(crate) fn about(&self, identity: &Identity, upstream: &Arc<str>, now: Moment) -> Option<HeaderValue> {
        let asked = Asked {
            principal: identity.principal.clone(),
            method: identity.method,
            groups: identity.groups.clone(),
            email: identity.email.clone(),
            upstream: Arc::clone(upstream),
        };
        if let Some((renew, value)) = self.kept.get(&asked)
            && now < renew
            && now >= renew.minus(LIFE / 2)
        {
            return Some(value);
        }
        let claims = Claims {
            iss: &self.issuer,
            aud: upstream,
            sub: identity.principal.subject(),
            principal: identity.principal.to_string(),
            groups: identity.groups.iter().map(|group| local_name(group)).collect(),
            email: identity.email.as_deref(),
            auth: identity.method.name(),
            iat: now.seconds(),
            exp: now.plus(LIFE).seconds(),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.key).ok()?;
        let mut value = HeaderValue::try_from(token).ok()?;
        value.set_sensitive(true);
        self.kept.insert(asked, (now.plus(LIFE / 2), value.clone()));
        Some(value)
    }
}

/// The key's name: its JWK thumbprint (RFC 7638).
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}
