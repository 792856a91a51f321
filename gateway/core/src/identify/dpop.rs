//! Does whoever sent this hold the key the token is bound to? `DPoP` proofs (RFC 9449 §4).
//!
//! A proof is good for one request: this method, this address, this token, this minute, once.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::jwks::VerificationKey;
use super::jwt::{Algorithm, algorithm, fits, part, refuse_extensions};
use super::secret::fingerprint;
use super::why::Why;
use super::{Replays, json, refuse};
use crate::moment::Now;
use crate::refusal::Refusal;
use crate::request::{Authority, Request, Scheme};

/// The longest proof that is read, in bytes.
const MOST_BYTES: usize = 8 * 1024;
/// How old a proof may be.
const OLDEST: i64 = 60;
/// How far a client's clock may be ahead, or behind on top of [`OLDEST`], in seconds.
const LEEWAY: i64 = 15;
/// Longer than any proof is accepted: until then each is remembered.
const REMEMBERED: Duration = Duration::from_mins(2);

/// A proof taken apart. Its signature has been checked, by the key it brought itself.
#[derive(Debug)]
pub(super) struct Proven {
    /// RFC 7638.
    pub(super) thumbprint: [u8; 32],
    id: String,
    method: String,
    target: String,
    issued: i64,
    /// SHA-256 of the token, base64url.
    token: String,
}

impl Proven {
    /// Reads a proof and checks its signature.
    pub(super) fn read(text: &str) -> Result<Self, Why> {
        if text.len() > MOST_BYTES {
            return Err("the proof is longer than 8 KiB");
        }
        let shape = "the proof is not a JWS of three parts";
        let (signed, signature) = text.rsplit_once('.').ok_or(shape)?;
        let (header, payload) = signed.split_once('.').ok_or(shape)?;
        let decoded = |text: &str| part(text).map_err(|()| "a part of the proof is not base64url");
        let object =
            |bytes: &[u8]| json::object(bytes).map_err(|_| "a part of the proof is not one strict JSON object");
        let header = object(&decoded(header)?)?;
        let algorithm: Algorithm = algorithm(&header)?;
        refuse_extensions(&header)?;
        if header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
            return Err("the proof's `typ` is not `dpop+jwt`");
        }
        let jwk = header.get("jwk").filter(|jwk| jwk.is_object()).ok_or("the proof brings no `jwk`")?;
        let key = VerificationKey::parse(jwk).map_err(|_| "the proof's `jwk` is no public key that is accepted")?;
        decoded(signature)?;
        if !key.may(algorithm) || !key.signed(signed.as_bytes(), signature, algorithm) {
            return Err("the proof's signature does not verify");
        }
        let claims = object(&decoded(payload)?)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            thumbprint: thumbprint(jwk).ok_or("the proof's `jwk` lacks a part")?,
            id: text("jti").filter(|id| fits(id)).ok_or("the proof's `jti` is missing or too long")?,
            method: text("htm").ok_or("the proof has no `htm`")?,
            target: text("htu").ok_or("the proof has no `htu`")?,
            issued: claims.get("iat").and_then(Value::as_i64).ok_or("the proof's `iat` is not a whole number")?,
            token: text("ath").ok_or("the proof has no `ath`")?,
        })
    }

    /// Whether it was made for this request with this token, just now.
    pub(super) fn judge(&self, request: &Request<'_>, token: &[u8; 32], now: Now) -> Result<(), Why> {
        if self.method != request.method.as_str() {
            return Err("the proof was made for another method (`htm`)");
        }
        if !self.names(request) {
            return Err("the proof was made for another address (`htu`)");
        }
        let expected = URL_SAFE_NO_PAD.encode(token);
        if verify_slices_are_equal(expected.as_bytes(), self.token.as_bytes()).is_err() {
            return Err("the proof was made for another token (`ath`)");
        }
        let age = now.wall.seconds().saturating_sub(self.issued);
        if age > OLDEST + LEEWAY {
            return Err("the proof is older than a minute (`iat`)");
        }
        if age < -LEEWAY {
            return Err("the proof's `iat` lies in the future");
        }
        Ok(())
    }

    /// `htu` is the request's address without query and fragment (RFC 9449 §4.2). Whether the port was written is not
    /// looked at: every port of a host leads to this gateway.
    fn names(&self, request: &Request<'_>) -> bool {
        let Ok(target) = self.target.parse::<http::Uri>() else { return false };
        let scheme = match target.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(_) | None => return false,
        };
        let authority = target.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let host = Authority::parse(authority).is_ok_and(|authority| authority.host == request.host);
        let path = self.target.split(['?', '#']).next() == Some(self.target.as_str());
        scheme == request.scheme && host && path && target.path() == request.path.as_str()
    }

    /// Refuses a proof that was seen before, here or at another replica.
    pub(super) async fn once(&self, seen: &dyn Replays, now: Now) -> Result<(), Refusal> {
        let of = |bytes: &[u8; 32]| URL_SAFE_NO_PAD.encode(bytes);
        let key = format!("dpop/{}/{}", of(&self.thumbprint), of(&fingerprint(&self.id)));
        match seen.first_use(&key, REMEMBERED, now).get().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse::proof("the proof was used before (`jti`)")),
            Err(down) => Err(refuse::replays_unknown(down)),
        }
    }
}

/// RFC 7638 §3.2: the required members, in the order of their names, without white space.
fn thumbprint(jwk: &Value) -> Option<[u8; 32]> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let mut required = Map::new();
    for name in names {
        required.insert((*name).to_owned(), Value::from(jwk.get(name)?.as_str()?));
    }
    Some(fingerprint(&Value::Object(required).to_string()))
}
