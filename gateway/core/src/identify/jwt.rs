//! What does this token say? One strict reading of a compact JWS (RFC 7515 §3.1) into types of our own.
//!
//! Nothing here is believed: a [`Token`] is only what the bytes claim, until [`super::jwks::KeySet`] has
//! checked the signature over exactly those bytes. Keys the token itself brings or points to (`jwk`, `jku`,
//! `x5c`, `x5u`) are never looked at.

mod algorithm;
mod claims;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub use algorithm::Algorithm;
pub(super) use claims::{Claims, Purpose, fits, read as read_claims, strings};

use super::binding::Binding;
use super::json;
use super::why::Why;

/// A compact JWS, taken apart and not yet believed.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) terms: Terms,
    pub(super) claims: Claims,
    /// What is signed: header, dot, payload, as they were sent.
    pub(super) signed: &'a str,
    /// Base64url.
    pub(super) signature: &'a str,
}

/// What is judged anew on every request, signature or not: when, for whom, and what kind.
#[derive(Debug)]
pub(super) struct Terms {
    /// The header's `typ`, lower case, without `application/` (RFC 7515 §4.1.9).
    pub(super) typ: Option<String>,
    pub(super) audience: Vec<String>,
    /// `exp`, in seconds.
    pub(super) expires: i64,
    /// `nbf`, in seconds.
    pub(super) not_before: Option<i64>,
    /// `iat`, in seconds.
    pub(super) issued: Option<i64>,
    /// Whose possession must be proven.
    pub(super) binding: Binding,
}

impl<'a> Token<'a> {
    /// Longer tokens are refused unread.
    pub(super) const MOST_BYTES: usize = 16 * 1024;
    const MOST_HEADER_BYTES: usize = 4 * 1024;
    const MOST_NAME_BYTES: usize = 256;

    pub(super) fn parse(text: &'a str) -> Result<Self, Why> {
        Self::parse_as(text, Purpose::Access)
    }

    pub(super) fn parse_as(text: &'a str, purpose: Purpose) -> Result<Self, Why> {
        if text.len() > Self::MOST_BYTES {
            return Err("the token is longer than 16 KiB");
        }
        let parts = "the token does not have three parts";
        let (signed, signature) = text.rsplit_once('.').ok_or(parts)?;
        let (header, payload) = signed.split_once('.').ok_or(parts)?;
        if payload.contains('.') {
            return Err(parts);
        }
        if header.len() > Self::MOST_HEADER_BYTES {
            return Err("the token's header is longer than 4 KiB");
        }
        let header = part(header).map_err(|()| "the token's header is not base64url")?;
        let header = json::object(&header).map_err(header_fault)?;
        // Before anything else is read: what cannot be verified need not be understood.
        let algorithm = algorithm(&header)?;
        refuse_extensions(&header)?;
        let kid = name(&header, "kid")?.map(str::to_owned);
        let typ = name(&header, "typ")?.map(media_type);

        part(signature).map_err(|()| "the token's signature is not base64url")?;
        let payload = part(payload).map_err(|()| "the token's payload is not base64url")?;
        let members = json::object(&payload).map_err(payload_fault)?;
        let (claims, terms) = claims::read_as(members, typ, purpose)?;
        Ok(Self { algorithm, kid, terms, claims, signed, signature })
    }
}

/// Strictly: no padding, no white space, no stray bits at the end.
pub(super) fn part(text: &str) -> Result<Vec<u8>, ()> {
    if text.is_empty() {
        return Err(());
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| ())
}

pub(super) fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, Why> {
    match header.get("alg") {
        None => Err("the token's header has no `alg`"),
        Some(Value::String(name)) => Algorithm::from_name(name).ok_or("the token's `alg` is not one we accept"),
        Some(_) => Err("the token's `alg` is not a string"),
    }
}

/// `crit` names what a reader must understand; we understand no extension (RFC 7515 §4.1.11, RFC 7797 §6).
pub(super) fn refuse_extensions(header: &Map<String, Value>) -> Result<(), Why> {
    if header.contains_key("crit") {
        return Err("the token's header has `crit`, and no extension is understood");
    }
    if header.contains_key("b64") {
        return Err("the token's header has `b64`, which is not accepted");
    }
    Ok(())
}

fn name<'h>(header: &'h Map<String, Value>, member: &str) -> Result<Option<&'h str>, Why> {
    match header.get(member) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= Token::MOST_NAME_BYTES => Ok(Some(text)),
        Some(_) => Err("the token's `kid` or `typ` is not a string of 1 to 256 bytes"),
    }
}

/// The comparable form of a media type: lower case, without `application/`.
pub(super) fn media_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("application/").map_or(lower.clone(), str::to_owned)
}

fn header_fault(fault: json::Fault) -> Why {
    match fault {
        json::Fault::NotAnObject => "the token's header is not a JSON object",
        json::Fault::Repeated => "a member of the token's header is repeated",
    }
}

fn payload_fault(fault: json::Fault) -> Why {
    match fault {
        json::Fault::NotAnObject => "the token's payload is not a JSON object",
        json::Fault::Repeated => "a claim is repeated",
    }
}
