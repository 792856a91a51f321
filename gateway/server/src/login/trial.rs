//! What would the first login meet? For `check`, so that nobody has to find out.

use std::time::Duration;

use portcullis_core::identify::{Provider, ProviderKind};
use portcullis_core::moment::Moment;
use portcullis_core::refusal::LoginFailure;

use super::http::{Http, Seen};
use super::provider::discover;
use super::{flow, github, start, visit};
use crate::respond::query;

/// How far the clocks may differ before anybody is told.
const MOST_SKEW: Duration = Duration::from_secs(20);

/// Tries discovery, the redirect URI, the clock, and the cookies as they arrive under `public_url`.
pub(crate) async fn try_out(provider: &Provider, public_url: &str, now: Moment) -> Vec<String> {
    let http = match Http::new() {
        Ok(http) => http,
        Err(why) => return vec![why],
    };
    let (mut findings, cookies) =
        tokio::join!(at_the_provider(&http, provider, public_url, now), cookies(&http, provider, public_url));
    findings.extend(cookies);
    findings
}

fn finding(failure: LoginFailure, what: impl std::fmt::Display) -> String {
    format!("{}: {what}", failure.name())
}

async fn at_the_provider(http: &Http, provider: &Provider, public_url: &str, now: Moment) -> Vec<String> {
    let metadata = if provider.config.kind == ProviderKind::Github {
        github::metadata(provider.issuer())
    } else {
        match discover(http, provider).await {
            Ok(metadata) => metadata,
            Err((failure, why)) => return vec![finding(failure, why)],
        }
    };
    let redirect = start::redirect_uri(public_url, &provider.alias);
    // With `prompt=none` nobody is bothered: a provider that knows the redirect URI sends the answer there.
    let query = query(&[
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
    match http.look(&format!("{}{joined}{query}", metadata.authorization_endpoint)).await {
        Err(fault) => vec![finding(LoginFailure::ProviderUnreachable, fault)],
        Ok(seen) => [unknown(&seen, &redirect), skewed(&seen, now)].into_iter().flatten().collect(),
    }
}

/// Whether the provider would send nobody back to us.
fn unknown(seen: &Seen, redirect: &str) -> Option<String> {
    let known = seen.location.as_deref().is_some_and(|location| location.starts_with(redirect));
    let says_so = seen.body.contains("redirect_uri");
    (!known && (says_so || seen.status.is_client_error())).then(|| {
        let what = format!("the provider does not take `{redirect}` for `client_id`; register it there");
        finding(LoginFailure::RedirectUriNotRegistered, what)
    })
}

fn skewed(seen: &Seen, now: Moment) -> Option<String> {
    let theirs = seen.date?;
    let skew = now.since(theirs).max(theirs.since(now));
    (skew > MOST_SKEW)
        .then(|| finding(LoginFailure::ClockSkew, format_args!("its clock and ours differ by {} s", skew.as_secs())))
}

/// Whether the cookie of a login arrives under `public_url` as it was set. Where nobody answers, the gateway may not run
/// yet, and nothing is said.
async fn cookies(http: &Http, provider: &Provider, public_url: &str) -> Option<String> {
    let url = format!("{public_url}/_portcullis/login?provider={}", provider.alias);
    let seen = http.look(&url).await.ok()?;
    let fault = match seen.cookies.iter().find(|line| flow::is_flow(line)) {
        Some(line) => visit::spoilt(line)?,
        // A gateway that runs says so itself where its provider is away, or not known to it yet.
        None if seen.body.contains("provider_") => return None,
        None => {
            "the login there sets no cookie of the gateway's: does what stands before it pass everything on?".into()
        }
    };
    Some(finding(LoginFailure::CookieNotReturned, format_args!("at `{public_url}` {fault}")))
}
