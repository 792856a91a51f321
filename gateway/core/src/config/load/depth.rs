//! Is a text nested so deep that taking its values apart would exhaust the stack?
//!
//! The parser bounds brackets and dotted keys each on its own; inline tables with dotted keys multiply the two, and what
//! it then returns cannot even be dropped. So the depth is bounded before parsing, by brackets and dots alone.

use super::tree::DEEPEST;

/// The place where the text first nests more than [`DEEPEST`] deep. Never less than the real depth of one statement.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<usize> = Vec::new();
    let mut dots = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        at += match byte {
            b'"' | b'\'' => quoted(rest, *byte),
            b'#' => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            _ => 1,
        };
        match byte {
            b'.' => dots += 1,
            b'[' | b'{' => open.push(dots),
            b']' | b'}' => dots = open.pop().unwrap_or(0),
            b',' => dots = open.last().copied().unwrap_or(0),
            b'\n' if open.is_empty() => dots = 0,
            _ => {}
        }
        if open.len() + dots > DEEPEST {
            return Some(at.saturating_sub(1));
        }
    }
    None
}

/// Length of the text that begins here, quotes included. One that is not closed ends with its line, or with the file.
fn quoted(text: &[u8], quote: u8) -> usize {
    let long = text.starts_with(&[quote; 3]);
    let mut at = if long { 3 } else { 1 };
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at,
            _ if long && rest.starts_with(&[quote; 3]) => return at + 3,
            _ if !long && *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}
