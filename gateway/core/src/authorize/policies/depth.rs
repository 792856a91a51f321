//! Is a text nested so deep, or a condition so long, that taking it apart would exhaust the stack?
//!
//! Cedar's parser and validator recurse over brackets and over chains of operators, and an exhausted stack ends the
//! process: a reload would take a running gateway with it. So both are bounded before Cedar reads the text.

#[cfg(test)]
mod tests;

/// Brackets within brackets.
const DEEPEST: usize = 64;

/// Operators and accesses in one statement: each may be a level of its own.
const LONGEST: usize = 1000;

/// What the text holds: in a schema, `<` and `>` are brackets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Text {
    Policies,
    Schema,
}

/// Where a text is too deep, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TooDeep {
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// The first place that goes too far.
pub(super) fn too_deep(text: &str, kind: Text) -> Option<TooDeep> {
    let bytes = text.as_bytes();
    let (mut depth, mut chain, mut at) = (0_usize, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let begun = at;
        at += match byte {
            b'"' => quoted(rest),
            b'/' if rest.starts_with(b"//") => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            b'&' | b'|' if rest.get(1) == Some(byte) => 2,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => word(rest),
            _ => 1,
        };
        let schema = kind == Text::Schema;
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b'<' if schema => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'>' if schema => depth = depth.saturating_sub(1),
            b';' => chain = 0,
            b'&' | b'|' | b'+' | b'-' | b'*' | b'!' | b'.' => chain += 1,
            b'i' if rest.starts_with(b"if") && at - begun == 2 => chain += 1,
            _ => {}
        }
        if depth > DEEPEST {
            let message = format!("brackets are nested more than {DEEPEST} deep");
            return Some(TooDeep { at: begun, message, help: "write it flatter" });
        }
        if chain > LONGEST {
            let message = format!("more than {LONGEST} operators in one statement");
            return Some(TooDeep {
                at: begun,
                message,
                help: "split it into several, or compare with a set: `[…].contains(…)`",
            });
        }
    }
    None
}

/// Length of the string that begins here, quotes included; to the end of the text where it is not closed.
pub(super) fn quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Length of the word that begins here.
pub(super) fn word(text: &[u8]) -> usize {
    text.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(text.len())
}
