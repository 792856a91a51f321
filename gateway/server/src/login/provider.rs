//! What is there at a provider? Its endpoints, by discovery, kept for a minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_core::identify::{Provider, ProviderKind, fetchable};
use portcullis_core::ports::Clock;
use portcullis_core::refusal::LoginFailure;

use super::Fault;
use super::http::{Http, NoAnswer};
use super::metadata::Metadata;

/// How long what was discovered is used. Then a login finds out first whether the provider is there at all.
const FRESH: Duration = Duration::from_mins(1);
/// How long it is used while a session is renewed and discovery fails.
const USABLE: Duration = Duration::from_hours(24);
/// After a failure the provider is not asked again for so long.
const COOLDOWN: Duration = Duration::from_secs(2);

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

pub(super) async fn discover(http: &Http, provider: &Provider) -> Result<Metadata, Fault> {
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
