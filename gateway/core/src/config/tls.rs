//! With which certificates does the public listener answer?

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::checks;

/// `[tls]`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// Certificates, chosen by the name the client asks for; the first answers clients that ask for none.
    #[validate(length(max = 1000), nested)]
    pub certificates: Vec<CertificateConfig>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

/// One of `[[tls.certificates]]`. Both files are read again when they change.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The certificate and its chain, PEM. Relative to the root.
    #[validate(custom(function = checks::path))]
    pub cert: PathBuf,
    /// The private key, PEM. Relative to the root.
    #[validate(custom(function = checks::path))]
    pub key: PathBuf,
}
