//! `[admin]`: who else than the holder of the admin key may use the admin API?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

/// `[admin]`. The address is `server.admin`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Aliases of `[tokens.*]` whose bearer tokens are taken.
    #[validate(length(max = 16))]
    pub issuers: Vec<String>,
    /// For whom those tokens must be made. Demanded with `issuers`: a token that was made for the application must not
    /// open the admin API.
    #[validate(length(max = 16))]
    pub audiences: Vec<String>,
    /// What a group may, by its qualified name: `"company|platform" = ["admin"]`. Roles are `admin`, `operator`,
    /// `viewer` and `key-manager`; what they mean is written in `admin.cedar`.
    #[validate(custom(function = qualified))]
    pub roles: BTreeMap<String, Vec<Role>>,
    /// What the holder of a certificate may, by the name that `server.admin_client_certificates` gives it.
    #[validate(length(max = 1000), nested)]
    pub holders: BTreeMap<String, HolderConfig>,
    /// The claim that names the projects of a key manager: a text or a list of texts.
    #[validate(length(min = 1, max = 128))]
    pub project_claim: String,
    /// Names by which the admin listener is reached besides those of this machine.
    #[validate(length(max = 16))]
    pub hosts: Vec<String>,
    /// Whether a change of one thing must say by `If-Match` which version it is meant for. Where it is `required`, one
    /// that does not is 428.
    pub if_match: IfMatch,
    /// Connections open at once on the admin listener; further ones are closed at once.
    #[validate(range(min = 4, max = 10_000))]
    pub max_connections: u32,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            roles: BTreeMap::new(),
            holders: BTreeMap::new(),
            project_claim: "project".to_owned(),
            hosts: Vec::new(),
            if_match: IfMatch::Optional,
            max_connections: 128,
        }
    }
}

/// One of `[admin.holders]`: somebody who shows a certificate.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct HolderConfig {
    /// What they are to the gateway.
    #[validate(length(min = 1, max = 4))]
    pub roles: Vec<Role>,
    /// The projects whose keys they manage, where they are a `key-manager`.
    #[serde(default)]
    #[validate(length(max = 100))]
    pub projects: Vec<String>,
}

/// Whether a change must name the version it is meant for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IfMatch {
    /// One that names none is meant for whatever there is.
    #[default]
    Optional,
    /// `*` names whatever there is, too.
    Required,
}

/// What an administrator is to the gateway.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// The API keys of their own projects.
    KeyManager,
    /// Looking, and what keeps a gateway running: reloading, taking back sessions and tokens.
    Operator,
    /// Looking.
    Viewer,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Admin, Self::KeyManager, Self::Operator, Self::Viewer];

    /// The id of the Cedar entity, and the role of an API key after `portcullis:`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::KeyManager => "key-manager",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A group without its issuer is nobody's, and one of keys comes with the key itself.
fn qualified(roles: &BTreeMap<String, Vec<Role>>) -> Result<(), ValidationError> {
    for group in roles.keys() {
        let wrong = match group.split_once('|') {
            None => format!("`{group}` does not say whose group it is: write `<alias>|{group}`"),
            Some(("keys", _)) => {
                let role = ROLE_OF_KEYS;
                format!("`{group}`: a key is an administrator's by its own roles, as `{role}`; leave this out")
            }
            Some(_) => continue,
        };
        return Err(ValidationError::new("group").with_message(wrong.into()));
    }
    Ok(())
}

const ROLE_OF_KEYS: &str = "portcullis:viewer";
