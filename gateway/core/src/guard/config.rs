//! What may an operator write under `[guard]` and in a route's `guard`?

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use validator::Validate;

use crate::mode::Mode;
use crate::units::{Rate, Size};

/// Address lists, per-address rate and body size. `[guard]` holds for every route; a route may say otherwise,
/// value by value.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// `enforce` (default), `shadow` or `off`.
    pub mode: Option<Mode>,
    /// If any are listed: the only networks that may ask, as in `10.0.0.0/8` or `2001:db8::1`.
    #[validate(length(max = 1000))]
    pub allow: Option<Vec<Network>>,
    /// Networks that may not ask, whatever `allow` says. A route's list takes the place of the default one.
    #[validate(length(max = 1000))]
    pub deny: Option<Vec<Network>>,
    /// How often one address (IPv6: one /64) may ask. Default `600/min`.
    pub rate: Option<Rate>,
    /// How many of them may come at once. Default: as many as `rate` allows in its span.
    pub burst: Option<u64>,
    /// How often credentials of one address may fail to verify, and those of one API key wherever they come from; of
    /// logins a tenth. Further ones get 429; whoever shows a good one is never held up. Default `300/min`.
    pub failures: Option<Rate>,
    /// The largest body. Default `1MiB`.
    pub max_body: Option<Size>,
}

impl GuardConfig {
    /// What holds for a route: what it says itself, else what `defaults` say. A burst belongs to its rate: who
    /// says another rate does not inherit the burst.
    #[must_use]
    pub fn merge(&self, defaults: &Self) -> Self {
        Self {
            mode: self.mode.or(defaults.mode),
            allow: self.allow.as_ref().or(defaults.allow.as_ref()).cloned(),
            deny: self.deny.as_ref().or(defaults.deny.as_ref()).cloned(),
            rate: self.rate.or(defaults.rate),
            burst: self.burst.or(if self.rate.is_none() { defaults.burst } else { None }),
            failures: self.failures.or(defaults.failures),
            max_body: self.max_body.or(defaults.max_body),
        }
    }
}

/// A network in CIDR form, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(pub IpNet);

impl Network {
    /// Whether it holds every address of its family.
    pub fn is_everyone(self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse().map_err(|_| {
                format!("`{text}` is not a network: write an address or CIDR, as in `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`")
            })?,
        };
        if net.trunc() != net {
            return Err(format!("`{text}` has bits set beyond its prefix: did you mean `{}`?", net.trunc()));
        }
        Ok(Self(net))
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A network in CIDR form, or one address.",
            "examples": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
        })
    }
}
