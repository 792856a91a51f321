//! Is this ID token good, and for this very login? (OIDC Core §3.1.3.7, §12.2)

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Fault, Provider, Statement, statement};
use crate::identify::config::AtHash;
use crate::identify::jwt::{Algorithm, Token, part};
use crate::identify::why::Why;
use crate::identify::{KeySets, json};
use crate::moment::Now;
use crate::refusal::LoginFailure;

/// What an ID token must fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// At a login the token must hold it; at a refresh it may.
    pub nonce: Option<&'a str>,
    /// At a refresh: of whom it must speak.
    pub subject: Option<&'a str>,
    /// What `at_hash` is of.
    pub access_token: Option<&'a str>,
    /// Separated by spaces: one of these.
    pub acr_values: Option<&'a str>,
    pub max_age: Option<Duration>,
}

impl Provider {
    /// Judges an ID token, and what the userinfo endpoint adds to it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub async fn judge(
        &self,
        text: &str,
        expected: &Expected<'_>,
        key_sets: &dyn KeySets,
        now: Now,
    ) -> Result<IdToken, Fault> {
        let token = Token::parse(text).map_err(invalid)?;
        self.signed(&token, key_sets, now).await?;
        self.judge_terms(&token, now)?;
        judge_binding(&token, expected, self.config.at_hash)?;
        judge_strength(&token, expected, self.leeway(), now)?;
        let subject = token.claims.subject.clone().ok_or((LoginFailure::IdTokenInvalid, "it has no `sub`"))?;
        // The claims as they were sent: what is read of them depends on the provider's configuration.
        let payload = token.signed.split_once('.').map_or("", |(_, payload)| payload);
        let payload = part(payload).map_err(|()| (LoginFailure::IdTokenInvalid, "it is not base64url"))?;
        let claims = json::object(&payload).map_err(|_| (LoginFailure::IdTokenInvalid, "it is not a JSON object"))?;
        Ok(IdToken { subject, claims })
    }

    /// What is said of somebody, all in all.
    ///
    /// # Errors
    /// The userinfo speaks of somebody else, or the claims have other types than they must.
    pub fn state(&self, token: IdToken, userinfo: Option<&[u8]>) -> Result<Statement, Fault> {
        let IdToken { subject, mut claims } = token;
        if let Some(userinfo) = userinfo {
            let unreadable = (LoginFailure::UserinfoUnreadable, "the answer is not one strict JSON object");
            let further = json::object(userinfo).map_err(|_| unreadable)?;
            if further.get("sub").and_then(Value::as_str) != Some(&subject) {
                return Err((LoginFailure::UserinfoMismatch, "its `sub` is not that of the ID token"));
            }
            for (name, value) in further {
                // INVARIANT: what is signed wins over what is not.
                claims.entry(name).or_insert(value);
            }
        }
        statement::read(&self.config, subject, claims).map_err(|why| (LoginFailure::ClaimsUnusable, why))
    }

    pub(super) fn leeway(&self) -> i64 {
        i64::try_from(self.config.leeway.0.as_secs()).unwrap_or(0)
    }

    fn judge_terms(&self, token: &Token<'_>, now: Now) -> Result<(), Fault> {
        let (claims, terms) = (&token.claims, &token.terms);
        if terms.typ.as_deref().is_some_and(|typ| typ != "jwt") {
            return Err((LoginFailure::IdTokenInvalid, "its `typ` says that it is something else"));
        }
        if claims.issuer != self.issuer() {
            return Err((LoginFailure::IssuerMismatch, "the ID token's `iss` is not the provider's `issuer`"));
        }
        let ours = &self.config.client_id;
        if !terms.audience.contains(ours) {
            return Err((LoginFailure::AudienceMismatch, "the ID token's `aud` does not hold `client_id`"));
        }
        match claims.others.get("azp").and_then(Value::as_str) {
            Some(azp) if azp != ours => {
                return Err((LoginFailure::AudienceMismatch, "the ID token's `azp` is another client"));
            }
            None if terms.audience.len() > 1 => {
                return Err((LoginFailure::AudienceMismatch, "the ID token is for several and has no `azp`"));
            }
            Some(_) | None => {}
        }
        let issued = terms.issued.ok_or((LoginFailure::IdTokenInvalid, "it has no `iat`"))?;
        let (leeway, now) = (self.leeway(), now.wall.seconds());
        if now >= terms.expires.saturating_add(leeway) {
            return Err((LoginFailure::ClockSkew, "the ID token's `exp` has passed"));
        }
        let latest = now.saturating_add(leeway);
        if issued > latest || terms.not_before.is_some_and(|start| start > latest) {
            return Err((LoginFailure::ClockSkew, "the ID token's `iat` or `nbf` lies in the future"));
        }
        Ok(())
    }
}

