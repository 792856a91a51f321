//! May this key verify signatures? One JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::super::jwt::Algorithm;
use crate::identify::why::Why;

/// A public key and the algorithms it may be used with, fixed when the set was read.
#[derive(Debug)]
pub(in crate::identify) struct VerificationKey {
    pub(super) kid: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) material: DecodingKey,
}

const LEAST_RSA_BITS: usize = 2048;
const MOST_RSA_BITS: usize = 8192;
const MOST_KID_BYTES: usize = 256;

impl VerificationKey {
    pub(in crate::identify) fn parse(entry: &Value) -> Result<Self, Why> {
        let kid = match entry.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MOST_KID_BYTES => Some(kid.clone()),
            Some(_) => return Err("its `kid` is not a string of at most 256 bytes"),
        };
        refuse_other_uses(entry)?;
        let (material, mut algorithms) = match entry.get("kty").and_then(Value::as_str) {
            Some("EC") => elliptic(entry)?,
            Some("OKP") => edwards(entry)?,
            Some("RSA") => rsa(entry)?,
            Some("oct") => return Err("it is symmetric, and whoever verifies with it could sign with it"),
            Some(_) => return Err("its `kty` is none of EC, OKP and RSA"),
            None => return Err("it has no `kty`"),
        };
        match entry.get("alg") {
            None => {}
            Some(Value::String(name)) => algorithms.retain(|algorithm| algorithm.name() == name),
            Some(_) => return Err("its `alg` is not a string"),
        }
        if algorithms.is_empty() {
            return Err("its `alg` is not accepted for a key of its type");
        }
        Ok(Self { kid, algorithms, material })
    }
}

fn refuse_other_uses(entry: &Value) -> Result<(), Why> {
    match entry.get("use") {
        None => {}
        Some(Value::String(usage)) if usage == "sig" => {}
        Some(_) => return Err("its `use` is not `sig`"),
    }
    match entry.get("key_ops") {
        None => {}
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => {}
        Some(_) => return Err("its `key_ops` do not include `verify`"),
    }
    if entry.get("d").is_some() {
        return Err("its private part is published with it, so anybody may have signed");
    }
    Ok(())
}

fn elliptic(entry: &Value) -> Result<(DecodingKey, Vec<Algorithm>), Why> {
    let (length, verification, algorithm) = match entry.get("crv").and_then(Value::as_str) {
        Some("P-256") => (32, &ECDSA_P256_SHA256_FIXED, Algorithm::Es256),
        Some("P-384") => (48, &ECDSA_P384_SHA384_FIXED, Algorithm::Es384),
        _ => return Err("its `crv` is neither P-256 nor P-384"),
    };
    let (x, y) = (bytes(entry, "x")?, bytes(entry, "y")?);
    if x.len() != length || y.len() != length {
        return Err("its coordinates are not of its curve's length");
    }
    // Uncompressed point: SEC 1 §2.3.3.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(verification, &point).map_err(|_| "its point is not on its curve")?;
    Ok((DecodingKey::from_ec_der(&point), vec![algorithm]))
}

fn edwards(entry: &Value) -> Result<(DecodingKey, Vec<Algorithm>), Why> {
    if entry.get("crv").and_then(Value::as_str) != Some("Ed25519") {
        return Err("its `crv` is not Ed25519");
    }
    let x = bytes(entry, "x")?;
    ParsedPublicKey::new(&ED25519, &x).map_err(|_| "it is not an Ed25519 key")?;
    Ok((DecodingKey::from_ed_der(&x), vec![Algorithm::EdDsa]))
}

fn rsa(entry: &Value) -> Result<(DecodingKey, Vec<Algorithm>), Why> {
    let (n, e) = (bytes(entry, "n")?, bytes(entry, "e")?);
    // RFC 7518 §6.3.1.1 forbids leading zeros; some issuers write one all the same.
    let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
    let unused = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = n.len() * 8 - unused;
    if bits < LEAST_RSA_BITS {
        return Err("it has fewer than 2048 bits");
    }
    if bits > MOST_RSA_BITS {
        return Err("it has more than 8192 bits");
    }
    let exponent = e.iter().try_fold(0_u32, |sum, byte| sum.checked_mul(256)?.checked_add(u32::from(*byte)));
    if exponent.is_none_or(|exponent| exponent < 3 || exponent % 2 == 0) {
        return Err("its exponent is not an odd number from 3 to 32 bits");
    }
    Ok((DecodingKey::from_rsa_raw_components(&n, &e), vec![Algorithm::Rs256, Algorithm::Ps256]))
}

fn bytes(entry: &Value, member: &str) -> Result<Vec<u8>, Why> {
    let text = entry.get(member).and_then(Value::as_str).ok_or("a part of the key is missing")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of the key is not base64url")
}
