//! The only source of randomness.

/// The operating system gave no randomness. Whoever asked must not go on with what it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// Fills `bytes` with bytes fit for keys and identifiers.
#[expect(clippy::disallowed_methods, reason = "the one place that asks; everyone else asks here")]
pub fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| NoRandomness)
}
