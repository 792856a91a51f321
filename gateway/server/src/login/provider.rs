//! What is there at a provider? Its endpoints, by discovery, kept for a minute; and what `check` finds out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_core::identify::{Provider, ProviderKind, fetchable};
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use portcullis_core::refusal::LoginFailure;
use serde::Deserialize;

use super::Fault;
use super::http::{Http, NoAnswer};

/// How long what was discovered is used. Then a login finds out first whether the provider is there at all.
const FRESH: Duration = Duration::from_mins(1);
/// How long it is used while a session is renewed and discovery fails.
const USABLE: Duration = Duration::from_hours(24);
/// After a failure the provider is not asked again for so long.
const COOLDOWN: Duration = Duration::from_secs(2);

/// A discovery document (`OpenID` Connect Discovery §3, RFC 8414 §2), as far as it concerns us.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    #[serde(default)]
    pub(crate) userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) end_session_endpoint: Option<String>,
    /// RFC 9207: then no answer comes without `iss`.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Who talks to providers.
pub(crate) struct Desk {
    pub(crate) http: Http,
    clock: Arc<dyn Clock>,
    /// INVARIANT: bounded by the providers of the configurations there have been.
    known: Mutex<HashMap<Arc<str>, Known>>,
    /// One discovery of one provider at a time.
    asking: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Clone)]
struct Known {
    issuer: String,
    found: Option<(Arc<Metadata>, Duration)>,
    failed: Option<(Fault, Duration)>,
}

/// What a login can do with what was discovered a while ago.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// Somebody is about to be sent there.
    Now,
    /// Something goes on that was begun before.
    Whenever,
}

impl Desk {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Result<Self, String> {
        Ok(Self { http: Http::new()?, clock, known: Mutex::default(), asking: Mutex::default() })
    }

    /// The endpoints of a provider.
    pub(crate) async fn metadata(&self, provider: &Provider, freshness: Freshness) -> Result<Arc<Metadata>, Fault> {
        if provider.config.kind == ProviderKind::Github {
            return Ok(Arc::new(super::github::metadata(provider.issuer())));
        }
        if let Some(settled) = self.settled(provider, freshness) {
            return settled;
        }
        let lock = Arc::clone(self.asking.lock().entry(Arc::clone(&provider.alias)).or_default());
        let _alone = lock.lock().await;
        if let Some(settled) = self.settled(provider, freshness) {
            return settled;
        }
        let asked = tokio::time::timeout(Duration::from_secs(5), discover(&self.http, provider)).await;
        let unreachable = |why: String| (LoginFailure::ProviderUnreachable, why);
        let asked = asked.unwrap_or_else(|_| Err(unreachable("discovery took longer than 5 s".into())));
        let now = self.clock.now().steady;
        let mut known = self.known.lock();
        let entry = known.entry(Arc::clone(&provider.alias)).or_insert_with(|| Known::of(provider));
        if entry.issuer != provider.issuer() {
            *entry = Known::of(provider);
        }
        match asked {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                (entry.found, entry.failed) = (Some((Arc::clone(&metadata), now)), None);
                Ok(metadata)
            }
            Err(fault) => {
                entry.failed = Some((fault.clone(), now));
                match (&entry.found, freshness) {
                    (Some((found, at)), Freshness::Whenever) if now.saturating_sub(*at) < USABLE => {
                        Ok(Arc::clone(found))
                    }
                    _ => Err(fault),
                }
            }
        }
    }

    fn settled(&self, provider: &Provider, freshness: Freshness) -> Option<Result<Arc<Metadata>, Fault>> {
        let now = self.clock.now().steady;
        let known = self.known.lock();
        let entry = known.get(&provider.alias).filter(|entry| entry.issuer == provider.issuer())?;
        if let Some((found, at)) = &entry.found
            && (now.saturating_sub(*at) < FRESH || freshness == Freshness::Whenever && now.saturating_sub(*at) < USABLE)
        {
            return Some(Ok(Arc::clone(found)));
        }
        let (fault, at) = entry.failed.as_ref()?;
        (now.saturating_sub(*at) < COOLDOWN).then(|| Err(fault.clone()))
    }
}

