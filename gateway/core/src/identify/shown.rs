//! Which credentials does the request show? Read from the header fields, not yet judged.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::api_key::PREFIX;
use super::refuse;
use crate::refusal::Refusal;

/// The field an API key may stand in besides `Authorization`.
pub(super) static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a proof of possession stands (RFC 9449 §4.1).
pub(super) static DPOP: HeaderName = HeaderName::from_static("dpop");

/// What was found, by the method that judges it.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) api_key: Credential<'a>,
    /// A token, shown under either scheme.
    pub(super) bearer: Credential<'a>,
    pub(super) scheme: Scheme,
    /// What proves that the token's key is held.
    pub(super) proof: Credential<'a>,
    pub(super) key_in_authorization: bool,
}

/// Under which word of `Authorization` a token was shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

/// One credential as it was sent.
#[derive(Clone, Copy)]
pub(super) enum Credential<'a> {
    Absent,
    /// Meant for us and unreadable: why.
    Malformed(&'static str),
    Text(&'a str),
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Malformed(why) => write!(f, "Malformed({why})"),
            Self::Text(_) => f.write_str("Text(secret)"),
        }
    }
}

impl Credential<'_> {
    pub(super) const fn is_absent(self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'a> Shown<'a> {
    /// # Errors
    /// `credentials_conflict` when a field is repeated, or two different API keys are shown.
    pub(super) fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let (scheme, authorization) = authorization(headers)?;
        let field = x_api_key(headers)?;
        let (bearer, in_authorization) = match authorization {
            Credential::Text(text) if scheme == Scheme::Bearer && text.starts_with(PREFIX) => {
                (Credential::Absent, Some(text))
            }
            other => (other, None),
        };
        let api_key = match (in_authorization, field) {
            (None, field) => field,
            (Some(text), Credential::Absent) => Credential::Text(text),
            (Some(one), Credential::Text(other)) if one == other => Credential::Text(one),
            (Some(_), Credential::Malformed(_) | Credential::Text(_)) => {
                return Err(refuse::conflict("`authorization` and `x-api-key` carry different API keys"));
            }
        };
        let proof = proof(headers)?;
        Ok(Self { api_key, bearer, scheme, proof, key_in_authorization: in_authorization.is_some() })
    }
}

/// The token of `Authorization`; a credential of any other scheme is not ours (RFC 9110 §11.4).
fn authorization(headers: &HeaderMap) -> Result<(Scheme, Credential<'_>), Refusal> {
    let absent = (Scheme::Bearer, Credential::Absent);
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(absent) };
    if fields.next().is_some() {
        return Err(refuse::conflict("`authorization` is repeated"));
    }
    let bytes = field.as_bytes();
    let end = bytes.iter().position(|byte| !tchar(*byte)).unwrap_or(bytes.len());
    let Some((word, rest)) = bytes.split_at_checked(end) else { return Ok(absent) };
    let (scheme, malformed) = if word.eq_ignore_ascii_case(b"bearer") {
        (Scheme::Bearer, "after `Bearer` stands not exactly one token")
    } else if word.eq_ignore_ascii_case(b"dpop") {
        (Scheme::Dpop, "after `DPoP` stands not exactly one token")
    } else {
        return Ok(absent);
    };
    let malformed = (scheme, Credential::Malformed(malformed));
    let Ok(rest) = std::str::from_utf8(rest) else { return Ok(malformed) };
    let token = rest.trim_start_matches(' ');
    Ok(if token.len() < rest.len() && token68(token) { (scheme, Credential::Text(token)) } else { malformed })
}

/// RFC 9449 §4.3: there is exactly one proof.
fn proof(headers: &HeaderMap) -> Result<Credential<'_>, Refusal> {
    let mut fields = headers.get_all(&DPOP).iter();
    let Some(field) = fields.next() else { return Ok(Credential::Absent) };
    if fields.next().is_some() {
        return Err(refuse::conflict("`dpop` is repeated"));
    }
    Ok(field.to_str().map_or(Credential::Malformed("the proof is not ASCII"), Credential::Text))
}

/// RFC 9110 §5.6.2: what the name of a scheme is made of.
fn tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §11.2. Without a branch for each byte: a token has hundreds.
fn token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'/') | matches!(byte, b'_' | b'~' | b'+')
    };
    !body.is_empty() && body.bytes().fold(true, |good, byte| good & plain(byte))
}

fn x_api_key(headers: &HeaderMap) -> Result<Credential<'_>, Refusal> {
    let mut fields = headers.get_all(&X_API_KEY).iter();
    let Some(field) = fields.next() else { return Ok(Credential::Absent) };
    if fields.next().is_some() {
        return Err(refuse::conflict("`x-api-key` is repeated"));
    }
    Ok(field.to_str().map_or(Credential::Malformed("`x-api-key` is not ASCII"), Credential::Text))
}
