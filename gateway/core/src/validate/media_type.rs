//! Is the body what it says it is? `Content-Type` and `Content-Encoding`, before a byte is read.

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

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

    /// Judges the head of a request that has a body.
    ///
    /// # Errors
    /// 415 (RFC 9110 §15.5.16) where the type is absent, repeated, malformed, another, in a charset other than
    /// UTF-8, or the body is encoded.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = |because: &'static str| Err(Refusal::new(Code::UnsupportedMediaType).because(because));
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return refuse("the body has a content coding");
        }
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = values.next() else { return refuse("no Content-Type") };
        if values.next().is_some() {
            return refuse("more than one Content-Type");
        }
        let Ok(text) = value.to_str() else { return refuse("Content-Type is not ASCII") };
        let (essence, parameters) = text.split_once(';').map_or((text, None), |(e, p)| (e, Some(p)));
        let essence = essence.trim_matches([' ', '\t']).to_ascii_lowercase();
        if !is_essence(&essence) || !parameters.is_none_or(acceptable_parameters) {
            return refuse("Content-Type is malformed or names a charset other than utf-8");
        }
        let welcome = if self.named.is_empty() { is_json(&essence) } else { self.named.contains(&essence) };
        if welcome { Ok(()) } else { refuse("Content-Type is not one of the route's media types") }
    }
}

fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || essence.strip_prefix("application/").and_then(|sub| sub.strip_suffix("+json")).is_some_and(is_token)
}

fn is_essence(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

/// `;`-separated `name=value` (RFC 9110 §5.6.6), each name once, any charset being UTF-8.
///
/// A quoted value with `;`, `"` or `\` inside is refused: readers disagree about those.
fn acceptable_parameters(text: &str) -> bool {
    let mut seen: Vec<String> = Vec::new();
    for part in text.split(';') {
        let part = part.trim_matches([' ', '\t']);
        if part.is_empty() {
            continue;
        }
        let Some((name, value)) = part.split_once('=') else { return false };
        let name = name.to_ascii_lowercase();
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = quoted.unwrap_or(value);
        let plain = if quoted.is_some() { !value.contains(['"', '\\']) } else { is_token(value) };
        let charset_ok = name != "charset" || value.eq_ignore_ascii_case("utf-8");
        if !is_token(&name) || !plain || !charset_ok || seen.contains(&name) || seen.len() >= MOST_PARAMETERS {
            return false;
        }
        seen.push(name);
    }
    true
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
