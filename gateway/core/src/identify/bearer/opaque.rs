//! What does the issuer say of a token that says nothing itself? Introspection answers (RFC 7662 §2.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::source::TokenSource;
use crate::identify::config::{IntrospectionConfig, MissingAudience};
use crate::identify::json;
use crate::identify::jwt::{Claims, Terms, read_claims};
use crate::identify::why::Why;
use crate::moment::Now;

/// Of the members of an answer, those that are about the answer and no claims.
const ABOUT: [&str; 2] = ["active", "token_type"];

/// What the issuer said.
#[derive(Debug)]
pub(super) enum Said {
    Active(Box<(Claims, Terms)>),
    Inactive,
    /// The token is active, and of no use here: why.
    Unfit(Why),
}

/// Whether a token has the shape of a JWS: then it speaks for itself, and is never shown to an issuer it does not name.
pub(super) fn is_jws(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(header), 2) = (parts.next(), parts.count()) else { return false };
    URL_SAFE_NO_PAD
        .decode(header)
        .is_ok_and(|header| json::object(&header).is_ok_and(|header| header.contains_key("alg")))
}

/// Reads an answer. `Err`: the issuer said nothing that could be understood.
pub(super) fn read(
    source: &TokenSource,
    asked: &IntrospectionConfig,
    answer: &[u8],
    now: Now,
) -> Result<Said, &'static str> {
    let mut members = json::object(answer).map_err(|_| "the answer is not one strict JSON object")?;
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Said::Inactive),
        Some(_) | None => return Err("the answer has no `active`"),
    }
    for name in ABOUT {
        members.shift_remove(name);
    }
    if let Err(why) = complete(&mut members, source, asked, now) {
        return Ok(Said::Unfit(why));
    }
    // The issuer has judged what it is; which kinds are accepted is about JWTs.
    Ok(match read_claims(members, source.types.first().cloned()) {
        Ok(read) => Said::Active(Box::new(read)),
        Err(why) => Said::Unfit(why),
    })
}

/// Nearly everything is optional in an answer: what is missing is filled in from what was asked, and whom.
fn complete(
    members: &mut Map<String, Value>,
    source: &TokenSource,
    asked: &IntrospectionConfig,
    now: Now,
) -> Result<(), Why> {
    let issuer = source.spec.issuer.as_str();
    if members.entry("iss").or_insert_with(|| issuer.into()) != issuer {
        return Err("the answer is about a token of another issuer");
    }
    if !members.contains_key("exp") {
        let end = now.wall.plus(asked.cache.0).seconds();
        members.insert("exp".to_owned(), end.into());
    }
    if !members.contains_key("aud") {
        match asked.missing_audience {
            MissingAudience::Accept => members.insert("aud".to_owned(), source.audiences.clone().into()),
            MissingAudience::Refuse => return Err("the answer does not say for whom the token was made (`aud`)"),
        };
    }
    Ok(())
}
