//! Where do people log in, and is what is said of them there good? Providers, their ID and logout tokens.

mod id_token;
mod logout_token;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bearer::{Bearer, fetchable};
use super::config::{Mistake, ProviderConfig, ProviderKind};
use super::jwks::{KeyOrigin, KeySet, Signature, SourceSpec};
use super::jwt::Token;
use super::{KeySets, KeysUnavailable};
use crate::moment::Now;
use crate::refusal::{LoginFailure, LoginStyle};
pub use id_token::{Expected, IdToken};
pub use logout_token::{LoggedOut, claimed_issuer};
pub use statement::Statement;

/// Which failure, and why, for the operator. Nothing of what a stranger sent is in it.
pub type Fault = (LoginFailure, &'static str);

/// All providers of one snapshot.
#[derive(Debug, Default)]
pub struct Providers(BTreeMap<Arc<str>, Arc<Provider>>);

/// One provider.
#[derive(Debug, Eq, PartialEq)]
pub struct Provider {
    pub alias: Arc<str>,
    pub config: ProviderConfig,
    spec: SourceSpec,
}

/// Of one route: which providers it takes, and how somebody without a session is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoginDemands {
    /// Empty: all.
    pub providers: Vec<String>,
    pub style: LoginStyle,
}

/// Parameters of the authorization request that are ours to set.
const OURS: [&str; 12] = [
    "acr_values",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "nonce",
    "redirect_uri",
    "request",
    "response_mode",
    "response_type",
    "scope",
    "state",
];
const MOST_LEEWAY: Duration = Duration::from_mins(5);

impl Providers {
    /// # Errors
    /// Every mistake in every provider.
    pub fn compile(configured: &BTreeMap<String, ProviderConfig>) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut providers = BTreeMap::new();
        for (alias, config) in configured {
            mistakes.extend(judge(alias, config));
            let spec = SourceSpec {
                alias: Arc::from(alias.as_str()),
                issuer: config.issuer().to_owned(),
                origin: KeyOrigin::Discovery,
                refresh: Duration::from_mins(5),
                max_age: Duration::from_hours(24),
                cooldown: Duration::from_secs(30),
            };
            let alias = Arc::clone(&spec.alias);
            providers.insert(Arc::clone(&alias), Arc::new(Provider { alias, config: config.clone(), spec }));
        }
        if mistakes.is_empty() { Ok(Self(providers)) } else { Err(mistakes) }
    }

    pub fn get(&self, alias: &str) -> Option<&Arc<Provider>> {
        self.0.get(alias)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.values()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Key sets the world must provide beyond those for bearer tokens.
    pub fn key_sources<'p>(&'p self, tokens: &'p Bearer) -> impl Iterator<Item = &'p SourceSpec> {
        let known = move |alias: &str| tokens.key_sources().any(|source| *source.alias == *alias);
        let oidc = self.0.values().filter(|provider| provider.config.kind == ProviderKind::Oidc);
        oidc.map(|provider| &provider.spec).filter(move |spec| !known(&spec.alias))
    }
}

impl Provider {
    /// Whose word its statements are.
    pub fn issuer(&self) -> &str {
        &self.spec.issuer
    }

    /// What people choose it by.
    pub fn label(&self) -> &str {
        self.config.label.as_deref().unwrap_or(&self.alias)
    }

    /// Whether one of the provider's keys has signed this.
    async fn signed(&self, token: &Token<'_>, key_sets: &dyn KeySets, now: Now) -> Result<(), Fault> {
        if !self.config.algorithms.contains(&token.algorithm) {
            return Err((LoginFailure::IdTokenInvalid, "its `alg` is not one of the provider's `algorithms`"));
        }
        let unavailable = |fault: KeysUnavailable| {
            let why = match fault {
                KeysUnavailable::FetchFailed | KeysUnavailable::Never => "its keys cannot be fetched",
                KeysUnavailable::Slow => "its keys did not arrive in time",
                KeysUnavailable::Stale => "its keys are too old, and cannot be fetched anew",
            };
            (LoginFailure::ProviderUnreachable, why)
        };
        let generation = match key_sets.current(&self.alias, now) {
            Ok(keys) => match verdict(&keys, token) {
                Some(verdict) => return verdict,
                None => keys.generation,
            },
            // Perhaps nobody has needed them so far.
            Err(KeysUnavailable::Never) => 0,
            Err(fault) => return Err(unavailable(fault)),
        };
        let fresh = key_sets.refetch(&self.alias, generation, now).get().await.map_err(unavailable)?;
        let unknown =
            Err((LoginFailure::IdTokenInvalid, "none of the provider's keys, freshly fetched, has signed it"));
        verdict(&fresh, token).unwrap_or(unknown)
    }
}

/// `None`: the set may be too old to tell.
fn verdict(keys: &KeySet, token: &Token<'_>) -> Option<Result<(), Fault>> {
    match keys.check(token) {
        Signature::Bad => Some(Err((LoginFailure::IdTokenInvalid, "its signature does not verify"))),
        Signature::Good => Some(Ok(())),
        Signature::UnknownKey => None,
    }
}

fn judge(alias: &str, config: &ProviderConfig) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut add = |key: &str, message: String| found.push(Mistake { key: format!("providers.{alias}.{key}"), message });
    if !fetchable(config.issuer()) {
        add("issuer", format!("`{}` is no `https` URL (`http` is for loopback only)", config.issuer()));
    }
    let github = config.kind == ProviderKind::Github;
    match (&config.client_secret, &config.client_key) {
        (Some(_), None) => {}
        (None, Some(_)) if !github => {}
        (None, Some(_)) => add("client_key", "GitHub knows secrets only: write `client_secret`".into()),
        (Some(_), Some(_)) => add("client_key", "there is a `client_secret` too; keep one of the two".into()),
        (None, None) => add(
            "client_id",
            "nothing proves that the gateway is this client: add `client_secret = \"${OIDC_SECRET}\"`, or `client_key`"
                .into(),
        ),
    }
    if config.client_key_id.is_some() && config.client_key.is_none() {
        add("client_key_id", "it names a `client_key`, and there is none".into());
    }
    if let Some(name) = config.parameters.keys().find(|name| OURS.contains(&name.as_str())) {
        add("parameters", format!("`{name}` is the gateway's own to set"));
    }
    if let Some(api) = &config.api
        && !fetchable(api)
    {
        add("api", format!("`{api}` is no `https` URL (`http` is for loopback only)"));
    }
    if !github && config.api.is_some() {
        add("api", "only `kind = \"github\"` has it".into());
    }
    if !github && !config.organisations.is_empty() {
        add("organisations", "only `kind = \"github\"` has them; elsewhere let the policies ask for groups".into());
    }
    if !github && config.scopes.as_ref().is_some_and(|scopes| !scopes.iter().any(|scope| scope == "openid")) {
        add("scopes", "`openid` is missing, without which a provider does not say who somebody is".into());
    }
    if config.leeway.0 > MOST_LEEWAY {
        add("leeway", "it is longer than `5m`; mend the clocks instead".into());
    }
    found
}

/// Whether a redirect to this leads to a path of our own origin, however a browser may read it: one slash at the
/// front, and nothing in it that browsers drop or turn into another.
pub fn returns_to_us(target: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let second = target.as_bytes().get(1);
    target.starts_with('/') && second != Some(&b'/') && target.len() <= 2_048 && target.bytes().all(plain)
}
