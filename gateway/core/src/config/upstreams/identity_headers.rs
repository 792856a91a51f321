//! By which headers does an application learn who is calling?

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use validator::{Validate, ValidationError, ValidationErrors};

use crate::config::choice::{Choice, choose};

/// The names of the identity headers; `None` where a fact is not sent.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct IdentityHeaders {
    pub user: Option<String>,
    pub email: Option<String>,
    pub groups: Option<String>,
    pub auth: Option<String>,
}

/// The table an operator writes; what is left out is not sent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Names {
    /// Who: the subject without the issuer's alias.
    user: Option<String>,
    /// The email address, if the issuer says it is verified.
    email: Option<String>,
    /// The groups, as a list of strings (RFC 9651).
    groups: Option<String>,
    /// How the caller proved who it is.
    auth: Option<String>,
}

impl IdentityHeaders {
    fn of(user: &str, email: Option<&str>, groups: Option<&str>, auth: Option<&str>) -> Self {
        let name = |name: Option<&str>| name.map(str::to_owned);
        Self { user: Some(user.to_owned()), email: name(email), groups: name(groups), auth: name(auth) }
    }

    /// The names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.user, &self.email, &self.groups, &self.auth].into_iter().filter_map(|name| name.as_deref())
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        let [email, groups, auth] = ["X-Portcullis-Email", "X-Portcullis-Groups", "X-Portcullis-Auth"].map(Some);
        Self::of("X-Portcullis-User", email, groups, auth)
    }
}

impl Choice for IdentityHeaders {
    const EXPECTED: &'static str =
        "`\"portcullis\"`, `\"oauth2-proxy\"`, `\"authelia\"` or a table as in `{ user = \"X-Sub\" }`";
    type List = IgnoredAny;
    type Table = Names;

    fn word(word: &str) -> Result<Self, String> {
        match word {
            "portcullis" => Ok(Self::default()),
            "oauth2-proxy" => {
                Ok(Self::of("X-Forwarded-User", Some("X-Forwarded-Email"), Some("X-Forwarded-Groups"), None))
            }
            "authelia" => Ok(Self::of("Remote-User", Some("Remote-Email"), Some("Remote-Groups"), None)),
            _ => Err(format!("`{word}` is no preset: write {}", Self::EXPECTED)),
        }
    }

    fn list(_: IgnoredAny) -> Result<Self, String> {
        Err(format!("a list does not fit here: write {}", Self::EXPECTED))
    }

    fn table(table: Names) -> Result<Self, String> {
        Ok(Self { user: table.user, email: table.email, groups: table.groups, auth: table.auth })
    }
}

impl<'de> Deserialize<'de> for IdentityHeaders {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        choose(from)
    }
}

impl Validate for IdentityHeaders {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = ValidationErrors::new();
        let fields = [("user", &self.user), ("email", &self.email), ("groups", &self.groups), ("auth", &self.auth)];
        let mut before: Vec<String> = Vec::new();
        for (field, name) in fields {
            let Some(name) = name else { continue };
            // The application may read `X_User` where `X-User` is meant: they are one name here.
            let folded = name.to_ascii_lowercase().replace('_', "-");
            if let Err(wrong) = usable(name, &folded, &before) {
                faults.add(field, ValidationError::new("header").with_message(wrong.into()));
            }
            before.push(folded);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// Names whose meaning is not ours to give (RFC 9110 §7.6.1, and what the gateway itself writes).
const TAKEN: [&str; 24] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-portcullis-assertion",
    "x-portcullis-decision",
    "x-request-id",
];

fn usable(name: &str, folded: &str, before: &[String]) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        return Err(format!("`{name}` is not a header name to use here: use up to 64 letters, digits and `-`"));
    }
    if TAKEN.contains(&folded) {
        return Err(format!("`{name}` has a meaning of its own and cannot carry the identity"));
    }
    if before.iter().any(|other| other == folded) {
        return Err(format!("`{name}` already carries another fact"));
    }
    Ok(())
}

impl JsonSchema for IdentityHeaders {
    fn schema_name() -> Cow<'static, str> {
        "IdentityHeaders".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "enum": ["portcullis", "oauth2-proxy", "authelia"] }, generator.subschema_for::<Names>()]
        })
    }
}
