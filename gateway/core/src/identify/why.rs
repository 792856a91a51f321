//! What is wrong with a token or a proof?

/// For the operator. Static, so that nothing of the token can be in it.
pub(super) type Why = &'static str;
