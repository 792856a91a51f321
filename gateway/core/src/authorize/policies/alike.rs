//! Actions that differ in nothing but their names, written as one declaration: `action "a", "b" appliesTo { … };`.
//!
//! Cedar's parser sets up a table for every identifier that it reads, which takes it some ten microseconds: thousands of
//! routes with five identifiers each would take most of a second. What is read is the same.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use super::depth::{quoted, word};

/// With fewer declarations to spare, a schema is read as it stands.
const FEW: usize = 50;

/// The same schema with fewer declarations; `None`: it has few to spare. Places in it are not those of `text`, so whoever
/// finds fault with it reads `text` instead.
pub(super) fn shortened(text: &str) -> Option<String> {
    let mut rest = Tokens { text, at: 0 };
    let mut kept: Vec<Kept<'_>> = Vec::new();
    let (mut known, mut spared) = (HashMap::new(), 0_usize);
    loop {
        match rest.declaration()? {
            Declaration::End => break,
            Declaration::Action { name, tail } => {
                let at = *known.entry(tail).or_insert(kept.len());
                match kept.get_mut(at) {
                    Some(Kept::Actions { names, .. }) => {
                        names.push(name);
                        spared += 1;
                    }
                    _ => kept.push(Kept::Actions { names: vec![name], tail }),
                }
            }
            Declaration::Other(other) => kept.push(Kept::Other(other)),
        }
    }
    (spared >= FEW).then(|| kept.iter().map(Kept::written).collect())
}

enum Declaration<'t> {
    End,
    /// Of a single action, without annotations; `tail` is what follows its name.
    Action {
        name: &'t str,
        tail: &'t str,
    },
    Other(&'t str),
}

enum Kept<'t> {
    Actions { names: Vec<&'t str>, tail: &'t str },
    Other(&'t str),
}

impl Kept<'_> {
    fn written(&self) -> String {
        match self {
            Self::Actions { names, tail } => format!("action {} {}\n", names.join(", "), qualified(tail)),
            Self::Other(other) => format!("{other}\n"),
        }
    }
}

/// With every group as `Action::"name"`: a name without its type is given one for each action anew.
fn qualified(tail: &str) -> String {
    let (mut tokens, mut written) = (Tokens { text: tail, at: 0 }, String::new());
    let mut before = "";
    while let Some(token) = tokens.token() {
        let end = token.end;
        let said = tail.get(token).unwrap_or_default();
        match said {
            "appliesTo" | "attributes" | ";" => {
                written.push_str(said);
                written.push_str(tail.get(end..).unwrap_or_default());
                return written;
            }
            _ if said.starts_with('"') && before != ":" => written.push_str("Action::"),
            _ => {}
        }
        written.push_str(said);
        if said == "in" {
            written.push(' ');
        }
        before = said;
    }
    written
}

/// Words, strings and single characters, without what stands between them.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn token(&mut self) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        loop {
            let rest = bytes.get(self.at..)?;
            let begun = self.at;
            let (length, blank) = match rest.first()? {
                b'"' => (quoted(rest), false),
                b'/' if rest.starts_with(b"//") => {
                    (rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len()), true)
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => (word(rest), false),
                byte => (1, byte.is_ascii_whitespace()),
            };
            self.at = begun.saturating_add(length);
            if !blank {
                return Some(begun..self.at);
            }
        }
    }

    /// The next one, up to its `;`, or its `}` where it is a namespace; `None`: what is left is no whole one.
    fn declaration(&mut self) -> Option<Declaration<'t>> {
        let text = self.text;
        let (mut depth, mut first): (usize, Vec<Range<usize>>) = (0, Vec::with_capacity(3));
        loop {
            let Some(token) = self.token() else { return first.is_empty().then_some(Declaration::End) };
            if first.len() < 3 {
                first.push(token.clone());
            }
            let said = |nth: usize| first.get(nth).and_then(|token| text.get(token.clone())).unwrap_or_default();
            match text.get(token)? {
                "(" | "[" | "{" | "<" => depth += 1,
                ")" | "]" | "}" | ">" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let last = if said(0) == "namespace" { "}" } else { ";" };
            if depth > 0 || !text.get(..self.at)?.ends_with(last) {
                continue;
            }
            return Some(match first.as_slice() {
                [_, name, tail] if said(0) == "action" && is_name(said(1)) && said(2) != "," => {
                    Declaration::Action { name: text.get(name.clone())?, tail: text.get(tail.start..self.at)? }
                }
                _ => Declaration::Other(text.get(first.first()?.start..self.at)?),
            });
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first == '"' || first == '_' || first.is_ascii_alphabetic())
}
