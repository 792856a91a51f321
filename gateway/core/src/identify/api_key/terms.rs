//! What is a key bound to, besides its roles? Addresses, routes, and how much.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::KeyRecord;
use crate::moment::Moment;
use crate::refusal::{Code, Refusal};
use crate::units::Rate;

/// The terms of one key, as they are kept.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct KeyTerms {
    /// Of `[plans.<name>]`: its limits hold besides the key's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<KeyLimit>,
    /// From where it may be used; empty: from everywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// The names of the routes it may be used on; empty: all that its roles open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// The secret before the last rotation, for as long as both are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<OldSecret>,
}

/// How much a key may do, over all routes together.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct KeyLimit {
    /// Requests per span, as in `60/min`, `10000/d`, `100000/month` (a month is 30 days).
    pub rate: Rate,
    /// How many may come at once. Default: as many as `rate` allows in its span.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<u64>,
}

/// `[plans.<name>]`: limits that many keys have in common.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct PlanConfig {
    /// How much each key of the plan may do, over all routes together.
    #[validate(length(min = 1, max = 8), nested)]
    pub limits: Vec<KeyLimit>,
}

/// A secret that was replaced, and until when it is good.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct OldSecret {
    /// SHA-256 of the whole key text.
    pub hash: [u8; 32],
    pub until: Moment,
}

/// What holds of a caller beyond what the policies say; of API keys alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    addresses: Vec<IpNet>,
    routes: Vec<String>,
    pub limits: Vec<OwnLimit>,
    /// The plan it names is not there, so how much it may do is not known.
    lost_plan: Option<String>,
}

/// A limit that a caller brings along.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnLimit {
    /// `key`, `key-2`, … in answers.
    pub name: Arc<str>,
    /// Names the counter; a changed limit begins a new one.
    pub counter: Arc<str>,
    pub limit: KeyLimit,
}

impl KeyTerms {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Bounds {
    /// At most this many limits of a key and its plan together.
    pub const MOST_LIMITS: usize = 16;

    /// `None`: nothing holds. `plan`: the limits of the plan by its name.
    pub(super) fn of<'p>(record: &KeyRecord, plan: impl FnOnce(&str) -> Option<&'p PlanConfig>) -> Option<Self> {
        let terms = &record.terms;
        let named = terms.plan.as_deref();
        let found = named.map(plan);
        let of_plan = found.flatten().map_or(&[][..], |plan| &plan.limits);
        let limits = terms.limits.iter().chain(of_plan).take(Self::MOST_LIMITS).enumerate();
        let limits: Vec<OwnLimit> = limits
            .map(|(at, limit)| OwnLimit {
                name: if at == 0 { "key".into() } else { format!("key-{}", at + 1).into() },
                counter: format!("k:{}:{}:{}", record.id, limit.rate, limit.burst.unwrap_or(limit.rate.requests))
                    .into(),
                limit: *limit,
            })
            .collect();
        let lost_plan = named.filter(|_| found == Some(None)).map(str::to_owned);
        let bounds = Self { addresses: terms.addresses.clone(), routes: terms.routes.clone(), limits, lost_plan };
        (bounds != Self::default()).then_some(bounds)
    }

    /// Whether the caller may come from `client` and ask for `route`.
    pub(crate) fn admit(&self, client: IpAddr, route: &str) -> Result<(), Refusal> {
        if !self.addresses.is_empty() && !self.addresses.iter().any(|network| network.contains(&client)) {
            let detail = "This key may not be used from this address.";
            return Err(Refusal::new(Code::AddressDenied).detail(detail).because("the key's `addresses`"));
        }
        if !self.routes.is_empty() && !self.routes.iter().any(|name| name == route) {
            return Err(Refusal::new(Code::RouteDenied).because("the key's `routes`"));
        }
        match &self.lost_plan {
            Some(plan) => Err(Refusal::new(Code::Forbidden)
                .because(format!("the key's plan `{plan}` is not in the configuration, so its limits are not known"))),
            None => Ok(()),
        }
    }
}
