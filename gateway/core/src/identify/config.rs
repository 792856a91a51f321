//! What may an operator write about credentials?

mod authenticate;
mod checks;
mod provider;
mod sessions;
#[cfg(test)]
mod tests;
mod token_source;

pub use authenticate::{Authenticate, Method};
pub use provider::{AtHash, LogoutReach, ProviderConfig, ProviderKind};
pub use sessions::SessionsConfig;
pub use token_source::{IntrospectionConfig, MissingAudience, TokenSourceConfig};

/// Something in the operator's text that cannot stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// Which key, as `tokens.company.issuer`.
    pub key: String,
    /// What is wrong and how to mend it.
    pub message: String,
}
