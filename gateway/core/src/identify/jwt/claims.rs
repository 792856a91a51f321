//! What do the claims say? Each registered claim has one type; any other type refuses the token
//! (RFC 7519 §4.1, RFC 8693 §4.2, RFC 9068 §2.2).

use serde_json::{Map, Value};

use super::Terms;
use crate::identify::binding::Binding;
use crate::identify::why::Why;

/// The claims of one token, each of its one type.
#[derive(Debug)]
pub(in crate::identify) struct Claims {
    pub(in crate::identify) issuer: String,
    /// 1 to 255 bytes without control characters.
    pub(in crate::identify) subject: Option<String>,
    /// `jti`.
    pub(in crate::identify) id: Option<String>,
    /// Of `scope` and `scp` together.
    pub(in crate::identify) scopes: Vec<String>,
    /// `auth_time`, in seconds.
    pub(in crate::identify) authenticated: Option<i64>,
    /// `email`, only where `email_verified` is true.
    pub(in crate::identify) email: Option<String>,
    /// All claims but those the gateway itself judges ([`JUDGED`]).
    pub(in crate::identify) others: Map<String, Value>,
}

/// What the gateway judges itself and policies therefore never see.
const JUDGED: [&str; 9] = ["iss", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "cnf"];

const MOST_AUDIENCES: usize = 64;
const MOST_SCOPES: usize = 256;
const MOST_TEXT_BYTES: usize = 255;
/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a token is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::identify) enum Purpose {
    /// To say who somebody is: access and ID tokens.
    Access,
    /// To say that somebody has logged out.
    Logout,
}

/// How long a logout token holds that does not say, in seconds.
const LOGOUT_LIFE: i64 = 300;

pub(in crate::identify) fn read(members: Map<String, Value>, typ: Option<String>) -> Result<(Claims, Terms), Why> {
    read_as(members, typ, Purpose::Access)
}

pub(in crate::identify) fn read_as(
    mut members: Map<String, Value>,
    typ: Option<String>,
    purpose: Purpose,
) -> Result<(Claims, Terms), Why> {
    match purpose {
        Purpose::Access => refuse_other_purposes(&members)?,
        Purpose::Logout => demand_logout(&mut members)?,
    }
    for name in ["acr", "azp", "jti"] {
        text(&members, name, "the token's `acr`, `azp` or `jti` is not a string")?;
    }
    let issuer =
        text(&members, "iss", "the token's `iss` is not a string")?.ok_or("the token has no `iss`")?.to_owned();
    let subject = text(&members, "sub", "the token's `sub` is not a string")?.map(subject).transpose()?;
    let terms = Terms {
        typ,
        audience: audience(members.get("aud"))?,
        expires: seconds(&members, "exp", "the token's `exp` is not a whole number of seconds")?
            .ok_or("the token has no `exp`")?,
        not_before: seconds(&members, "nbf", "the token's `nbf` is not a whole number of seconds")?,
        issued: seconds(&members, "iat", "the token's `iat` is not a whole number of seconds")?,
        binding: Binding::read(&members)?,
    };
    let authenticated = seconds(&members, "auth_time", "the token's `auth_time` is not a whole number of seconds")?;
    let scopes = scopes(&members)?;
    let id = members.get("jti").and_then(Value::as_str).map(str::to_owned);
    let email = email(&members)?;
    if email.is_none() {
        // An address nobody verified must not reach a policy under the same name.
        members.shift_remove("email");
    }
    for name in JUDGED {
        members.shift_remove(name);
    }
    Ok((Claims { issuer, subject, id, scopes, authenticated, email, others: members }, terms))
}

fn refuse_other_purposes(members: &Map<String, Value>) -> Result<(), Why> {
    if members.get("events").is_some_and(|events| events.get(LOGOUT_EVENT).is_some()) {
        return Err("this is a logout token, not an access token");
    }
    Ok(())
}

/// A logout token holds the event, and an object for it; drafts of it had no `exp`.
fn demand_logout(members: &mut Map<String, Value>) -> Result<(), Why> {
    if !members.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(Value::is_object) {
        return Err("this is not a logout token: its `events` do not say so");
    }
    if !members.contains_key("exp")
        && let Some(issued) = members.get("iat").and_then(Value::as_i64)
    {
        members.insert("exp".to_owned(), issued.saturating_add(LOGOUT_LIFE).into());
    }
    Ok(())
}

fn text<'m>(members: &'m Map<String, Value>, name: &str, wrong: Why) -> Result<Option<&'m str>, Why> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong),
    }
}

fn seconds(members: &Map<String, Value>, name: &str, wrong: Why) -> Result<Option<i64>, Why> {
    match members.get(name) {
        None => Ok(None),
        // `as_i64` is `None` for a fraction and for an exponent, however round the value.
        Some(value) => value.as_i64().filter(|s| (0..=LAST_SECOND).contains(s)).map(Some).ok_or(wrong),
    }
}

fn subject(text: &str) -> Result<String, Why> {
    if fits(text) {
        Ok(text.to_owned())
    } else {
        Err("the token's `sub` is not 1 to 255 bytes without control characters")
    }
}

/// 1 to 255 bytes, none of them a control character.
pub(in crate::identify) fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST_TEXT_BYTES && !text.chars().any(char::is_control)
}

fn audience(value: Option<&Value>) -> Result<Vec<String>, Why> {
    match value {
        None => Err("the token has no `aud`"),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(several) => strings(several, MOST_AUDIENCES)
            .ok_or("the token's `aud` is neither a string nor an array of at most 64 strings"),
    }
}

fn scopes(members: &Map<String, Value>) -> Result<Vec<String>, Why> {
    let mut all = match text(members, "scope", "the token's `scope` is not a string")? {
        None => Vec::new(),
        Some(scope) => words(scope),
    };
    match members.get("scp") {
        None => {}
        // Some issuers write `scp` the way RFC 8693 writes `scope`.
        Some(Value::String(scope)) => all.extend(words(scope)),
        Some(several) => all.extend(
            strings(several, MOST_SCOPES).ok_or("the token's `scp` is neither a string nor an array of strings")?,
        ),
    }
    if all.len() > MOST_SCOPES {
        return Err("the token has more than 256 scopes");
    }
    Ok(all)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// An array of at most `most` strings; `None` for anything else.
pub(in crate::identify) fn strings(value: &Value, most: usize) -> Option<Vec<String>> {
    let items = value.as_array().filter(|items| items.len() <= most)?;
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn email(members: &Map<String, Value>) -> Result<Option<String>, Why> {
    let Some(email) = text(members, "email", "the token's `email` is not a string")? else { return Ok(None) };
    if members.get("email_verified") != Some(&Value::Bool(true)) {
        return Ok(None);
    }
    if fits(email) {
        Ok(Some(email.to_owned()))
    } else {
        Err("the token's `email` is too long or has control characters")
    }
}