/// An ID token that is good.
#[derive(Debug)]
pub struct IdToken {
    pub subject: String,
    claims: Map<String, Value>,
}

fn invalid(why: Why) -> Fault {
    (LoginFailure::IdTokenInvalid, why)
}

/// Whether it belongs to this login, and to the tokens that came with it.
fn judge_binding(token: &Token<'_>, expected: &Expected<'_>, at_hash: AtHash) -> Result<(), Fault> {
    let claim = |name: &str| token.claims.others.get(name);
    let nonce = claim("nonce").and_then(Value::as_str);
    match (expected.nonce, nonce, expected.subject) {
        (Some(expected), Some(nonce), _) if verify_slices_are_equal(expected.as_bytes(), nonce.as_bytes()).is_ok() => {}
        // OIDC Core §12.2: the ID token of a refresh should hold none.
        (_, None, Some(_)) | (None, None, None) => {}
        _ => return Err((LoginFailure::NonceMismatch, "the ID token's `nonce` is not that of this login")),
    }
    if expected.subject.is_some_and(|subject| token.claims.subject.as_deref() != Some(subject)) {
        return Err((LoginFailure::SubjectMismatch, "the `sub` of the new ID token is another"));
    }
    let Some(access) = expected.access_token else { return Ok(()) };
    match (claim("at_hash").map(Value::as_str), at_hash) {
        (Some(Some(hash)), _) if hash == half_hash(access, token.algorithm) => Ok(()),
        (None, AtHash::Optional) => Ok(()),
        (None, AtHash::Required) => {
            Err((LoginFailure::AtHashMismatch, "the ID token has no `at_hash`, which `at_hash = \"required\"` demands"))
        }
        (Some(_), _) => Err((LoginFailure::AtHashMismatch, "the ID token's `at_hash` is not that of the access token")),
    }
}

/// The left half of the hash of the token's own algorithm (OIDC Core §3.1.3.6).
fn half_hash(text: &str, algorithm: Algorithm) -> String {
    let algorithm = match algorithm {
        Algorithm::Es256 | Algorithm::Ps256 | Algorithm::Rs256 => &SHA256,
        Algorithm::Es384 => &SHA384,
        // What providers do, though no specification says it.
        Algorithm::EdDsa => &SHA512,
    };
    let whole = digest(algorithm, text.as_bytes());
    let whole = whole.as_ref();
    URL_SAFE_NO_PAD.encode(whole.get(..whole.len() / 2).unwrap_or_default())
}

fn judge_strength(token: &Token<'_>, expected: &Expected<'_>, leeway: i64, now: Now) -> Result<(), Fault> {
    let insufficient = |why| Err((LoginFailure::AuthenticationInsufficient, why));
    if let Some(values) = expected.acr_values {
        let reached = token.claims.others.get("acr").and_then(Value::as_str);
        if !reached.is_some_and(|reached| values.split(' ').any(|value| value == reached)) {
            return insufficient("the ID token's `acr` is none of those that were asked for");
        }
    }
    if let Some(most) = expected.max_age {
        let earliest = now.wall.minus(most).seconds().saturating_sub(leeway);
        if token.claims.authenticated.is_none_or(|at| at < earliest) {
            return insufficient("the ID token's `auth_time` is missing, or longer ago than was asked for");
        }
    }
    Ok(())
}
