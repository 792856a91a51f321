//! Who is calling?

mod api_key;
mod identity;
pub mod jwks;

pub use api_key::KeyRecord;
pub use identity::{AuthMethod, Identity, Principal};
