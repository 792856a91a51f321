//! What of a file may be shown? Its lines, with secrets veiled.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::interpolate::Resolved;
use super::tree::Node;
use crate::config::error::Excerpt;

/// One file, its values, and what of them must not be shown.
pub(in crate::config) struct TextFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) tree: Node,
    pub(super) veils: Vec<Veil>,
    /// Where its lines end, once somebody asks: thousands of warnings may.
    ends: OnceLock<Vec<usize>>,
}

/// A value that is not to be printed.
pub(super) enum Veil {
    /// It came from outside: messages show what is written instead.
    Resolved { written: String, resolved: Resolved },
    /// It may hold a secret as it is written: excerpts and messages leave it out.
    Secret { span: Range<usize>, value: String },
}

/// Pieces shorter than this are veiled only where a message quotes the whole value: they are in every other word.
const SHORTEST: usize = 4;

impl TextFile {
    pub(super) fn new(path: PathBuf, text: String, tree: Node) -> Self {
        Self { path, text, tree, veils: Vec::new(), ends: OnceLock::new() }
    }

    /// Veils what its keys say may be secret, for a text whose syntax is too broken to be walked.
    pub(super) fn veil_by_name(&mut self, names: &[String]) {
        for name in names {
            let places = self.text.match_indices(name.as_str());
            let veils: Vec<Veil> =
                places.filter_map(|(at, _)| value_after(&self.text, at + name.len())).map(Veil::whole).collect();
            self.veils.extend(veils);
        }
    }

    /// A message without what must not be shown.
    pub(super) fn scrub(&self, mut text: String) -> String {
        for veil in &self.veils {
            match veil {
                Veil::Resolved { written, resolved } => {
                    text = text.replace(&format!("`{}`", resolved.text), &format!("`{written}`"));
                    for piece in resolved.pieces.iter().filter(|piece| piece.len() >= SHORTEST) {
                        text = text.replace(piece.as_str(), "…");
                    }
                }
                Veil::Secret { value, .. } if value.len() >= SHORTEST => text = text.replace(value.as_str(), "…"),
                Veil::Secret { value, .. } if value.is_empty() => {}
                Veil::Secret { value, .. } => text = text.replace(&format!("`{value}`"), "`…`"),
            }
        }
        text
    }

    /// Line and column of a place, both from 1, and the line itself with secrets veiled.
    pub(super) fn place(&self, span: &Range<usize>) -> (usize, usize, Option<Excerpt>) {
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        let (before, after) = self.text.split_at_checked(start).unwrap_or((&self.text, ""));
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = start + after.find('\n').unwrap_or(after.len());
        let ends = self.ends.get_or_init(|| self.text.match_indices('\n').map(|(at, _)| at).collect());
        let line = ends.partition_point(|end| *end < start) + 1;
        let column = before.get(line_start..).map_or(0, |text| text.chars().count()) + 1;
        let width = self.text.get(start..end.min(line_end)).map_or(0, |text| text.chars().count());
        let excerpt = self.shown(line_start, line_end, start).map(|(text, before)| Excerpt::new(&text, before, width));
        (line, column, excerpt)
    }

    /// A line with its secrets veiled, and how many characters of it stand before `at`.
    fn shown(&self, from: usize, to: usize, at: usize) -> Option<(String, usize)> {
        let mut shown = String::new();
        let mut before = 0;
        let mut done = from;
        let mut secrets: Vec<_> =
            self.veils.iter().filter_map(Veil::place).filter(|span| !self.is_reference(span)).collect();
        secrets.sort_by_key(|span| span.start);
        for secret in secrets.into_iter().filter(|span| span.start < to && span.end > from) {
            if secret.end <= done {
                continue;
            }
            // INVARIANT: a secret is left out whole, also where it spans lines.
            let start = secret.start.max(done);
            if start > at && done <= at {
                before = shown.chars().count() + self.text.get(done..at)?.chars().count();
            }
            shown.push_str(self.text.get(done..start)?);
            if start <= at && at < secret.end {
                before = shown.chars().count();
            }
            shown.push_str("\"…\"");
            done = secret.end.min(to).max(done);
        }
        if done <= at {
            before = shown.chars().count() + self.text.get(done..at)?.chars().count();
        }
        shown.push_str(self.text.get(done..to)?);
        Some((shown, before))
    }

    /// Whether all that is written there is the name of a variable or a file: that is no secret.
    pub(super) fn is_reference(&self, span: &Range<usize>) -> bool {
        let written = self.text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let inner = written.strip_prefix("${").and_then(|inner| inner.strip_suffix('}'));
        inner.is_some_and(|inner| !inner.contains(['$', '{', '}', '\n']) && !inner.contains(":-"))
    }
}

impl Veil {
    /// A place that is left out of excerpts, whatever stands there.
    fn whole(span: Range<usize>) -> Self {
        Self::Secret { span, value: String::new() }
    }

    pub(super) fn place(&self) -> Option<Range<usize>> {
        match self {
            Self::Resolved { .. } => None,
            Self::Secret { span, .. } => Some(span.clone()),
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Where the value stands that a key ending at `at` is given; `None` where no `=` follows.
fn value_after(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let value = rest.trim_start_matches([' ', '\t', '"', '\'']).strip_prefix('=')?.trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    let long = ["\"\"\"", "'''"].into_iter().find(|quotes| value.starts_with(quotes));
    let length = match long {
        Some(quotes) => value.get(3..)?.find(quotes).map_or(value.len(), |end| end + 6),
        None => value.find('\n').unwrap_or(value.len()),
    };
    Some(start..start + length)
}
