//! `[providers.<alias>]`: where people log in, and how what is said of them there is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use crate::identify::{Algorithm, Secret};
use crate::units::Span;

/// A provider that people log in at with a browser. The alias names it in principals: `User::"<alias>|<sub>"`. Where
/// `[tokens.<alias>]` is there too, both have the same issuer.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// `oidc` is `OpenID` Connect; `github` is GitHub's own OAuth 2, which has no ID tokens.
    #[serde(default)]
    pub kind: ProviderKind,
    /// The issuer exactly, to the last slash: an `https` URL (`http` on loopback only). With `kind = "github"` the
    /// address of an own GitHub; default `https://github.com`.
    #[serde(default)]
    pub issuer: String,
    /// With `kind = "github"`: where its API is. Default `https://api.github.com`, or `<issuer>/api/v3`.
    #[serde(default)]
    pub api: Option<String>,
    /// The name under which the gateway is registered there.
    #[validate(length(min = 1, max = 255))]
    pub client_id: String,
    /// The secret that goes with it.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// A private key (PEM, P-256 or RSA) that proves the client instead of a secret: `private_key_jwt` (RFC 7523).
    /// Relative to the root.
    #[serde(default)]
    pub client_key: Option<PathBuf>,
    /// The `kid` under which the provider knows that key.
    #[serde(default)]
    #[validate(length(min = 1, max = 255))]
    pub client_key_id: Option<String>,
    /// What people choose by where several providers fit. Default: the alias.
    #[serde(default)]
    #[validate(length(min = 1, max = 64))]
    pub label: Option<String>,
    /// What is asked for. Default: `openid profile email`; at GitHub `read:user user:email`, and `read:org` where
    /// `organisations` are named.
    #[serde(default)]
    #[validate(length(max = 32), custom(function = super::checks::scopes))]
    pub scopes: Option<Vec<String>>,
    /// Further parameters of the authorization request: `{ access_type = "offline" }`.
    #[serde(default)]
    #[validate(length(max = 16))]
    pub parameters: BTreeMap<String, String>,
    /// The claim that lists the groups, an array of strings; a JSON Pointer where it lies deeper, as in
    /// `/realm_access/roles`. At GitHub the groups are organisations (`acme`) and teams (`acme/ops`).
    #[serde(default = "groups")]
    #[validate(length(min = 1, max = 255))]
    pub groups_claim: String,
    /// Whether `email` is believed where the provider does not say that it is verified (`email_verified`). Only for
    /// providers where people cannot write any address they like.
    #[serde(default)]
    pub trust_email: bool,
    /// Whether the userinfo endpoint is asked for claims that the ID token does not hold.
    #[serde(default = "yes")]
    pub userinfo: bool,
    /// Whether an ID token must hold the hash of the access token that comes with it. In the code flow it need not
    /// (OIDC Core §3.1.3.6); one that is there must be right. Write `required` where the provider always sends it.
    #[serde(default)]
    pub at_hash: AtHash,
    /// Signature algorithms that are accepted of ID tokens. Default: all of them; there is no symmetric one.
    #[serde(default = "all_algorithms")]
    #[validate(length(min = 1, max = 5))]
    pub algorithms: Vec<Algorithm>,
    /// By how much the provider's clock may differ from ours: at most 5 minutes.
    #[serde(default = "half_a_minute")]
    pub leeway: Span,
    /// What logging out ends: the session here and that at the `provider`, or the one here alone (`local`).
    #[serde(default)]
    pub logout: LogoutReach,
    /// With `kind = "github"`: the organisations of which one must be joined. Default: anybody may log in.
    #[serde(default)]
    #[validate(length(max = 64))]
    pub organisations: Vec<String>,
}

/// Which protocol a provider speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    Github,
    #[default]
    Oidc,
}

/// Whether ID tokens must name their access token (`at_hash`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AtHash {
    #[default]
    Optional,
    Required,
}

/// How far a logout goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogoutReach {
    Local,
    #[default]
    Provider,
}

impl ProviderConfig {
    const GITHUB: &'static str = "https://github.com";

    /// Whose word it is.
    pub fn issuer(&self) -> &str {
        match (self.kind, self.issuer.as_str()) {
            (ProviderKind::Github, "") => Self::GITHUB,
            (_, issuer) => issuer,
        }
    }

    /// What is asked for.
    pub fn scopes(&self) -> Vec<String> {
        let usual: &[&str] = match self.kind {
            ProviderKind::Oidc => &["openid", "profile", "email"],
            ProviderKind::Github if self.organisations.is_empty() => &["read:user", "user:email"],
            ProviderKind::Github => &["read:user", "user:email", "read:org"],
        };
        self.scopes.clone().unwrap_or_else(|| usual.iter().map(|scope| (*scope).to_owned()).collect())
    }
}

fn groups() -> String {
    "groups".into()
}

fn yes() -> bool {
    true
}

fn all_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}
