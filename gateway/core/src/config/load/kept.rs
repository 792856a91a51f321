//! What of a file may be kept? Its text, and no secret that stands there in clear.

use std::fmt::Write as _;
use std::ops::Range;

use super::text::{TextFile, Veil};
use super::tree::Node;

impl TextFile {
    /// The text, with `${own:KEY}` in the place of each secret that is not the name of a variable or a file.
    pub(super) fn kept(&self) -> String {
        let mut secrets: Vec<Range<usize>> = self.veils.iter().filter_map(Veil::place).collect();
        secrets.retain(|span| !self.is_reference(span) && !self.is_open(span));
        secrets.sort_by_key(|span| span.start);
        let (mut kept, mut done) = (String::with_capacity(self.text.len()), 0);
        for secret in secrets.into_iter().filter(|span| span.end <= self.text.len()) {
            // What lies within another is left out with it.
            let Some(between) = self.text.get(done..secret.start) else { continue };
            kept.push_str(between);
            let key = path(&self.tree, &secret).unwrap_or_default().join(".");
            let _ = write!(kept, "\"${{own:{key}}}\"");
            done = secret.end;
        }
        kept.push_str(self.text.get(done..).unwrap_or_default());
        kept
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
