//! In which words is a caller turned away here? Each reason goes to the operator; the caller learns no more
//! than that the credential is no good, and never something it sent.

use std::borrow::Cow;
use std::time::Duration;

use super::KeysUnavailable;
use crate::answer::StoreDown;
use crate::refusal::{Challenge, Code, Guess, Refusal, Scheme};

/// Keys come back with the issuer, so asking sooner is of no use.
const UNTIL_KEYS: Duration = Duration::from_secs(5);
const UNTIL_STORE: Duration = Duration::from_secs(1);

pub(super) fn token(why: &'static str) -> Refusal {
    let mut refusal = unfit_token(why);
    refusal.extra_mut().guess = Some(Guess::default());
    refusal
}

/// A token that its issuer did give out.
fn unfit_token(why: &'static str) -> Refusal {
    Refusal::new(Code::InvalidToken).because(why).challenge(challenge("invalid_token", "the token does not verify"))
}

pub(super) fn expired_token() -> Refusal {
    Refusal::new(Code::InvalidToken)
        .because("the token has expired")
        .detail("The bearer token has expired.")
        .challenge(challenge("invalid_token", "the token has expired"))
}

/// One public text for every kind of bad key, so that nobody learns which ids exist.
pub(super) fn api_key(why: impl Into<Cow<'static, str>>) -> Refusal {
    let challenge = challenge("invalid_token", "the API key does not verify");
    let mut refusal = Refusal::new(Code::InvalidApiKey).because(why).challenge(challenge);
    refusal.extra_mut().guess = Some(Guess::default());
    refusal
}

/// As [`api_key`], where it is known which key was tried.
pub(super) fn api_key_of(id: &str, why: &'static str) -> Refusal {
    let mut refusal = api_key(format!("the key `{id}` {why}"));
    refusal.extra_mut().guess = Some(Guess { account: Some(id.into()) });
    refusal
}

/// Nothing was shown, so the challenge names no error (RFC 6750 §3).
pub(super) fn nobody(why: &'static str, scope: Option<String>, scheme: Scheme) -> Refusal {
    let challenge = Challenge { scope, scheme, ..Challenge::default() };
    Refusal::new(Code::AuthenticationRequired).because(why).challenge(challenge)
}

/// RFC 6750 §3.1; `scope` lists all that are needed.
pub(super) fn scope(missing: &str, scope: Option<String>) -> Refusal {
    let description = Cow::Borrowed("the credential lacks a scope that this resource needs");
    Refusal::new(Code::Forbidden)
        .because(format!("the scope `{missing}` is missing"))
        .detail("The credential lacks a scope that this resource needs.")
        .challenge(Challenge { error: Some("insufficient_scope"), description, scope, ..Challenge::default() })
}

pub(super) fn conflict(why: &'static str) -> Refusal {
    Refusal::new(Code::CredentialsConflict).because(why)
}

pub(super) fn keys_unavailable(fault: KeysUnavailable) -> Refusal {
    let why = match fault {
        KeysUnavailable::FetchFailed => "the token's key is not known, and the issuer's keys cannot be fetched",
        KeysUnavailable::Never => "the issuer's keys have never been fetched",
        KeysUnavailable::Slow => "the token's key is not known, and the issuer's keys did not arrive in time",
        KeysUnavailable::Stale => "the issuer's keys are older than `max_age`",
    };
    Refusal::new(Code::KeysUnavailable).because(why).retry_after(UNTIL_KEYS)
}

pub(super) fn store_down(fault: StoreDown) -> Refusal {
    Refusal::new(Code::DependencyUnavailable)
        .because(format!("the API key cannot be looked up: {}", fault.what))
        .retry_after(UNTIL_STORE)
}

/// RFC 9449 §7.1: of the proof, not of the token.
pub(super) fn proof(why: &'static str) -> Refusal {
    Refusal::new(Code::InvalidDpopProof)
        .because(why)
        .challenge(Challenge { scheme: Scheme::Dpop, ..challenge("invalid_dpop_proof", "the proof does not verify") })
}

/// A token that must be proven and was not.
pub(super) fn unproven(why: &'static str, scheme: Scheme) -> Refusal {
    Refusal::new(Code::InvalidToken)
        .because(why)
        .challenge(Challenge { scheme, ..challenge("invalid_token", "the token needs a proof of possession") })
}

pub(super) fn certificate(why: &'static str) -> Refusal {
    Refusal::new(Code::InvalidCertificate).because(why)
}

pub(super) fn revoked_token() -> Refusal {
    unfit_token("the token was taken back: it is on the list of revocations")
}

pub(super) fn introspection_down(fault: StoreDown) -> Refusal {
    Refusal::new(Code::DependencyUnavailable)
        .because(format!("the token's issuer cannot be asked about it: {}", fault.what))
        .retry_after(UNTIL_KEYS)
}

pub(super) fn replays_unknown(fault: StoreDown) -> Refusal {
    Refusal::new(Code::DependencyUnavailable)
        .because(format!("it cannot be told whether the proof was used before: {}", fault.what))
        .retry_after(UNTIL_STORE)
}

pub(super) fn cross_site(why: &'static str) -> Refusal {
    Refusal::new(Code::CrossSiteRequest).because(why)
}

pub(super) fn sessions_down(fault: StoreDown) -> Refusal {
    Refusal::new(Code::DependencyUnavailable)
        .because(format!("the session cannot be looked up: {}", fault.what))
        .retry_after(UNTIL_STORE)
}

pub(super) fn challenge(error: &'static str, description: &'static str) -> Challenge {
    Challenge { error: Some(error), description: Cow::Borrowed(description), ..Challenge::default() }
}
