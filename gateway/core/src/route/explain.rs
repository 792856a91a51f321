//! Why does a route win?

use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::refusal::Refusal;
use crate::request::{CanonicalPath, fold};

use super::level::{Answer, Look};
use super::{Found, Table};

/// Every route that could have had a request, and which one has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Most specific host first, then most specific path, then as configured.
    pub candidates: Vec<Candidate>,
    pub outcome: Result<Found, Refusal>,
}

/// A route whose host fits and whose path fits, if only in another spelling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// [`super::Entry::index`].
    pub route: usize,
    pub name: Arc<str>,
    /// `*` for any host.
    pub host: String,
    pub methods: String,
    pub template: String,
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    HostLessSpecific,
    MethodDiffers,
    PathLessSpecific,
    SpellingDiffers,
    Wins,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::HostLessSpecific => "a route of a more specific host has this path",
            Self::MethodDiffers => "it has this path, but not this method",
            Self::PathLessSpecific => "a route with a more specific path has this path",
            Self::SpellingDiffers => "its path differs by letter case or escapes alone",
            Self::Wins => "it wins",
        })
    }
}

impl Table {
    /// What [`Table::find`] answers, and why. For people; it looks at every route.
    pub fn explain(&self, host: &str, method: &Method, path: CanonicalPath<'_>) -> Explanation {
        let folded = path.folded();
        let mut candidates = Vec::new();
        let mut is_decided = false;
        for level in self.levels(host) {
            let look = level.look(path, &folded);
            let mut fitting: Vec<_> = level.routes().filter_map(|position| self.fitting(position, path)).collect();
            fitting.sort_by(|(one, ..), (other, ..)| {
                let (one, other) = (self.entries.get(*one), self.entries.get(*other));
                let rank = |entry: Option<&super::Entry>| entry.map(|entry| entry.template.rank().collect::<Vec<_>>());
                rank(one).cmp(&rank(other))
            });
            for (position, fit) in fitting {
                let verdict = match (&look, fit) {
                    _ if is_decided => Verdict::HostLessSpecific,
                    (_, Fit::OtherSpelling) => Verdict::SpellingDiffers,
                    (Look::Here(node), Fit::Exact) if node.contains(position) => match node.answer(method) {
                        Answer::Route(winner) if winner == position => Verdict::Wins,
                        Answer::Route(_) | Answer::OtherMethods(_) => Verdict::MethodDiffers,
                    },
                    (Look::Here(_) | Look::OtherSpelling(_) | Look::Elsewhere, Fit::Exact) => Verdict::PathLessSpecific,
                };
                candidates.extend(self.candidate(position, verdict));
            }
            is_decided |= !matches!(look, Look::Elsewhere);
        }
        Explanation { candidates, outcome: self.find(host, method, path) }
    }

    fn fitting(&self, position: usize, path: CanonicalPath<'_>) -> Option<(usize, Fit)> {
        let template = &self.entries.get(position)?.template;
        if template.fits(path, |text, segment| text == segment) {
            return Some((position, Fit::Exact));
        }
        let is_alike = template.fits(path, |text, segment| fold(text) == fold(segment));
        is_alike.then_some((position, Fit::OtherSpelling))
    }

    fn candidate(&self, position: usize, verdict: Verdict) -> Option<Candidate> {
        let entry = self.entries.get(position)?;
        Some(Candidate {
            route: entry.index,
            name: entry.name.clone(),
            host: entry.host.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string),
            methods: entry.methods.to_string(),
            template: entry.template.to_string(),
            verdict,
        })
    }
}

#[derive(Clone, Copy)]
enum Fit {
    Exact,
    OtherSpelling,
}
