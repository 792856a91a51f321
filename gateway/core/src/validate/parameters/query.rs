//! What does the query say? Read as HTML forms write it (WHATWG URL §5.1), but nothing is guessed.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::super::pointer;
use crate::refusal::Fault;

/// Pairs of one query or form; the bound on the target's length, or the body's, holds as well.
const MOST_PAIRS: usize = 1_000;

/// One `name=value`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pair<'q> {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The value as it stands, for what is split before it is decoded.
    pub(crate) raw: &'q str,
}

/// Name and value of each pair, `+` read as a space, percent-decoded once.
///
/// # Errors
/// A bad escape, NUL, bytes that are not UTF-8, or too many pairs. `;` is an ordinary character.
pub(crate) fn pairs<'q>(text: &'q str, at: &str) -> Result<Vec<Pair<'q>>, Fault> {
    let wrong = |message: &str| pointer::syntax(at.to_owned(), message);
    let mut pairs = Vec::new();
    for piece in text.split('&').filter(|piece| !piece.is_empty()) {
        let (name, raw) = piece.split_once('=').unwrap_or((piece, ""));
        if pairs.len() >= MOST_PAIRS {
            return Err(wrong("has more than 1000 parameters"));
        }
        match (decode(name), decode(raw)) {
            (Some(name), Some(value)) => pairs.push(Pair { name, value, raw }),
            (Some(_) | None, Some(_) | None) => {
                return Err(wrong(
                    "has an escape that is not `%` with two hexadecimal digits, or is not UTF-8, or holds NUL",
                ));
            }
        }
    }
    Ok(pairs)
}

/// `None` where it has no single reading.
pub(crate) fn decode(text: &str) -> Option<String> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    let mut rest = spaced.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let escape = rest.get(at + 1..at + 3)?;
        if !escape.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        rest = rest.get(at + 3..)?;
    }
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?.into_owned();
    (!decoded.contains('\0')).then_some(decoded)
}
