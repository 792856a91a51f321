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

    /// In the order of the texts; what is wrong in the same way under several actions is told once.
    pub(super) fn folded(mut faults: Vec<Self>) -> Vec<Self> {
        faults.sort_by(|a, b| (&a.file, a.offset, &a.message).cmp(&(&b.file, b.offset, &b.message)));
        let mut told: Vec<(Self, usize)> = Vec::new();
        for fault in faults {
            match told.last_mut() {
                Some((first, more)) if fault.differs_by_action(first) => *more += 1,
                Some(_) | None => told.push((fault, 0)),
            }
        }
        let counted = |(mut fault, more): (Self, usize)| {
            let beside = match more {
                0 => String::new(),
                1 => "; the same holds for another action".to_owned(),
                _ => format!("; the same holds for {more} other actions"),
            };
            fault.message.push_str(&beside);
            fault
        };
        told.into_iter().map(counted).collect()
    }

    /// Whether it says of another action what `other` says of one.
    fn differs_by_action(&self, other: &Self) -> bool {
        let place = |fault: &Self| (fault.file.clone(), fault.offset, fault.len, fault.help.clone());
        self.message != other.message
            && place(self) == place(other)
            && unnamed(&self.message) == unnamed(&other.message)
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

/// A message without the names of its actions.
fn unnamed(message: &str) -> String {
    let mut parts = message.split("Action::\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| before + part.split_once('"').map_or(part, |(_, rest)| rest))
}
