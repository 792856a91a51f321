//! The whole program, asked as its users and its enemies ask it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod admin;
mod api_keys;
mod authorize;
mod cors;
mod headers;
mod identify;
mod identity_headers;
mod journey;
mod jwks;
mod limits;
mod modes;
mod observe;
mod pages;
mod streams;
mod upstream_tls;
mod upstreams;
