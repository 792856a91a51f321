//! Which credentials does the request show? Read from the header fields, not yet judged.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::api_key::PREFIX;
use super::refuse;
use crate::refusal::Refusal;

/// The field an API key may stand in besides `Authorization`.
pub(super) static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What was found, by the method that judges it.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) api_key: Credential<'a>,
    pub(super) bearer: Credential<'a>,
    pub(super) key_in_authorization: bool,
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
        let authorization = authorization(headers)?;
        let field = x_api_key(headers)?;
        let (bearer, in_authorization) = match authorization {
            Credential::Text(text) if text.starts_with(PREFIX) => (Credential::Absent, Some(text)),
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
        Ok(Self { api_key, bearer, key_in_authorization: in_authorization.is_some() })
    }
}

/// The bearer token of `Authorization`; a credential of any other scheme is not ours (RFC 9110 §11.4).
fn authorization(headers: &HeaderMap) -> Result<Credential<'_>, Refusal> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(Credential::Absent) };
    if fields.next().is_some() {
        return Err(refuse::conflict("`authorization` is repeated"));
    }
    let bytes = field.as_bytes();
    let end = bytes.iter().position(|byte| !tchar(*byte)).unwrap_or(bytes.len());
    let Some((scheme, rest)) = bytes.split_at_checked(end) else { return Ok(Credential::Absent) };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(Credential::Absent);
    }
    let malformed = Credential::Malformed("after `Bearer` stands not exactly one token");
    let Ok(rest) = std::str::from_utf8(rest) else { return Ok(malformed) };
    let token = rest.trim_start_matches(' ');
    Ok(if token.len() < rest.len() && token68(token) { Credential::Text(token) } else { malformed })
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
