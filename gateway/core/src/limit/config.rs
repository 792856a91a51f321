//! What may an operator write under `limits`?

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use validator::Validate;

use crate::units::Rate;

/// One limit of a route.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Who is counted together: `principal`, `key`, `address`, `route`, `claim:NAME` or `header:NAME`.
    pub by: By,
    /// Requests per span, as in `60/min`. Never exceeded; between two requests whole microseconds are counted,
    /// rounded up.
    pub rate: Rate,
    /// How many may come at once. Default: as many as `rate` allows in its span.
    #[validate(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<u64>,
    /// Letters, digits, `.`, `_` and `-`, at most 64. Routes that use the same name share the counter, and must
    /// say the same of it. Without a name the counter is the route's own.
    pub name: Option<String>,
    /// What happens while the shared store does not answer.
    #[serde(default)]
    pub on_store_failure: OnStoreFailure,
    /// Where it is counted.
    #[serde(default)]
    pub store: Store,
    /// How many requests a replica takes of the shared store at once, at most half of `burst`, to give them out without
    /// asking again. In any span up to so many more may pass for each replica, and a caller who comes to all of them
    /// may be refused while so many lie unused on each. Default: none, and every request is asked for: exact.
    #[validate(range(min = 2, max = 1_000_000))]
    pub lease: Option<u64>,
}

/// What happens to a request while the shared store does not answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreFailure {
    /// It passes, uncounted.
    Allow,
    /// It is refused with 503 `dependency_unavailable`.
    Deny,
    /// It is counted in memory against this replica's share: the limit divided by `counters.replicas`, at least 1.
    #[default]
    Local,
}

/// Where a limit is counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// In this process: each replica for itself, forgotten at a restart.
    Memory,
    /// In the store of `counters.url`, across all replicas.
    #[default]
    Shared,
}

/// Who is counted together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum By {
    /// The client address: IPv4 whole, IPv6 by its /64.
    Address,
    /// The value of a claim or of key metadata. Callers without it are counted together, as one.
    Claim(String),
    /// The value of a header field. Requests without it, or with more than one, are counted together, as one.
    Header(HeaderName),
    /// The API key. Callers without one are counted together, as one.
    Key,
    /// Whoever was identified; all anonymous callers together, as one.
    Principal,
    /// Everybody, together.
    Route,
}

const WORDS: [&str; 4] = ["principal", "key", "address", "route"];
const LONGEST_CLAIM: usize = 128;

impl By {
    /// The word before the colon.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Claim(_) => "claim",
            Self::Header(_) => "header",
            Self::Key => "key",
            Self::Principal => "principal",
            Self::Route => "route",
        }
    }
}

impl std::str::FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "address" => return Ok(Self::Address),
            "key" => return Ok(Self::Key),
            "principal" => return Ok(Self::Principal),
            "route" => return Ok(Self::Route),
            _ => {}
        }
        match text.split_once(':') {
            Some(("claim", name)) if (1..=LONGEST_CLAIM).contains(&name.len()) => Ok(Self::Claim(name.to_owned())),
            Some(("claim", _)) => {
                Err(format!("`{text}` names no claim: write `claim:NAME` with a name of 1 to {LONGEST_CLAIM} bytes"))
            }
            Some(("header", name)) => name
                .parse()
                .map(Self::Header)
                .map_err(|_| format!("`{text}` names no header field: write `header:NAME`, as in `header:x-tenant`")),
            _ => Err(unknown(text)),
        }
    }
}

fn unknown(text: &str) -> String {
    let all = "write `principal`, `key`, `address`, `route`, `claim:NAME` or `header:NAME`";
    if text == "claim" || text == "header" {
        return format!("`{text}` needs a name: write `{text}:NAME`");
    }
    // The word alone, so that `claims:plan` finds `claim:plan`.
    let (word, name) = text.split_once(':').map_or((text, None), |(word, name)| (word, Some(name)));
    let known: &[&str] = if name.is_some() { &["claim", "header"] } else { &WORDS };
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word.to_ascii_lowercase(), known), known))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    match near {
        Some((_, near)) => {
            let name = name.map(|name| format!(":{name}")).unwrap_or_default();
            format!("`{text}` is nobody who can be counted: did you mean `{near}{name}`?")
        }
        None => format!("`{text}` is nobody who can be counted: {all}"),
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address | Self::Key | Self::Principal | Self::Route => f.write_str(self.word()),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for By {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for By {
    fn schema_name() -> Cow<'static, str> {
        "By".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Who is counted together.",
            "pattern": "^(principal|key|address|route|claim:.+|header:.+)$",
            "examples": ["principal", "address", "claim:plan", "header:x-tenant"],
        })
    }
}
