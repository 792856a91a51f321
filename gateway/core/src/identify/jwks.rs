//! Key sets (RFC 7517): which keys may verify a token of one issuer.

/// The verification keys of one issuer, parsed once when fetched.
#[derive(Debug)]
pub struct KeySet {
    /// Grows with every change of content; part of the token cache's key.
    pub generation: u64,
}
