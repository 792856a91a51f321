//! Where does each part of the configuration stand?

use std::collections::BTreeMap;
use std::ops::Range;

use super::text::TextFile;
use super::tree::Node;
use crate::config::ConfigError;

/// One step down into the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathPart<'p> {
    Index(usize),
    Key(&'p str),
}

impl<'p> From<&'p str> for PathPart<'p> {
    fn from(key: &'p str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for PathPart<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// All files, and which of them holds what.
#[derive(Default)]
pub(in crate::config) struct Spans {
    /// The main file first.
    pub(super) files: Vec<TextFile>,
    /// For each route: its file, and its place among that file's routes.
    pub(super) routes: Vec<(usize, usize)>,
    /// For each named part (`upstreams`, `app`): its file.
    pub(super) named: BTreeMap<(&'static str, String), usize>,
}

impl Spans {
    /// The file and the place of a part; of the nearest part above it that is written.
    pub(in crate::config) fn find(&self, path: &[PathPart<'_>]) -> (usize, Range<usize>) {
        let (file, path) = match path {
            [PathPart::Key("routes"), PathPart::Index(at), rest @ ..] => match self.routes.get(*at) {
                Some((file, index)) => {
                    let head = [PathPart::Key("routes"), PathPart::Index(*index)];
                    (*file, head.iter().chain(rest).copied().collect())
                }
                None => (0, vec![PathPart::Key("routes")]),
            },
            [PathPart::Key(section), PathPart::Key(name), ..] => {
                let file = self.named.iter().find(|((s, n), _)| s == section && n == name).map_or(0, |(_, file)| *file);
                (file, path.to_vec())
            }
            _ => (0, path.to_vec()),
        };
        let span = self.files.get(file).map_or(0..0, |file| descend(&file.tree, &path));
        (file, span)
    }

    /// How a place is called in another message.
    pub(in crate::config) fn named(&self, path: &[PathPart<'_>]) -> String {
        let (file, span) = self.find(path);
        self.error(file, Some(span), String::new(), None).location().to_string()
    }

    pub(super) fn error(
        &self,
        file: usize,
        span: Option<Range<usize>>,
        message: String,
        help: Option<String>,
    ) -> ConfigError {
        let message = self.files.iter().fold(message, |text, file| file.scrub(text));
        let help = help.map(|help| self.files.iter().fold(help, |text, file| file.scrub(text)));
        let path = self.files.get(file).map(|file| file.path.clone()).unwrap_or_default();
        let place = span.filter(|span| *span != (0..0)).and_then(|span| Some(self.files.get(file)?.place(&span)));
        let (line, column, excerpt) = place.unwrap_or_default();
        ConfigError { file: path, line, column, message, help, excerpt }
    }
}

/// The place of what `path` leads to, or as near to it as anything is written.
pub(super) fn descend(mut node: &Node, path: &[PathPart<'_>]) -> Range<usize> {
    let mut span = node.span.clone();
    for part in path {
        let below = match part {
            PathPart::Index(at) => node.list().and_then(|list| list.get(*at)),
            PathPart::Key(key) => node.table().and_then(|table| table.get(*key)).map(|entry| &entry.node),
        };
        let Some(below) = below else { break };
        node = below;
        span = node.span.clone();
    }
    span
}
