//! What may be sent about a key.

use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_core::identify::{KeyLimit, KeyRecord, KeyTerms};
use portcullis_core::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use validator::{Validate, ValidationError};

use super::alive;
use crate::admin::call::Call;
use crate::admin::input::{self, fault};
use crate::admin::problem::Refused;

/// A key to be made.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What it is for.
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"), custom(function = input::printable))]
    pub(super) name: String,
    /// Who answers for it.
    #[serde(default)]
    #[validate(length(max = 200, message = "at most 200 characters"), custom(function = input::printable))]
    pub(super) owner: String,
    /// `Group::"keys|<role>"` in policies. Those that begin with `portcullis:` are roles of the admin API.
    #[serde(default)]
    #[validate(length(max = 32, message = "at most 32 roles"), custom(function = words))]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    #[validate(length(max = 64, message = "at most 64 scopes"), custom(function = words))]
    pub(super) scopes: Vec<String>,
    /// `30d`, `never`; `90d` when left out.
    #[serde(default)]
    pub(super) expires_in: Option<String>,
    /// Attributes of the key in policies. `project` says whose key managers may manage it.
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
    /// The name of one of `[plans.*]`, whose limits hold besides the key's own.
    #[serde(default)]
    plan: Option<String>,
    /// How much it may do, over all routes together.
    #[serde(default)]
    #[validate(length(max = 8, message = "at most 8 limits"), nested)]
    limits: Vec<KeyLimit>,
    /// The addresses and networks it may be used from; everywhere when left out.
    #[serde(default)]
    #[validate(length(max = 64, message = "at most 64 addresses"))]
    addresses: Vec<String>,
    /// The names of the routes it may be used on; all that its roles open when left out.
    #[serde(default)]
    #[validate(length(max = 128, message = "at most 128 routes"))]
    routes: Vec<String>,
}

/// What of a key is to be another.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"), custom(function = input::printable))]
    name: Option<String>,
    #[validate(length(max = 200, message = "at most 200 characters"), custom(function = input::printable))]
    owner: Option<String>,
    #[validate(length(max = 32, message = "at most 32 roles"), custom(function = words))]
    roles: Option<Vec<String>>,
    #[validate(length(max = 64, message = "at most 64 scopes"), custom(function = words))]
    scopes: Option<Vec<String>>,
    /// From now: `30d`, `never`.
    expires_in: Option<String>,
    /// As a whole.
    metadata: Option<Map<String, Value>>,
    /// null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[expect(clippy::option_option, reason = "left as it is, taken away, or named")]
    plan: Option<Option<String>>,
    #[validate(length(max = 8, message = "at most 8 limits"), nested)]
    limits: Option<Vec<KeyLimit>>,
    #[validate(length(max = 64, message = "at most 64 addresses"))]
    addresses: Option<Vec<String>>,
    #[validate(length(max = 128, message = "at most 128 routes"))]
    routes: Option<Vec<String>>,
}

/// How a key gets another secret.
#[derive(Debug, Default, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    /// For how long the old secret stays good, as in `24h`; at most `30d`. Not at all when left out.
    pub(super) overlap: Option<String>,
    /// From now: `30d`, `never`. As before when left out.
    pub(super) expires_in: Option<String>,
}

/// Null is given, too.
#[expect(clippy::option_option, reason = "as in the field")]
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Wanted {
    /// # Errors
    /// 422 for what is not in the configuration in force, and for what is no address.
    pub(super) fn terms(&self, call: &Call) -> Result<KeyTerms, Refused> {
        Ok(KeyTerms {
            plan: plan(self.plan.as_deref(), call)?,
            limits: limits(&self.limits)?,
            addresses: addresses(&self.addresses)?,
            routes: routes(&self.routes, call)?,
            before: None,
        })
    }
}

impl Patch {
    /// The key as it shall be.
    ///
    /// # Errors
    /// 409 for a revoked key, 422 as for a new one.
    pub(super) fn of(&self, before: &KeyRecord, call: &Call, now: Moment) -> Result<KeyRecord, Refused> {
        alive(before)?;
        let mut after = before.clone();
        let set = |to: &mut String, from: &Option<String>| from.iter().for_each(|from| to.clone_from(from));
        set(&mut after.name, &self.name);
        set(&mut after.owner, &self.owner);
        after.roles = self.roles.clone().unwrap_or(after.roles);
        after.scopes = self.scopes.clone().unwrap_or(after.scopes);
        after.metadata = self.metadata.clone().unwrap_or(after.metadata);
        if let Some(text) = &self.expires_in {
            after.expires_at = input::end("/expires_in", text, now)?;
        }
        if let Some(name) = &self.plan {
            after.terms.plan = plan(name.as_deref(), call)?;
        }
        if let Some(wanted) = &self.limits {
            after.terms.limits = limits(wanted)?;
        }
        if let Some(wanted) = &self.addresses {
            after.terms.addresses = addresses(wanted)?;
        }
        if let Some(wanted) = &self.routes {
            after.terms.routes = routes(wanted, call)?;
        }
        Ok(after)
    }
}

fn words(words: &[String]) -> Result<(), ValidationError> {
    let plain = |word: &String| {
        (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b))
    };
    if words.iter().all(plain) {
        return Ok(());
    }
    Err(ValidationError::new("words").with_message("each of 1 to 64 letters, digits or `_-.:/`".into()))
}

fn plan(name: Option<&str>, call: &Call) -> Result<Option<String>, Refused> {
    match name {
        Some(name) if !call.published.snapshot.has_plan(name) => {
            Err(fault("/plan", "plan", "not the name of one of [plans.*]"))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

fn limits(limits: &[KeyLimit]) -> Result<Vec<KeyLimit>, Refused> {
    for (at, limit) in limits.iter().enumerate() {
        portcullis_core::limit::Quota::new(limit.rate, limit.burst)
            .map_err(|message| fault(&format!("/limits/{at}/burst"), "burst", message))?;
    }
    Ok(limits.to_vec())
}

fn addresses(texts: &[String]) -> Result<Vec<IpNet>, Refused> {
    let network = |(at, text): (usize, &String)| {
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        let network = network.map(|network| network.trunc());
        network
            .map_err(|_| fault(&format!("/addresses/{at}"), "address", "an address or a network, as in `192.0.2.0/24`"))
    };
    texts.iter().enumerate().map(network).collect()
}

fn routes(names: &[String], call: &Call) -> Result<Vec<String>, Refused> {
    for (at, name) in names.iter().enumerate() {
        if call.published.snapshot.rules_named(name).is_none() {
            return Err(fault(&format!("/routes/{at}"), "route", "not the name of a route"));
        }
    }
    Ok(names.to_vec())
}
