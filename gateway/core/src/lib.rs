//! What is decided: the whole of Portcullis that touches no socket, file, clock or store.
//!
//! A request travels; each stage either learns one fact or refuses; whoever holds a
//! [`journey::Permit`] may forward. The modules below stand in travelling order.

pub mod framing;
pub mod request;

pub mod route;

pub mod guard;

pub mod cors;

pub mod identify;

pub mod limit;

pub mod gather;

pub mod authorize;

pub mod validate;

pub mod govern;

pub mod journey;

pub mod refusal;

pub mod trail;

pub mod ports;

pub mod config;

pub mod snapshot;

pub mod openapi;

pub mod answer;
pub mod mode;
pub mod moment;
pub(crate) mod near;
pub mod units;
