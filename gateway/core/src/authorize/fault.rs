//! What is wrong with the operator's policies or schema, and where.

mod remedy;

use miette::Diagnostic;

pub(super) use remedy::of_schema;

/// One text of the policy folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// As the operator knows it: `policies/orders.cedar`.
    pub file: String,
    pub text: String,
}

/// One thing wrong in one text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyFault {
    pub file: String,
    /// In bytes from the start of the file; `None` when the fault is the whole file's.
    pub offset: Option<usize>,
    /// In bytes.
    pub len: usize,
    pub message: String,
    pub help: Option<String>,
}

impl PolicyFault {
    pub(super) fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), offset: None, len: 0, message: message.into(), help: None }
    }

    /// A fault of a whole file.
    pub(crate) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, message)
    }

    pub(super) fn at(mut self, span: Option<(usize, usize)>) -> Self {
        if let Some((offset, len)) = span {
            self.offset = Some(offset);
            self.len = len;
        }
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column, both from 1, the column in characters; `None` without an offset.
    pub fn position(&self, text: &str) -> Option<(usize, usize)> {
        let before = text.get(..self.offset?.min(text.len()))?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..)?.chars().count() + 1;
        Some((before.matches('\n').count() + 1, column))
    }

    /// What Cedar says, in Cedar's words: the diagnostic, then those it names as related.
    pub(super) fn from_cedar(file: &str, diagnostic: &dyn Diagnostic) -> Vec<Self> {
        let mut faults = vec![Self::one(file, diagnostic)];
        if let Some(related) = diagnostic.related() {
            faults.extend(related.map(|other| Self::one(file, other)));
        }
        faults
    }

    /// As [`Self::from_cedar`], without the related ones.
    pub(super) fn one(file: &str, diagnostic: &dyn Diagnostic) -> Self {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let mut message = diagnostic.to_string();
        // Cedar puts what it expected into the label, where only a picture would show it.
        if let Some(expected) = label.as_ref().and_then(|label| label.label()) {
            message = format!("{message}: {expected}");
        }
        let said = diagnostic.help().map(|help| help.to_string());
        let help = remedy::of(&message, said.as_deref()).or(said);
        Self {
            file: file.to_owned(),
            offset: label.as_ref().map(miette::LabeledSpan::offset),
            len: label.as_ref().map_or(0, miette::LabeledSpan::len),
            message: remedy::plain(message),
            help,
        }
    }
}
