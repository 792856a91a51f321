//! Where are requests counted?

use schemars::JsonSchema;
use serde::Deserialize;
use validator::{Validate, ValidationErrors};

use super::store::secret_field;
use super::values::millis;
use super::{Secret, checks};
use crate::units::Span;

/// `[counters]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct CountersConfig {
    /// `memory:` counts in this process; `redis://` or `rediss://` counts for all replicas together (Valkey too).
    pub url: Secret,
    /// How many replicas share the traffic: a limit falls back to its share when the shared store is away.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// How long a request waits for the shared store before the limit's `on_store_failure` holds.
    pub timeout: Span,
}

impl Default for CountersConfig {
    fn default() -> Self {
        Self { url: Secret::new("memory:"), replicas: 1, timeout: millis::<50>() }
    }
}

/// The fields that hold no secret.
#[derive(Validate)]
struct Open {
    #[validate(range(min = 1, max = 1000))]
    replicas: u32,
    #[validate(custom(function = checks::millis::<1, 5_000>))]
    timeout: Span,
}

impl Validate for CountersConfig {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = ValidationErrors::new();
        let open = Open { replicas: self.replicas, timeout: self.timeout }.validate();
        let url = secret_field("url", checks::store_scheme(self.url.expose(), "memory:"));
        for half in [open, url] {
            faults.errors_mut().extend(half.err().map(ValidationErrors::into_errors).unwrap_or_default());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
