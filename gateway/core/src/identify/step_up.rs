//! Has the caller proven enough of who it is, and recently enough? Step-up demands of a route (RFC 9470).

use std::time::Duration;

use serde_json::Value;

use super::Identity;
use super::refuse::challenge;
use crate::moment::Now;
use crate::refusal::{Challenge, Code, Refusal};

/// What a route demands of how its caller was authenticated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StepUp {
    /// `acr`: one of these; empty: any, and none.
    pub acr: Vec<String>,
    /// `auth_time`: at most so long ago.
    pub max_age: Option<Duration>,
}

impl StepUp {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.acr.is_empty() && self.max_age.is_none()
    }

    /// # Errors
    /// `insufficient_user_authentication`, with what would be sufficient. A caller of whom it is not known how or
    /// when it was authenticated (an API key, a machine's token) never meets such a demand.
    pub(super) fn judge(&self, identity: &Identity, now: Now) -> Result<(), Refusal> {
        if !self.acr.is_empty() {
            let reached = identity.attributes.get("acr").and_then(Value::as_str);
            if !reached.is_some_and(|reached| self.acr.iter().any(|acr| acr == reached)) {
                let why = "the caller's `acr` is none of those that the route demands";
                return Err(self.refuse(why));
            }
        }
        if let Some(most) = self.max_age {
            let recent = identity.authenticated_at.is_some_and(|at| now.wall.since(at) <= most);
            if !recent {
                return Err(self.refuse("the caller was authenticated longer ago than `max_auth_age`"));
            }
        }
        Ok(())
    }

    /// RFC 9470 §3.
    fn refuse(&self, why: &'static str) -> Refusal {
        let description = "a different or more recent authentication is needed";
        Refusal::new(Code::InsufficientUserAuthentication).because(why).challenge(Challenge {
            acr_values: (!self.acr.is_empty()).then(|| self.acr.join(" ")),
            max_age: self.max_age,
            ..challenge("insufficient_user_authentication", description)
        })
    }
}
