//! With which certificates does the public listener answer?

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{Secret, checks};

/// `[tls]`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// What replicas share so that a client resumes its TLS session at any of them: at least 32 characters, drawn at
    /// random. The keys that seal sessions follow from it, and change every six hours. Default: each process draws keys
    /// of its own.
    pub ticket_secret: Option<Secret>,
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
    /// The names it answers for. Default: those in the certificate. With the same certificate listed twice, some of its
    /// names can ask for client certificates and others not.
    #[serde(default)]
    #[validate(length(max = 100))]
    pub hosts: Vec<String>,
    /// Whether clients of these names are asked for certificates of their own. Default: they are not.
    #[serde(default)]
    #[validate(nested)]
    pub client_certificates: Option<ClientCertificatesConfig>,
}

/// Who vouches for clients, and what becomes of those that nobody vouches for.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificatesConfig {
    /// PEM files of the authorities that may vouch for clients. Relative to the root.
    #[validate(length(min = 1, max = 100))]
    pub ca: Vec<PathBuf>,
    /// PEM files of revocation lists. With any, each certificate below an authority must be covered by one that has not
    /// expired. They are read again when they change.
    #[serde(default)]
    #[validate(length(max = 100))]
    pub crl: Vec<PathBuf>,
    /// Whether a client without a certificate is let in, to be judged by the route.
    #[serde(default)]
    pub demand: Demand,
    /// What of a certificate names its holder: `Certificate::"<name>"`.
    #[serde(default)]
    pub name: CertificateName,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Only where a route demands `mtls`, or a token is bound to it.
    #[default]
    Optional,
    /// In the handshake, for every route of these names.
    Required,
}

/// What names the holder of a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateName {
    /// Its first subject alternative name: a URI before a DNS name before an e-mail address.
    San,
    /// The SHA-256 hash of its public key, in base64url: it stays when a certificate is renewed for the same key.
    #[default]
    Spki,
}
