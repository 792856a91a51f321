//! The ports for real: what the world provides to the stages.

pub mod jwks;
pub mod random;
