//! What can be said of a key, when it is made and later.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

#[derive(Debug, clap::Args)]
pub(super) struct Terms {
    /// Who answers for it.
    #[arg(long)]
    owner: Option<String>,
    /// A role, as policies know it: `Group::"keys|ROLE"`. May be given again.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope. May be given again.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// An attribute of the key in policies, as `NAME=JSON`. May be given again.
    #[arg(long = "metadata", value_name = "NAME=JSON", value_parser = pair)]
    metadata: Vec<(String, Value)>,
    /// The name of one of `[plans.*]`.
    #[arg(long)]
    plan: Option<String>,
    /// How much it may do, as in `60/min`, or `60/min:10` where no more than 10 may come at once. May be given again.
    #[arg(long = "limit", value_name = "RATE[:BURST]", value_parser = limit)]
    limits: Vec<Value>,
    /// An address or network it may be used from. May be given again.
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// A route it may be used on. May be given again.
    #[arg(long = "route", value_name = "NAME")]
    routes: Vec<String>,
}

/// What can be taken away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Field {
    Addresses,
    Limits,
    Metadata,
    Owner,
    Plan,
    Roles,
    Routes,
    Scopes,
}

impl Field {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Limits => "limits",
            Self::Metadata => "metadata",
            Self::Owner => "owner",
            Self::Plan => "plan",
            Self::Roles => "roles",
            Self::Routes => "routes",
            Self::Scopes => "scopes",
        }
    }

    /// What stands there when there is none.
    pub(super) fn nothing(self) -> Value {
        match self {
            Self::Addresses | Self::Limits | Self::Roles | Self::Routes | Self::Scopes => json!([]),
            Self::Metadata => json!({}),
            Self::Owner => json!(""),
            Self::Plan => Value::Null,
        }
    }
}

impl Terms {
    /// Writes what was given, and nothing of the rest.
    pub(super) fn write(&self, body: &mut Map<String, Value>) {
        let lists = [
            ("roles", json!(self.roles)),
            ("scopes", json!(self.scopes)),
            ("limits", json!(self.limits)),
            ("addresses", json!(self.addresses)),
            ("routes", json!(self.routes)),
        ];
        let given = lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        body.extend(given.map(|(name, list)| (name.to_owned(), list)));
        let texts = [("owner", &self.owner), ("plan", &self.plan)];
        body.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?)))));
        if !self.metadata.is_empty() {
            body.insert("metadata".to_owned(), Value::Object(self.metadata.iter().cloned().collect()));
        }
    }
}

/// `name=json`; what is no JSON is taken as a text.
fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=JSON")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// Whether the rate is one, the gateway says.
fn limit(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        None => Ok(json!({ "rate": text })),
        Some((rate, burst)) => {
            let burst: u64 = burst.parse().map_err(|_| "write it as `60/min` or `60/min:10`")?;
            Ok(json!({ "rate": rate, "burst": burst }))
        }
    }
}
