//! Where in the input? JSON Pointers that are safe to repeat to whoever sent the names in them.

use std::borrow::Cow;

use crate::refusal::Fault;

/// Of each name at most this many characters are told.
const LONGEST_NAME: usize = 64;
/// Of each pointer at most this many bytes are told.
const LONGEST_POINTER: usize = 1024;

/// Adds one name to a pointer (RFC 6901 §3), bounded and without characters that could mislead a reader.
pub(super) fn push(pointer: &mut String, name: &str) {
    if pointer.len() >= LONGEST_POINTER {
        return;
    }
    pointer.push('/');
    for character in name.chars().filter(|c| !misleads(*c)).take(LONGEST_NAME) {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// `base` with an already escaped pointer behind it.
pub(super) fn join(base: &str, escaped: &str) -> String {
    let mut pointer = base.to_owned();
    for segment in escaped.split('/').skip(1) {
        push(&mut pointer, &segment.replace("~1", "/").replace("~0", "~"));
    }
    pointer
}

pub(super) fn syntax(pointer: String, message: impl Into<String>) -> Fault {
    Fault { pointer, keyword: Cow::Borrowed("syntax"), message: message.into() }
}

/// Controls, line separators and marks that change the direction of text.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
