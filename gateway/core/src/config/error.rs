//! What is wrong with the operator's text, where, and how is it mended?

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// One fault of the configuration. Plain text, no colours; never holds a secret.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ConfigError {
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// Counted from 1; 0 when the fault is of the file as a whole.
    pub line: usize,
    /// In characters, counted from 1; 0 when the fault is of the file as a whole.
    pub column: usize,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// A place in a file of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    pub file: PathBuf,
    /// Counted from 1; 0 when the place is the file as a whole.
    pub line: usize,
    /// In characters, counted from 1; 0 when the place is the file as a whole.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 { write!(f, ":{}:{}", self.line, self.column) } else { Ok(()) }
    }
}

/// The line a fault stands in, with secrets veiled, and the part of it that is meant.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Excerpt {
    pub line: String,
    /// Characters before the part that is meant.
    pub before: usize,
    /// Characters of the part that is meant; at least 1.
    pub width: usize,
}

/// Longest line shown; of longer ones a window is shown.
const WIDEST: usize = 160;

impl Excerpt {
    /// `line` has its secrets veiled already; `before` and `width` count characters of it.
    pub(super) fn new(line: &str, before: usize, width: usize) -> Self {
        let skip = if before + width.min(WIDEST / 2) > WIDEST { before.saturating_sub(WIDEST / 2) } else { 0 };
        let shown: String =
            line.chars().skip(skip).take(WIDEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let shown = shown.trim_end().to_owned();
        let before = before - skip;
        let width = width.min(shown.chars().count().saturating_sub(before)).max(1);
        Self { line: shown, before, width }
    }
}

impl ConfigError {
    /// A fault of a file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, message: message.into(), help: None, excerpt: None }
    }

    /// A fault at a place of a text that is no part of the configuration itself: a policy, a schema. `span` in bytes.
    pub fn in_text(file: &Path, text: &str, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let mut error = Self::of_file(file, message);
        let Some((before, after)) = span.as_ref().and_then(|span| text.split_at_checked(span.start)) else {
            return error;
        };
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = before.len() + after.find('\n').unwrap_or(after.len());
        let column = before.get(line_start..).map_or(0, |text| text.chars().count());
        let end = span.map_or(before.len(), |span| span.end).clamp(before.len(), line_end);
        let width = text.get(before.len()..end).map_or(1, |text| text.chars().count());
        error.line = before.matches('\n').count() + 1;
        error.column = column + 1;
        error.excerpt = text.get(line_start..line_end).map(|line| Excerpt::new(line, column, width));
        error
    }

    pub fn location(&self) -> Location {
        Location { file: self.file.clone(), line: self.line, column: self.column }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location(), self.message)?;
        if let Some(Excerpt { line, before, width }) = &self.excerpt {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            write!(f, "\n{gutter} |\n{number} | {line}\n{gutter} | {}{}", " ".repeat(*before), "^".repeat(*width))?;
        }
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// All faults as people read them: one after the other, an empty line between.
pub fn render(errors: &[ConfigError]) -> String {
    let mut text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
    text.push('\n');
    text
}

fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}
