//! The ports for real.

pub mod jwks;
pub mod random;
pub mod redis;
pub mod sqlite;
