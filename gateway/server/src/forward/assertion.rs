//! How can the application be sure that we sent this? A short-lived signed statement about the caller.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_core::identify::{AuthMethod, Identity, Principal};
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use quick_cache::sync::Cache;
use serde::Serialize;
use tokio::sync::Notify;

use super::identity::local_name;
use crate::world::store::{Published, SigningKey, SigningKeys};

/// How long a statement holds. The contract allows five minutes at most.
const LIFE: Duration = Duration::from_mins(5);
/// Statements kept, one for all that is stated of a caller to an upstream.
const KEPT: usize = 10_000;

/// How long after a failure the store is asked again for keys.
const AGAIN: Duration = Duration::from_mins(1);

/// Signs statements (ES256), keeping each until half its life so that a request costs no signature.
pub(crate) struct Assertions {
    ring: ArcSwap<Ring>,
    issuer: Arc<str>,
    kept: Cache<Asked, (Moment, HeaderValue)>,
    /// Told when the keys are no longer those of the time.
    late: Notify,
}

/// The keys that are published.
struct Ring {
    /// Oldest first.
    keys: Vec<Key>,
    jwks: Arc<str>,
    until: Moment,
}

struct Key {
    signs_from: Moment,
    private: EncodingKey,
    kid: String,
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

impl Ring {
    /// `None`: one of them is no P-256 key.
    fn of(published: &Published) -> Option<Self> {
        let (mut keys, mut public) = (Vec::new(), Vec::new());
        for SigningKey { signs_from, pkcs8 } in &published.keys {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
            let point = pair.public_key().as_ref();
            let x = URL_SAFE_NO_PAD.encode(point.get(1..33)?);
            let y = URL_SAFE_NO_PAD.encode(point.get(33..65)?);
            let kid = thumbprint(&x, &y);
            public.push(serde_json::json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": x, "y": y
            }));
            keys.push(Key { signs_from: *signs_from, private: EncodingKey::from_ec_der(pkcs8), kid });
        }
        let jwks = serde_json::json!({ "keys": public }).to_string().into();
        Some(Self { keys, jwks, until: published.until })
    }

    /// The newest whose time has come. While the store cannot be asked, the last one goes on.
    fn signing(&self, now: Moment) -> Option<&Key> {
        self.keys.iter().rfind(|key| key.signs_from <= now).or(self.keys.first())
    }
}

impl Assertions {
    /// `None`: one of the keys is unusable.
    pub(crate) fn new(published: &Published, issuer: Arc<str>) -> Option<Self> {
        let ring = ArcSwap::from_pointee(Ring::of(published)?);
        Some(Self { ring, issuer, kept: Cache::new(KEPT), late: Notify::new() })
    }

    /// Keeps the keys those of the time, without end.
    pub(crate) async fn follow(&self, keys: SigningKeys, clock: Arc<dyn Clock>) {
        loop {
            // The clock of the requests says when, so the first that comes late tells.
            let _ = tokio::time::timeout(AGAIN, self.late.notified()).await;
            let now = clock.now().wall;
            if now < self.ring.load().until {
                continue;
            }
            match keys.published(now).await {
                Ok(published) => {
                    if let Some(ring) = Ring::of(&published) {
                        self.ring.store(Arc::new(ring));
                    } else {
                        tracing::error!("a signing key in the store is unusable");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the signing keys could not be renewed; the last one goes on");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The public keys, for `/_portcullis/jwks.json`.
    pub(crate) fn jwks(&self, now: Moment) -> Arc<str> {
        let ring = self.ring.load();
        self.look(&ring, now);
        Arc::clone(&ring.jwks)
    }

    fn look(&self, ring: &Ring, now: Moment) {
        if now >= ring.until {
            self.late.notify_one();
        }
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
        let ring = self.ring.load();
        self.look(&ring, now);
        let signing = ring.signing(now)?;
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
        header.kid = Some(signing.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims, &signing.private).ok()?;
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
