//! Which rules apply?
//!
//! Host, then path, then method, each most specific first, and never back:
//!
//! 1. **Host**: an exact host before the longest wildcard before any host. A less specific host is asked only when no
//!    route of the more specific one has the path.
//! 2. **Path**: from the left, a static segment before a parameter before a tail. Templates of the same shape are one
//!    path, whatever their parameters are called.
//! 3. **Method**: judged at the path that won. Where `POST /a/export` and `GET /a/{id}` are routes, `GET /a/export` is
//!    405 and does not fall back to `/a/{id}`: the operator wrote a rule for exactly this path, and a request for it
//!    must not be judged by the rule of another. `GET` covers `HEAD` where no route at that path names `HEAD`.
//!
//! A path that some route would take if it were compared without regard to letter case, or to escapes that stand for
//! the same text, is 404 and falls to no parameter, tail or other host: many upstreams compare that way, and would serve
//! `/Admin` under the rules of `/{*rest}`. A trailing slash is part of the path; a parameter and a tail are never empty
//! (so `/{*rest}` does not take `/`).

mod explain;
mod forest;
mod host;
mod level;
mod methods;
mod template;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::refusal::{Code, Refusal};
use crate::request::CanonicalPath;

use level::{Answer, Level, Look};

pub use explain::{Candidate, Explanation, Verdict};
pub use host::HostPattern;
pub use methods::MethodSet;
pub use template::{Part, Template};

/// One route, as the table sees it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: Arc<str>,
    pub methods: MethodSet,
    pub template: Template,
    /// `None`: any host.
    pub host: Option<HostPattern>,
    /// What [`Table::find`] answers with.
    pub index: usize,
}

/// Two routes of which nothing says which one wins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// [`Entry::index`] of the two, the one compiled first first.
    pub routes: (usize, usize),
    /// For the operator: both names, what they share, how to mend it.
    pub message: String,
}

/// The route a request belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// [`Entry::index`].
    pub route: usize,
    pub params: Params,
}

/// Path parameters by name, decoded once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params(Vec<(Arc<str>, String)>);

impl Params {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// In the order of the template.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_str()))
    }

    /// Name and value, in the order of the template.
    pub fn as_slice(&self) -> &[(Arc<str>, String)] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All routes, compiled.
#[derive(Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
    exact: HashMap<Box<str>, Level>,
    /// By suffix with its dot: `.example.com`.
    wildcard: HashMap<Box<str>, Level>,
    any: Level,
}

impl Table {
    /// Compiles routes, or names every pair that ties: same host, same shape of path, a method in common.
    pub fn compile(entries: Vec<Entry>) -> Result<Self, Vec<Conflict>> {
        let mut table = Self::default();
        let mut conflicts = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let level = match &entry.host {
                None => &mut table.any,
                Some(HostPattern::Exact(host)) => table.exact.entry(host.clone()).or_default(),
                Some(HostPattern::Under(suffix)) => table.wildcard.entry(suffix.clone()).or_default(),
            };
            level.add(position, entry, &entries, &mut conflicts);
        }
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        table.entries = entries;
        Ok(table)
    }

    /// Finds the route of a request. `host` is in the spelling of [`crate::request::Authority`].
    ///
    /// Refuses with 404, or with 405 and `Allow`. For a CORS preflight, `method` is the one it asks about.
    pub fn find(&self, host: &str, method: &Method, path: CanonicalPath<'_>) -> Result<Found, Refusal> {
        let folded = path.folded();
        for level in self.levels(host) {
            match level.look(path, &folded) {
                Look::Elsewhere => {}
                Look::OtherSpelling(position) => return Err(self.other_spelling(position)),
                Look::Here(node) => {
                    return match node.answer(method) {
                        Answer::Route(position) => self.found(position, path),
                        Answer::OtherMethods(allow) => Err(self.other_methods(node.first(), method, allow)),
                    };
                }
            }
        }
        Err(Refusal::new(Code::RouteNotFound).because("no route has this host and path"))
    }

    /// The levels a host belongs to, most specific first.
    fn levels(&self, host: &str) -> impl Iterator<Item = &Level> {
        let suffixes = host.match_indices('.').filter_map(|(dot, _)| host.get(dot..));
        let wildcards = suffixes.filter_map(|suffix| self.wildcard.get(suffix));
        self.exact.get(host).into_iter().chain(wildcards).chain([&self.any])
    }

    fn found(&self, position: usize, path: CanonicalPath<'_>) -> Result<Found, Refusal> {
        let entry = self.entries.get(position).ok_or(Code::InternalError)?;
        Ok(Found { route: entry.index, params: Params(entry.template.bind(path)) })
    }

    fn name(&self, position: Option<usize>) -> &str {
        position.and_then(|position| self.entries.get(position)).map_or("?", |entry| &entry.name)
    }

    fn other_spelling(&self, position: Option<usize>) -> Refusal {
        let name = self.name(position);
        let reason = format!("the path differs from route `{name}` only by letter case or escapes");
        Refusal::new(Code::RouteNotFound).because(reason)
    }

    fn other_methods(&self, position: Option<usize>, method: &Method, allow: Vec<Method>) -> Refusal {
        let name = self.name(position);
        let reason = format!("the path belongs to route `{name}`, which does not answer `{method}`");
        Refusal::new(Code::MethodNotAllowed).because(reason).allow(allow)
    }
}