impl Known {
    fn of(provider: &Provider) -> Self {
        Self { issuer: provider.issuer().to_owned(), found: None, failed: None }
    }
}

async fn discover(http: &Http, provider: &Provider) -> Result<Metadata, Fault> {
    let issuer = provider.issuer();
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let unreachable = |fault: NoAnswer| (LoginFailure::ProviderUnreachable, fault.0);
    let document = http.get(&url, None).await.map_err(unreachable)?;
    let metadata: Metadata = serde_json::from_slice(&document).map_err(|fault| {
        (LoginFailure::ProviderUnreachable, format!("the discovery document cannot be read: {fault}"))
    })?;
    // OIDC Discovery §4.3: it must speak for this very issuer.
    if metadata.issuer != issuer {
        return Err((LoginFailure::IssuerMismatch, "the discovery document is that of another issuer".into()));
    }
    let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint];
    let further = [&metadata.userinfo_endpoint, &metadata.end_session_endpoint];
    for endpoint in endpoints.into_iter().chain(further.into_iter().flatten()) {
        if !fetchable(endpoint) {
            let why = format!("the discovery document names `{endpoint}`, which is neither `https` nor on loopback");
            return Err((LoginFailure::ProviderUnreachable, why));
        }
    }
    Ok(metadata)
}

/// How far the clocks may differ before anybody is told.
const MOST_SKEW: Duration = Duration::from_secs(20);

/// Tries what the first login would: discovery, the redirect URI, the clock.
pub(crate) async fn try_out(provider: &Provider, public_url: &str, now: Moment) -> Vec<String> {
    let mut findings = Vec::new();
    let http = match Http::new() {
        Ok(http) => http,
        Err(why) => {
            findings.push(why);
            return findings;
        }
    };
    let metadata = if provider.config.kind == ProviderKind::Github {
        super::github::metadata(provider.issuer())
    } else {
        match discover(&http, provider).await {
            Ok(metadata) => metadata,
            Err((failure, why)) => {
                findings.push(format!("{}: {why}", failure.name()));
                return findings;
            }
        }
    };
    let redirect = super::start::redirect_uri(public_url, &provider.alias);
    // With `prompt=none` nobody is bothered: a provider that knows the redirect URI sends the answer there.
    let query = super::visit::query(&[
        ("response_type", "code"),
        ("client_id", &provider.config.client_id),
        ("redirect_uri", &redirect),
        ("scope", &provider.config.scopes().join(" ")),
        ("prompt", "none"),
        ("state", "portcullis-check"),
        ("nonce", "portcullis-check"),
        // The challenge of RFC 7636, appendix B.
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]);
    let joined = if metadata.authorization_endpoint.contains('?') { '&' } else { '?' };
    let asked = http.look(&format!("{}{joined}{query}", metadata.authorization_endpoint)).await;
    match asked {
        Err(fault) => findings.push(format!("{}: {fault}", LoginFailure::ProviderUnreachable.name())),
        Ok(seen) => {
            let known = seen.location.as_deref().is_some_and(|location| location.starts_with(&redirect));
            let says_so = seen.body.contains("redirect_uri");
            if !known && (says_so || seen.status.is_client_error()) {
                findings.push(format!(
                    "{}: the provider does not take `{redirect}` for `client_id`; register it there",
                    LoginFailure::RedirectUriNotRegistered.name()
                ));
            }
            if let Some(theirs) = seen.date {
                let skew = now.since(theirs).max(theirs.since(now));
                if skew > MOST_SKEW {
                    findings.push(format!(
                        "{}: its clock and ours differ by {} s",
                        LoginFailure::ClockSkew.name(),
                        skew.as_secs()
                    ));
                }
            }
        }
    }
    findings
}
