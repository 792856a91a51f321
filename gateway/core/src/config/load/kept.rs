//! What of a file may be kept? Its text, and no secret that stands there in clear.

use std::fmt::Write as _;
use std::ops::Range;

use super::text::{TextFile, Veil};
use super::tree::Node;
use crate::config::Secret;

impl TextFile {
    /// The text, with `${own:KEY}` in the place of each secret that is not the name of a variable or a file.
    pub(super) fn kept(&self) -> String {
        let (mut kept, mut done) = (String::with_capacity(self.text.len()), 0);
        for (key, secret) in self.in_clear() {
            // What lies within another is left out with it.
            let Some(between) = self.text.get(done..secret.start) else { continue };
            kept.push_str(between);
            let _ = write!(kept, "\"${{own:{key}}}\"");
            done = secret.end;
        }
        kept.push_str(self.text.get(done..).unwrap_or_default());
        kept
    }

    /// Keys and places of the secrets that stand there in clear, in the order of the text.
    pub(super) fn in_clear(&self) -> Vec<(String, Range<usize>)> {
        let places = self.veils.iter().filter_map(Veil::place);
        let clear = places.filter(|span| !self.is_reference(span) && !self.is_open(span));
        let mut secrets: Vec<_> =
            clear.map(|span| (path(&self.tree, &span).unwrap_or_default().join("."), span)).collect();
        secrets.retain(|(_, span)| self.text.get(span.clone()).is_some_and(|text| !text.is_empty()));
        secrets.sort_by_key(|(_, span)| span.start);
        secrets
    }

    /// What every key stands for that may hold a secret.
    pub(super) fn secrets(&self) -> Vec<(String, Secret)> {
        let places = self.veils.iter().filter_map(Veil::place);
        places
            .filter_map(|span| {
                let (key, text) = (path(&self.tree, &span)?.join("."), value(&self.tree, &span)?);
                Some((key, Secret::new(text)))
            })
            .collect()
    }

    /// Whether it is the address of a store that needs no password.
    fn is_open(&self, span: &Range<usize>) -> bool {
        let address = path(&self.tree, span).is_some_and(|key| matches!(*key, ["store" | "counters", "url"]));
        address && !self.text.get(span.clone()).unwrap_or_default().contains('@')
    }
}

/// The keys that lead to what stands at `span`; `None` for what is in a list, or nowhere.
fn path<'n>(node: &'n Node, span: &Range<usize>) -> Option<Vec<&'n str>> {
    node.table()?.iter().find_map(|(key, entry)| {
        if entry.node.span == *span {
            return Some(vec![key.as_str()]);
        }
        let mut below = path(&entry.node, span)?;
        below.insert(0, key);
        Some(below)
    })
}

/// The text that stands at `span`.
fn value<'n>(node: &'n Node, span: &Range<usize>) -> Option<&'n str> {
    if node.span == *span {
        return node.text();
    }
    node.table()?.values().find_map(|entry| value(&entry.node, span))
}
