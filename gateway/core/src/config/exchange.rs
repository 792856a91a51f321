//! `routes.exchange`: which token the application gets for the caller's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::checks;

/// What is asked for in exchange for the caller's token (RFC 8693), at the token endpoint of the provider that issued
/// it. At least one of `audience`, `resource` and `scopes`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangeConfig {
    /// For whom the token is to be, by the name that the provider knows it by.
    #[validate(length(min = 1, max = 512))]
    pub audience: Option<String>,
    /// The same by its address (RFC 8707): an absolute URL.
    #[validate(length(min = 1, max = 512))]
    pub resource: Option<String>,
    /// What the token is to be good for. Default: the provider's choice.
    #[validate(length(max = 32), custom(function = checks::scopes))]
    pub scopes: Vec<String>,
    /// What becomes of a request for which no token can be had: `refuse` (503 while the provider does not answer, 403
    /// where it says no), or `without` to let it go on with no token at all.
    pub on_failure: OnExchangeFailure,
}

/// What becomes of a request whose token could not be exchanged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExchangeFailure {
    #[default]
    Refuse,
    Without,
}

impl ExchangeConfig {
    /// Whether it says nothing of what is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.audience.is_none() && self.resource.is_none() && self.scopes.is_empty()
    }
}
