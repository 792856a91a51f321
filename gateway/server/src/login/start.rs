//! How does a login begin? By sending the browser to a provider, with all of the flow in a sealed cookie.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, header};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use portcullis_core::identify::{Provider, ProviderKind, returns_to_us};
use portcullis_core::refusal::LoginFailure;

use super::flow::{self, Flow};
use super::provider::Freshness;
use super::visit::{self, Visit};
use super::wish::{Attempt, Wish};
use super::{Fault, Login, page, random_text, tokens};
use crate::respond::Reply;

/// What must be registered at the provider.
pub(crate) fn redirect_uri(public_url: &str, alias: &str) -> String {
    format!("{public_url}/_portcullis/callback/{alias}")
}

impl Login {
    /// `GET /_portcullis/login`.
    pub(super) async fn login(&self, visit: &Visit) -> Result<Reply, Fault> {
        let snapshot = &visit.snapshot;
        let unknown = || (LoginFailure::ProviderUnknown, "the alias is none of [providers.*]".to_owned());
        let wanted: Vec<&Arc<Provider>> = match visit.parameter("provider") {
            None => snapshot.providers().iter().collect(),
            Some(list) => {
                let named = list.split(',').map(|alias| snapshot.providers().get(alias));
                named.collect::<Option<_>>().ok_or_else(unknown)?
            }
        };
        let back_to = visit.parameter("rd").filter(|target| fits_back(target)).unwrap_or("/").to_owned();
        let short = |name: &str| visit.parameter(name).filter(|value| (1..=512).contains(&value.len()));
        let acr_values = short("acr_values").map(str::to_owned);
        let max_age = short("max_age").and_then(|age| age.parse().ok());
        let wish = Wish { back_to, acr_values, max_age, attempt: Attempt::First };
        match *wanted {
            [] => Err(unknown()),
            [only] => self.begin(visit, only, wish).await,
            _ => Ok(page::choose(&wanted, &wish)),
        }
    }

    /// Sends the browser to `provider`.
    pub(super) async fn begin(&self, visit: &Visit, provider: &Provider, wish: Wish) -> Result<Reply, Fault> {
        let metadata = self.providers.metadata(provider, Freshness::Now).await?;
        let redirect = redirect_uri(visit.snapshot.public_url(), &provider.alias);
        let client = tokens::client(provider, &metadata, &redirect)?;
        let flow = Flow {
            provider: provider.alias.to_string(),
            state: format!("{}{}", wish.attempt.mark(), random_text()?),
            nonce: random_text()?,
            verifier: random_text()?,
            back_to: wish.back_to,
            begun: self.now().wall,
            before: visit.session_id().map(|id| id.hash().text()),
            acr_values: wish.acr_values,
            max_age: wish.max_age,
        };
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(flow.verifier.clone()));
        let mut request = client
            .authorize_url(|| CsrfToken::new(flow.state.clone()))
            .set_pkce_challenge(challenge)
            .add_scopes(provider.config.scopes().into_iter().map(Scope::new));
        if provider.config.kind == ProviderKind::Oidc {
            request = request.add_extra_param("nonce", flow.nonce.clone());
        }
        if let Some(values) = &flow.acr_values {
            request = request.add_extra_param("acr_values", values.clone());
        }
        if let Some(age) = flow.max_age {
            request = request.add_extra_param("max_age", age.to_string());
        }
        for (name, value) in &provider.config.parameters {
            request = request.add_extra_param(name.as_str(), value.as_str());
        }
        let (url, _) = request.url();
        let unsealed = |_| (LoginFailure::StoreUnavailable, "the flow could not be sealed".to_owned());
        let sealed = flow.seal(&self.sealer).map_err(unsealed)?;
        let mut reply = visit::redirect(StatusCode::FOUND, url.as_str())?;
        for name in flow::surplus(&visit.headers, &self.sealer) {
            reply = reply.with(header::SET_COOKIE, visit::cookie(&name, "", 0));
        }
        let age = flow::LONGEST.as_secs();
        Ok(reply.with(header::SET_COOKIE, visit::cookie(&flow::name(&flow.state), &sealed, age)))
    }
}

/// A way back that is not one of our own pages, which would lead nowhere, and short enough for a cookie.
pub(super) fn fits_back(target: &str) -> bool {
    returns_to_us(target) && target.len() <= 1_024 && !target.starts_with("/_portcullis/")
}

/// For the expectations of a flow.
pub(super) fn seconds(age: Option<u64>) -> Option<Duration> {
    age.map(Duration::from_secs)
}
