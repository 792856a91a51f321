//! Is the body what it says it is? `Content-Type` and `Content-Encoding`, before a byte is read.

#[cfg(test)]
mod tests;

use std::fmt;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::refusal::{Code, Refusal};

/// Parameters of one media type; more is not an honest request.
const MOST_PARAMETERS: usize = 8;

/// The media types a route's schema judges.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaTypes {
    /// Lower case; empty: `application/json` and every `application/…+json` (RFC 6839 §3.1).
    named: Vec<String>,
}

impl MediaTypes {
    /// `None` means `application/json` and every `application/…+json`.
    ///
    /// # Errors
    /// A name that is not a JSON media type without parameters.
    pub fn new(named: Option<&[String]>) -> Result<Self, String> {
        let mut lower = Vec::new();
        for name in named.unwrap_or_default() {
            let name = name.to_ascii_lowercase();
            if !is_json(&name) && !name.strip_suffix("+json").is_some_and(is_essence) {
                return Err(format!(
                    "`{name}` is not a JSON media type: write `application/json` or one that ends in `+json`"
                ));
            }
            lower.push(name);
        }
        if named.is_some() && lower.is_empty() {
            return Err("`media_types` is empty, so no body could pass: leave it out or name one".to_owned());
        }
        Ok(Self { named: lower })
    }

    /// Judges the type that a body says it is of.
    ///
    /// # Errors
    /// 415 (RFC 9110 §15.5.16) where the type is another, or in a charset other than UTF-8.
    #[cfg(test)]
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        super::coding::declared(headers, &[])?;
        let found = ContentType::of(headers)?.in_utf8()?;
        if self.hold(&found.essence) { Ok(()) } else { Err(not_welcome()) }
    }

    pub(super) fn hold(&self, essence: &str) -> bool {
        if self.named.is_empty() { is_json(essence) } else { self.named.iter().any(|named| named == essence) }
    }
}

impl fmt::Display for MediaTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.named.as_slice() {
            [] => f.write_str("application/json or application/*+json"),
            named => f.write_str(&named.join(" or ")),
        }
    }
}

/// What one `Content-Type` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ContentType {
    /// Lower case, without parameters.
    pub(super) essence: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads the head of a message that has a body.
    ///
    /// # Errors
    /// 415 where the type is absent, repeated or malformed.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let refuse = |because: &'static str| Refusal::new(Code::UnsupportedMediaType).because(because);
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = values.next() else { return Err(refuse("no Content-Type")) };
        if values.next().is_some() {
            return Err(refuse("more than one Content-Type"));
        }
        let Ok(text) = value.to_str() else { return Err(refuse("Content-Type is not ASCII")) };
        let (essence, rest) = text.split_once(';').map_or((text, None), |(e, p)| (e, Some(p)));
        let essence = essence.trim_matches([' ', '\t']).to_ascii_lowercase();
        let parameters = rest.map_or(Some(Vec::new()), parameters);
        match parameters.filter(|_| is_essence(&essence)) {
            Some(parameters) => Ok(Self { essence, parameters }),
            None => Err(refuse(MALFORMED)),
        }
    }

    /// # Errors
    /// 415 where it names another charset.
    pub(super) fn in_utf8(self) -> Result<Self, Refusal> {
        match self.parameter("charset") {
            Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => {
                Err(Refusal::new(Code::UnsupportedMediaType).because(MALFORMED))
            }
            Some(_) | None => Ok(self),
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

const MALFORMED: &str = "Content-Type is malformed or names a charset other than utf-8";

pub(super) fn not_welcome() -> Refusal {
    Refusal::new(Code::UnsupportedMediaType).because("Content-Type is not one of the route's media types")
}

/// A media type without its parameters, in lower case; `None` where it is malformed or in a charset other than UTF-8.
pub(super) fn essence_of(value: &str) -> Option<String> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_str(value).ok()?)]);
    ContentType::of(&headers).and_then(ContentType::in_utf8).ok().map(|found| found.essence)
}

/// Which media types one rule is for, where it is not JSON by default.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Range {
    Any,
    /// Lower case.
    Named(String),
    /// Everything that begins so: `image/`.
    Under(String),
}

impl Range {
    /// Reads `a/b`, `a/*` or `*/*`.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        match lower.strip_suffix("/*") {
            Some("*") => Ok(Self::Any),
            Some(kind) if is_token(kind) => Ok(Self::Under(format!("{kind}/"))),
            None if is_essence(&lower) && !lower.contains('*') => Ok(Self::Named(lower)),
            Some(_) | None => {
                Err(format!("`{text}` is not a media type: write one without parameters, `image/*` or `*/*`"))
            }
        }
    }

    pub(super) fn holds(&self, essence: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(named) => named == essence,
            Self::Under(kind) => essence.starts_with(kind.as_str()),
        }
    }

    /// Whether JSON Schema can judge what is named.
    pub(super) fn is_json(&self) -> bool {
        match self {
            Self::Any | Self::Under(_) => false,
            Self::Named(named) => is_json(named) || named.strip_suffix("+json").is_some_and(is_essence),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any media type"),
            Self::Named(named) => f.write_str(named),
            Self::Under(kind) => write!(f, "{kind}*"),
        }
    }
}

fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || essence.strip_prefix("application/").and_then(|sub| sub.strip_suffix("+json")).is_some_and(is_token)
}

fn is_essence(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

/// `;`-separated `name=value` (RFC 9110 §5.6.6), each name once.
///
/// A quoted value with `;`, `"` or `\` inside is refused: readers disagree about those. So is a name with `*`, which to
/// some is another spelling of the name before it (RFC 2231 §3, §4).
fn parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for part in text.split(';') {
        let part = part.trim_matches([' ', '\t']);
        if part.is_empty() {
            continue;
        }
        let (name, value) = part.split_once('=')?;
        let name = name.to_ascii_lowercase();
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = quoted.unwrap_or(value);
        let plain = if quoted.is_some() { !value.contains(['"', '\\']) } else { is_token(value) };
        let again = seen.iter().any(|(known, _)| *known == name);
        if !is_token(&name) || name.contains('*') || !plain || again || seen.len() >= MOST_PARAMETERS {
            return None;
        }
        seen.push((name, value.to_owned()));
    }
    Some(seen)
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
