//! What was found wrong so far?

use std::ops::Range;

use super::Spans;
use crate::config::ConfigError;

/// Most faults reported; who has more mends these first.
const MOST: usize = 100;

/// Faults in the order they were found, with places not yet worked out.
#[derive(Default)]
pub(in crate::config) struct Findings {
    list: Vec<Finding>,
}

struct Finding {
    file: usize,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Findings {
    pub(in crate::config) fn add(&mut self, file: usize, span: Range<usize>, message: String, help: Option<String>) {
        // One fault a place: what follows from it only hides it.
        let known = self.list.iter().any(|other| other.file == file && other.span == span && !span.is_empty());
        if !known && self.list.len() < MOST * 4 {
            self.list.push(Finding { file, span, message, help });
        }
    }

    /// As errors: sorted by file and line, at most [`MOST`].
    pub(in crate::config) fn into_errors(self, spans: &Spans) -> Vec<ConfigError> {
        let error = |finding: Finding| spans.error(finding.file, Some(finding.span), finding.message, finding.help);
        let mut errors: Vec<_> = self.list.into_iter().map(error).collect();
        errors.sort();
        errors.truncate(MOST);
        errors
    }
}
