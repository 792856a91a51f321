//! Whose key must be proven together with a token? The confirmation claim `cnf` (RFC 7800, RFC 8705, RFC 9449).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::why::Why;

/// What a token is bound to. Both: both must be proven.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Binding {
    /// SHA-256 of the client's certificate, DER: `x5t#S256` (RFC 8705 §3.1).
    pub(super) certificate: Option<[u8; 32]>,
    /// SHA-256 thumbprint of the client's key (RFC 7638): `jkt` (RFC 9449 §6).
    pub(super) key: Option<[u8; 32]>,
}

/// Which proof of possession an issuer's tokens must carry.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Every token is bound to a key, which each request proves by `DPoP` (RFC 9449).
    Dpop,
    /// A token that is bound is proven, as it says; one that is not is a plain bearer token.
    #[default]
    IfBound,
    /// Every token is bound to the certificate of the connection (RFC 8705).
    Mtls,
}

impl Binding {
    /// Reads `cnf`. A way of confirmation that is not known here refuses the token: whoever cannot check that its
    /// bearer holds the key must not serve it (RFC 7800 §3.1).
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, Why> {
        let Some(confirmation) = members.get("cnf") else { return Ok(Self::default()) };
        let confirmation = confirmation.as_object().ok_or("the token's `cnf` is not an object")?;
        let mut binding = Self::default();
        for (name, value) in confirmation {
            let place = match name.as_str() {
                "jkt" => &mut binding.key,
                "x5t#S256" => &mut binding.certificate,
                _ => return Err("the token is bound (`cnf`) in a way that is not known here"),
            };
            *place = Some(hash(value).ok_or("the token's `cnf` holds something that is no SHA-256 hash in base64url")?);
        }
        if binding == Self::default() {
            return Err("the token's `cnf` is empty");
        }
        Ok(binding)
    }

    /// Whether the token is bound as its issuer's tokens must be.
    pub(super) fn suits(self, proof: Proof) -> Result<(), Why> {
        match proof {
            Proof::IfBound => Ok(()),
            Proof::Dpop if self.key.is_some() => Ok(()),
            Proof::Mtls if self.certificate.is_some() => Ok(()),
            Proof::Dpop => Err("the token is not bound to a key, and its issuer's tokens must be (`proof`)"),
            Proof::Mtls => Err("the token is not bound to a certificate, and its issuer's tokens must be (`proof`)"),
        }
    }
}

fn hash(value: &Value) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()?.try_into().ok()
}
