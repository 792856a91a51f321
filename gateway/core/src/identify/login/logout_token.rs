//! Who has logged out at the provider? Logout tokens (OIDC Back-Channel Logout §2.4, §2.6).

use serde_json::Value;

use super::{Fault, Provider};
use crate::identify::KeySets;
use crate::identify::jwt::{Purpose, Token};
use crate::moment::Now;
use crate::refusal::LoginFailure;

/// What a good logout token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedOut {
    /// One session at the provider.
    pub sid: Option<String>,
    /// All of somebody, where there is no `sid`.
    pub subject: Option<String>,
    /// By which it is used once.
    pub id: String,
}

/// How old one may be, in seconds.
const OLDEST: i64 = 300;

impl Provider {
    /// Judges a logout token. Whether it was used before is the caller's to find out.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub async fn judge_logout(&self, text: &str, key_sets: &dyn KeySets, now: Now) -> Result<LoggedOut, Fault> {
        let invalid = |why| (LoginFailure::IdTokenInvalid, why);
        let token = Token::parse_as(text, Purpose::Logout).map_err(invalid)?;
        self.signed(&token, key_sets, now).await?;
        let (claims, terms) = (&token.claims, &token.terms);
        if terms.typ.as_deref().is_some_and(|typ| typ != "logout+jwt" && typ != "jwt") {
            return Err(invalid("its `typ` says that it is something else"));
        }
        if claims.issuer != self.issuer() {
            return Err((LoginFailure::IssuerMismatch, "its `iss` is not the provider's `issuer`"));
        }
        if !terms.audience.contains(&self.config.client_id) {
            return Err((LoginFailure::AudienceMismatch, "its `aud` does not hold `client_id`"));
        }
        if claims.others.contains_key("nonce") {
            return Err(invalid("it holds a `nonce`, which no logout token may"));
        }
        let issued = terms.issued.ok_or(invalid("it has no `iat`"))?;
        let (now, leeway) = (now.wall.seconds(), self.leeway());
        if issued > now.saturating_add(leeway)
            || issued < now.saturating_sub(OLDEST + leeway)
            || now >= terms.expires.saturating_add(leeway)
        {
            return Err((LoginFailure::ClockSkew, "it was not issued just now"));
        }
        let id = claims.id.clone().filter(|id| (1..=128).contains(&id.len()));
        let id = id.ok_or(invalid("it has no `jti` of 1 to 128 bytes"))?;
        let sid = match claims.others.get("sid") {
            None => None,
            Some(Value::String(sid)) if crate::identify::jwt::fits(sid) => Some(sid.clone()),
            Some(_) => return Err(invalid("its `sid` is not a string of 1 to 255 bytes")),
        };
        if sid.is_none() && claims.subject.is_none() {
            return Err(invalid("it names neither a session (`sid`) nor a person (`sub`)"));
        }
        Ok(LoggedOut { sid, subject: claims.subject.clone(), id })
    }
}

/// The issuer that a logout token names, not yet believed: so that one knows whose keys to check it with.
pub fn claimed_issuer(text: &str) -> Option<String> {
    Token::parse_as(text, Purpose::Logout).ok().map(|token| token.claims.issuer)
}
