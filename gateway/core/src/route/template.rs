//! Which paths is a route for?

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use crate::request::{CanonicalPath, fold};

/// A path with parameters: `/orders/{id}`, `/files/{*rest}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    text: Box<str>,
    parts: Vec<Part>,
}

/// One segment of a template. The order is that of precedence.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// As it stands in the path; empty only as the last one, for a trailing slash.
    Static(Box<str>),
    /// One segment, not empty.
    Parameter(Arc<str>),
    /// All that is left, not empty.
    Tail(Arc<str>),
}

/// How specific a template is at each segment; less is more specific.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Rank {
    Static,
    Parameter,
    Tail,
}

impl Template {
    pub const LONGEST: usize = 2048;
    /// The router's own bound is 25.
    pub const MOST_PARAMETERS: usize = 16;
    const LONGEST_NAME: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the parameters and the tail, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Static(_) => None,
            Part::Parameter(name) | Part::Tail(name) => Some(name),
        })
    }

    /// How many segments stand before the tail; `None` without one.
    pub(super) fn tail(&self) -> Option<usize> {
        self.parts.iter().position(|part| matches!(part, Part::Tail(_)))
    }

    pub(super) fn rank(&self) -> impl Iterator<Item = Rank> {
        self.parts.iter().map(|part| match part {
            Part::Static(_) => Rank::Static,
            Part::Parameter(_) => Rank::Parameter,
            Part::Tail(_) => Rank::Tail,
        })
    }

    /// The template in the router's notation, without the names: equal for templates that match the same paths.
    pub(super) fn shape(&self) -> String {
        self.router_text(str::to_owned)
    }

    /// The same for paths as [`CanonicalPath::folded`] makes them.
    pub(super) fn folded_shape(&self) -> String {
        // Only here can a static text hold braces: raw ones are not canonical.
        self.router_text(|text| fold(text).replace('{', "{{").replace('}', "}}"))
    }

    fn router_text(&self, fixed: impl Fn(&str) -> String) -> String {
        let mut shape = String::with_capacity(self.text.len());
        for (place, part) in self.parts.iter().enumerate() {
            shape.push('/');
            match part {
                Part::Static(text) => shape.push_str(&fixed(text)),
                Part::Parameter(_) => {
                    // Writing to a string cannot fail.
                    let _ = write!(shape, "{{p{place}}}");
                }
                Part::Tail(_) => shape.push_str("{*t}"),
            }
        }
        shape
    }

    /// The values of the parameters in a path this template matches, decoded once.
    pub(super) fn bind(&self, path: CanonicalPath<'_>) -> Vec<(Arc<str>, String)> {
        let mut values = Vec::new();
        let mut left = path.as_str();
        for part in &self.parts {
            left = left.strip_prefix('/').unwrap_or(left);
            let end = left.find('/').unwrap_or(left.len());
            let (segment, rest) = left.split_at_checked(end).unwrap_or((left, ""));
            match part {
                Part::Static(_) => {}
                Part::Parameter(name) => values.push((name.clone(), CanonicalPath::decode(segment).into_owned())),
                Part::Tail(name) => values.push((name.clone(), CanonicalPath::decode(left).into_owned())),
            }
            left = rest;
        }
        values
    }

    /// Whether the path, compared as it stands or folded, is one of this template's. For [`super::Table::explain`].
    pub(super) fn fits(&self, path: CanonicalPath<'_>, compare: impl Fn(&str, &str) -> bool) -> bool {
        let mut segments = path.segments();
        for part in &self.parts {
            let Some(segment) = segments.next() else { return false };
            let fits = match part {
                Part::Static(text) => compare(text, segment),
                Part::Parameter(_) => !segment.is_empty(),
                Part::Tail(_) => return !segment.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        segments.next().is_none()
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > Self::LONGEST {
            return Err(format!("the path has {} bytes: at most {} are possible", text.len(), Self::LONGEST));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` does not begin with `/`: did you mean `/{text}`"));
        };
        let mut parts = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            let part = part(segment, is_last).map_err(|what| format!("`{text}`: {what}"))?;
            if let Part::Parameter(_) | Part::Tail(_) = part {
                let name = segment.trim_matches(['{', '}', '*']);
                if names.contains(&name) {
                    return Err(format!("`{text}`: the parameter `{name}` stands twice: give each its own name"));
                }
                names.push(name);
            }
            parts.push(part);
        }
        if names.len() > Self::MOST_PARAMETERS {
            return Err(format!(
                "`{text}` has {} parameters: at most {} are possible",
                names.len(),
                Self::MOST_PARAMETERS
            ));
        }
        Ok(Self { text: text.into(), parts })
    }
}

fn part(segment: &str, is_last: bool) -> Result<Part, String> {
    if let Some(inner) = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        return match inner.strip_prefix('*') {
            Some(name) if is_last => Ok(Part::Tail(parameter_name(name)?)),
            Some(_) => Err(format!("the tail `{segment}` must be the last segment")),
            None => Ok(Part::Parameter(parameter_name(inner)?)),
        };
    }
    if segment.contains(['{', '}']) {
        return Err(format!(
            "`{segment}` mixes text and a parameter: a parameter is a whole segment, as in `/a/{{id}}`"
        ));
    }
    match segment {
        "" if is_last => return Ok(Part::Static("".into())),
        "" => return Err("an empty segment can never match: write one slash".to_owned()),
        "*" | "**" => return Err(format!("`{segment}` would be taken literally: did you mean `{{*rest}}`")),
        _ => {}
    }
    let probe = format!("/{segment}");
    CanonicalPath::parse(&probe).map_err(|fault| format!("`{segment}` can never match: {fault}"))?;
    Ok(Part::Static(segment.into()))
}

fn parameter_name(name: &str) -> Result<Arc<str>, String> {
    let fits = !name.is_empty()
        && name.len() <= Template::LONGEST_NAME
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits {
        return Ok(name.into());
    }
    Err(format!("`{name}` is not a name for a parameter: write 1 to 64 letters, digits, `_` or `-`"))
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}
