//! What does the query say? Read as HTML forms write it (WHATWG URL §5.1), but nothing is guessed.

use percent_encoding::percent_decode;

use super::super::pointer;
use crate::refusal::Fault;

/// Pairs of one query; the bound on the target's length holds as well.
const MOST_PAIRS: usize = 1_000;

/// Name and value of each pair, `+` read as a space, percent-decoded once.
///
/// # Errors
/// A bad escape, NUL, bytes that are not UTF-8, or too many pairs. `;` is an ordinary character.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let wrong = |message: &str| pointer::syntax("#/query".to_owned(), message);
    let mut pairs = Vec::new();
    for piece in text.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if pairs.len() >= MOST_PAIRS {
            return Err(wrong("has more than 1000 parameters"));
        }
        match (decode(name), decode(value)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            (Some(_) | None, Some(_) | None) => {
                return Err(wrong(
                    "has an escape that is not `%` with two hexadecimal digits, or is not UTF-8, or holds NUL",
                ));
            }
        }
    }
    Ok(pairs)
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
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
