//! Which routes of one host take a path?

use std::collections::HashMap;

use http::Method;

use crate::request::CanonicalPath;

use super::forest::Forest;
use super::methods::MethodSet;
use super::{Conflict, Entry};

/// The routes of one host pattern.
#[derive(Debug, Default)]
pub(super) struct Level {
    nodes: Vec<Node>,
    by_shape: HashMap<String, usize>,
    /// Finds nodes.
    exact: Forest,
    /// Finds folded shapes, which are numbers of `spellings`.
    folded: Forest,
    by_folded_shape: HashMap<String, usize>,
    /// For each folded shape, the nodes it is made of.
    spellings: Vec<Vec<usize>>,
    /// Whether some template changes when folded: then even a path in lower case may be another spelling.
    has_other_spellings: bool,
}

/// The routes of one path: their methods are disjoint.
#[derive(Debug)]
pub(super) struct Node {
    routes: Vec<(MethodSet, usize)>,
    /// No parameter, no tail.
    is_static: bool,
}

/// What a level says about a path.
pub(super) enum Look<'a> {
    Elsewhere,
    Here(&'a Node),
    /// A route would take the path in another spelling: the position of one such route.
    OtherSpelling(Option<usize>),
}

/// What a node says about a method.
pub(super) enum Answer {
    OtherMethods(Vec<Method>),
    Route(usize),
}

impl Level {
    /// Adds the route at `position` of `entries`, or notes with which routes it ties.
    pub(super) fn add(&mut self, position: usize, entry: &Entry, entries: &[Entry], conflicts: &mut Vec<Conflict>) {
        let shape = entry.template.shape();
        if let Some(node) = self.by_shape.get(&shape).and_then(|node| self.nodes.get_mut(*node)) {
            for (methods, other) in &node.routes {
                if let (Some(common), Some(other)) = (methods.common(entry.methods), entries.get(*other)) {
                    conflicts.push(tie(other, entry, common));
                }
            }
            node.routes.push((entry.methods, position));
            return;
        }
        let template = &entry.template;
        let is_static = template.names().next().is_none();
        match self.exact.insert(&shape, template.tail(), template.rank()) {
            // INVARIANT: `exact` and `nodes` count in step.
            Ok(number) => {
                self.nodes.push(Node { routes: vec![(entry.methods, position)], is_static });
                self.by_shape.insert(shape, number);
                self.add_spelling(number, entry, conflicts);
            }
            Err(error) => conflicts.push(unroutable(entry, &error.to_string())),
        }
    }

    fn add_spelling(&mut self, node: usize, entry: &Entry, conflicts: &mut Vec<Conflict>) {
        let folded = entry.template.folded_shape();
        self.has_other_spellings |= folded != entry.template.shape();
        if let Some(spellings) = self.by_folded_shape.get(&folded).and_then(|group| self.spellings.get_mut(*group)) {
            spellings.push(node);
            return;
        }
        match self.folded.insert(&folded, entry.template.tail(), entry.template.rank()) {
            Ok(group) => {
                self.spellings.push(vec![node]);
                self.by_folded_shape.insert(folded, group);
            }
            Err(error) => conflicts.push(unroutable(entry, &error.to_string())),
        }
    }

    /// `folded` is the path folded.
    pub(super) fn look(&self, path: CanonicalPath<'_>, folded: &str) -> Look<'_> {
        let number = self.exact.find(path.as_str());
        let here = number.and_then(|number| self.nodes.get(number));
        let settled = match here {
            // Nothing is more specific than the path itself.
            Some(node) if node.is_static => true,
            Some(_) | None => folded == path.as_str() && !self.has_other_spellings,
        };
        if !settled {
            // The best of all spellings must be the one that was sent.
            let spellings = self.folded.find(folded).and_then(|group| self.spellings.get(group));
            if let Some(spellings) = spellings
                && !number.is_some_and(|number| spellings.contains(&number))
            {
                let route = spellings.first().and_then(|node| self.nodes.get(*node)).and_then(Node::first);
                return Look::OtherSpelling(route);
            }
        }
        here.map_or(Look::Elsewhere, Look::Here)
    }

    /// The positions of all routes, for [`super::Table::explain`].
    pub(super) fn routes(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().flat_map(|node| node.routes.iter().map(|(_, position)| *position))
    }
}

impl Node {
    pub(super) fn first(&self) -> Option<usize> {
        self.routes.first().map(|(_, position)| *position)
    }

    pub(super) fn contains(&self, route: usize) -> bool {
        self.routes.iter().any(|(_, position)| *position == route)
    }

    pub(super) fn answer(&self, method: &Method) -> Answer {
        let by = |method: &Method| self.routes.iter().find(|(methods, _)| methods.contains(method));
        let covering = || if *method == Method::HEAD { by(&Method::GET) } else { None };
        match by(method).or_else(covering) {
            Some((_, position)) => Answer::Route(*position),
            None => Answer::OtherMethods(self.allow()),
        }
    }

    /// For `Allow` (RFC 9110 §10.2.1): `HEAD` wherever `GET` is.
    fn allow(&self) -> Vec<Method> {
        let sets = self.routes.iter().map(|(methods, _)| *methods).reduce(MethodSet::union);
        let mut allow = Vec::new();
        for name in sets.into_iter().flat_map(MethodSet::names) {
            if let Ok(method) = Method::from_bytes(name.as_bytes())
                && !allow.contains(&method)
            {
                let covers = method == Method::GET;
                allow.push(method);
                if covers {
                    allow.push(Method::HEAD);
                }
            }
        }
        allow
    }
}

fn tie(one: &Entry, other: &Entry, common: MethodSet) -> Conflict {
    let host = other.host.as_ref().map_or_else(String::new, |host| format!(" on `{host}`"));
    let paths = if one.template == other.template {
        format!("`{}`", one.template)
    } else {
        format!("`{}` and `{}`, which are the same paths,", one.template, other.template)
    };
    let message = format!(
        "routes `{}` and `{}` both answer {common} {paths}{host}: give them different methods or paths, or remove one",
        one.name, other.name
    );
    Conflict { routes: (one.index, other.index), message }
}

fn unroutable(entry: &Entry, why: &str) -> Conflict {
    let message = format!("route `{}` cannot stand beside the others at `{}`: {why}", entry.name, entry.template);
    Conflict { routes: (entry.index, entry.index), message }
}
