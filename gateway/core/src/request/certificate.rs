//! Whom was the connection made with? The client's certificate, as the handshake has verified it.

use std::sync::Arc;

use crate::moment::Moment;

/// One certificate, read once for its connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// What its holder is called here: the configured kind of name. `None`: it has no such name.
    pub name: Option<Arc<str>>,
    /// RFC 4514, as in `CN=worker,O=Example`.
    pub subject: Box<str>,
    pub issuer: Box<str>,
    /// In hexadecimal.
    pub serial: Box<str>,
    /// Subject alternative names with their kind: `uri:spiffe://a/b`, `dns:a.example`, `email:a@b`, `ip:192.0.2.1`.
    pub sans: Vec<Box<str>>,
    /// SHA-256 of the public key (`SubjectPublicKeyInfo`, DER).
    pub spki: [u8; 32],
    /// SHA-256 of the certificate, DER: `x5t#S256` (RFC 8705 §3.1).
    pub thumbprint: [u8; 32],
    /// When it ends.
    pub not_after: Moment,
}
