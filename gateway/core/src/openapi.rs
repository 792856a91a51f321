//! What does an `OpenAPI` document ask of a gateway? Routes, schemas, actions and skeleton policies, made of it without
//! touching the world; whoever calls reads and writes the files.
//!
//! Nothing is guessed silently: what cannot be mapped is a [`Note`] with its place in the document, and what is left out
//! of a schema because it cannot be judged is one too.

mod artefacts;
mod blocks;
mod document;
mod operation;
mod parameters;
mod path;
mod responses;
mod schema;
mod security;
#[cfg(test)]
mod tests;
mod written;

pub use artefacts::{Artefacts, GENERATED, Kept};
pub use blocks::{Block, Blocks};
pub use document::{Document, Unreadable};
pub use operation::{Imported, Operation};
pub use responses::Responses;

/// What the project makes of the document.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Names files, action groups and roles: lower case letters, digits and `-`.
    pub name: String,
    /// Which of `[upstreams]` answers.
    pub upstream: String,
    pub tokens: Tokens,
    pub certificates: Certificates,
    /// `None`: they are not taken over.
    pub responses: Option<Responses>,
}

/// Whether the project has `[tokens]`, so that a route may ask for `jwt`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tokens {
    Declared,
    None,
}

/// Whether the project asks clients for certificates, so that a route may ask for `mtls`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificates {
    Asked,
    None,
}

/// What could not be mapped as it stands.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Note {
    /// The operation's name; empty where it is about the document.
    pub operation: String,
    /// JSON Pointer into the document.
    pub at: String,
    pub message: String,
}
