//! The whole program, asked as its users and its enemies ask it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod admin;
mod api_keys;
mod identify;
mod journey;
mod jwks;
