//! The whole program, asked as its users and its enemies ask it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod admin;
mod answers;
mod api_keys;
mod assertions;
mod authorize;
mod bodies;
mod broken;
mod browser;
mod cors;
mod decide;
mod decisions;
mod demo;
mod described;
mod doubts;
mod framing;
mod headers;
mod hierarchy;
mod http2;
mod identify;
mod identity_headers;
mod journey;
mod jwks;
mod limits;
mod listeners;
mod login;
mod losses;
mod modes;
mod mtls;
mod observe;
mod pages;
mod paths;
mod reload;
mod replicas;
mod resources;
mod slow;
mod streams;
mod tls;
mod tokens;
mod upstream_tls;
mod upstreams;
mod verbs;
