//! How is a value written into a path, a query, a header or a cookie? The styles of `OpenAPI` 3, each read in one way.
//!
//! A separator that stands in a value percent-encoded is refused in lists and objects: some applications split before
//! they decode and some after, and what was judged must be what they read.

use serde_json::{Map, Value};

use super::super::config::{ParameterConfig, ParameterStyle, Place};
use super::super::json::{self, Limits};
use super::super::shape::Shape;
use super::super::tree::{Leaf, Texts, Tree, Wrong};
use super::query::{Pair, decode};

const SEPARATOR: &str = "holds a percent-encoded separator, which some readers split at and some do not";

/// How one parameter is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Written {
    pub(super) style: Style,
    pub(super) explode: Explode,
}

/// What separates and marks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    Deep,
    /// `simple` in a header field, where blanks and empty elements mean nothing (RFC 9110 §5.6.1).
    Field,
    Form,
    /// The text is JSON: `content = "application/json"`.
    Json,
    Label,
    Pipe,
    Simple,
    Space,
}

/// Whether each element of a list, and each member of an object, stands by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Explode {
    Apart,
    Together,
}

/// What came, before it is read.
pub(super) enum Came<'a> {
    /// A cookie, a header field, a path segment. `escaped` where a comma stands in it percent-encoded.
    Texts { texts: Vec<&'a str>, escaped: bool },
    /// The pairs of the query that this parameter claims.
    Pairs(Vec<&'a Pair<'a>>),
}

impl Written {
    /// What the configuration says, or `OpenAPI`'s defaults.
    ///
    /// # Errors
    /// A style that the place does not have.
    pub(super) fn of(config: &ParameterConfig) -> Result<Self, String> {
        if let Some(media) = &config.content {
            let json = media == "application/json" || media.ends_with("+json");
            let message = || format!("`content = \"{media}\"` cannot be read: write `application/json`");
            let alone = config.style.is_none() && config.explode.is_none();
            return match (json, alone) {
                (true, true) => Ok(Self { style: Style::Json, explode: Explode::Together }),
                (true, false) => Err("`content` stands in the place of `style` and `explode`".to_owned()),
                (false, _) => Err(message()),
            };
        }
        let style = match (config.style, config.place) {
            (None | Some(ParameterStyle::Form), Place::Cookie | Place::Query) => Style::Form,
            (None | Some(ParameterStyle::Simple), Place::Header) => Style::Field,
            (None | Some(ParameterStyle::Simple), Place::Path) => Style::Simple,
            (Some(ParameterStyle::Label), Place::Path) => Style::Label,
            (Some(ParameterStyle::DeepObject), Place::Query) => Style::Deep,
            (Some(ParameterStyle::SpaceDelimited), Place::Query) => Style::Space,
            (Some(ParameterStyle::PipeDelimited), Place::Query) => Style::Pipe,
            (Some(ParameterStyle::Matrix), Place::Path) => {
                return Err("the style `matrix` cannot be had: paths with `;` are refused, because servers cut them \
                            there; use `simple`"
                    .to_owned());
            }
            (Some(style), place) => {
                return Err(format!("the style `{}` does not exist for {} parameters", style.name(), place.name()));
            }
        };
        let explode = config.explode.unwrap_or(style == Style::Form && config.place == Place::Query);
        Ok(Self { style, explode: if explode { Explode::Apart } else { Explode::Together } })
    }

    /// Whether a pair of the query belongs to the parameter `name`.
    pub(super) fn claims(self, name: &str, shape: &Shape, pair: &str) -> bool {
        match (self.style, self.explode, &shape.members) {
            (Style::Deep, ..) => pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('[')),
            (Style::Form, Explode::Apart, Some(_)) if !shape.is_scalar() => shape.member(pair).is_some(),
            (..) => pair == name,
        }
    }

    /// The value; `None` where it is absent.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn read(self, came: &Came<'_>, shape: &Shape) -> Result<Option<Value>, Wrong> {
        let here = |message: &'static str| (String::new(), message);
        let empty = match came {
            Came::Texts { texts, .. } => texts.is_empty(),
            Came::Pairs(pairs) => pairs.is_empty(),
        };
        if empty {
            return Ok(None);
        }
        match (self.style, came) {
            (Style::Deep, Came::Pairs(pairs)) => deep(pairs, shape).map(Some),
            (Style::Form, Came::Pairs(pairs)) if self.explode == Explode::Apart => apart(pairs, shape).map(Some),
            (..) => {
                let (text, raw, escaped) = match came {
                    Came::Texts { texts, escaped } => match texts.as_slice() {
                        [text] => (*text, None, *escaped),
                        // A list may come in several header fields (RFC 9110 §5.3).
                        several if self.style == Style::Field && shape.items.is_some() => {
                            let parts = several.iter().flat_map(|text| parts(text, ',', self.style));
                            return list(parts.map(str::to_owned).collect(), shape).map(Some);
                        }
                        _ => return Err(here("appears more than once")),
                    },
                    Came::Pairs(pairs) => match pairs.as_slice() {
                        [pair] => (pair.value.as_str(), Some(pair.raw), false),
                        _ => return Err(here("appears more than once")),
                    },
                };
                self.one(text, raw, escaped, shape).map(Some)
            }
        }
    }

    fn one(self, text: &str, raw: Option<&str>, escaped: bool, shape: &Shape) -> Result<Value, Wrong> {
        let here = |message: &'static str| (String::new(), message);
        if self.style == Style::Json {
            let parsed = json::parse(text.as_bytes(), &Limits::default());
            let message = "must be one JSON value that everybody reads alike";
            return parsed.map(|parsed| parsed.value).map_err(|fault| (fault.pointer, message));
        }
        let text = match self.style {
            Style::Label => text.strip_prefix('.').ok_or(here("must begin with `.`"))?,
            Style::Deep | Style::Field | Style::Form | Style::Json | Style::Pipe | Style::Simple | Style::Space => text,
        };
        if shape.is_scalar() && (shape.items.is_none() || !text.contains(',')) {
            return shape.scalar(text).map_err(here);
        }
        if shape.items.is_none() && shape.members.is_none() {
            return shape.scalar(text).map_err(here);
        }
        if escaped {
            return Err(here(SEPARATOR));
        }
        let separator = match (self.style, self.explode) {
            (Style::Label, Explode::Apart) => '.',
            (..) => ',',
        };
        let parts = match raw.map(|raw| self.split_raw(raw)) {
            Some(split) => split.map_err(here)?,
            None => parts(text, separator, self.style).map(str::to_owned).collect(),
        };
        if shape.items.is_some() { list(parts, shape) } else { self.object(parts, shape) }
    }

    /// Splits what stands in the query, then decodes the parts.
    fn split_raw(self, raw: &str) -> Result<Vec<String>, &'static str> {
        let (separator, spellings): (char, &[&str]) = match self.style {
            Style::Space => (' ', &["%20", "+"]),
            Style::Pipe => ('|', &["%7C", "%7c", "|"]),
            Style::Deep | Style::Field | Style::Form | Style::Json | Style::Label | Style::Simple => (',', &[","]),
        };
        let mut parts = vec![raw];
        for spelling in spellings {
            parts = parts.into_iter().flat_map(|part| part.split(spelling)).collect();
        }
        let decoded = parts.into_iter().map(|part| decode(part).filter(|part| !part.contains(separator)));
        decoded.collect::<Option<_>>().ok_or(SEPARATOR)
    }

    fn object(self, parts: Vec<String>, shape: &Shape) -> Result<Value, Wrong> {
        let here = |message: &'static str| (String::new(), message);
        let pairs: Option<Vec<(String, String)>> = match self.explode {
            Explode::Apart => parts
                .iter()
                .map(|part| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
                .collect(),
            Explode::Together => parts
                .chunks(2)
                .map(|pair| match pair {
                    [name, value] => Some((name.clone(), value.clone())),
                    _ => None,
                })
                .collect(),
        };
        let pairs = pairs.ok_or(here("must be an object: a name and a value for each member"))?;
        let text = Shape::of(&Value::Bool(true), &Value::Null);
        let mut object = Map::new();
        for (name, value) in pairs {
            let value = shape.member(&name).unwrap_or(&text).scalar(&value).map_err(here)?;
            if object.insert(name, value).is_some() {
                return Err(here("has a member twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// The parts between separators.
fn parts(text: &str, separator: char, style: Style) -> impl Iterator<Item = &str> {
    let field = style == Style::Field;
    let parts = text.split(separator).map(move |part| if field { part.trim_matches([' ', '\t']) } else { part });
    parts.filter(move |part| !field || !part.is_empty())
}

fn list(parts: Vec<String>, shape: &Shape) -> Result<Value, Wrong> {
    let text = Shape::of(&Value::Bool(true), &Value::Null);
    let items = shape.items.as_deref().unwrap_or(&text);
    let all: Result<Vec<Value>, _> = parts.iter().map(|part| items.scalar(part)).collect();
    all.map(Value::Array).map_err(|message| (String::new(), message))
}

/// `form`, exploded: a list repeats its name, an object's members are parameters of their own.
fn apart(pairs: &[&Pair<'_>], shape: &Shape) -> Result<Value, Wrong> {
    let here = |message: &'static str| (String::new(), message);
    if shape.members.is_some() && !shape.is_scalar() && shape.items.is_none() {
        let mut tree = Tree::default();
        for pair in pairs {
            tree.insert(&pair.name, Leaf::Text(pair.value.clone())).map_err(here)?;
        }
        return tree.object(shape, Texts::Plain, &Limits::default());
    }
    match (pairs, &shape.items) {
        ([one], _) if shape.is_scalar() => shape.scalar(&one.value).map_err(here),
        (_, Some(_)) => list(pairs.iter().map(|pair| pair.value.clone()).collect(), shape),
        ([one], None) => shape.scalar(&one.value).map_err(here),
        (_, None) => Err(here("appears more than once")),
    }
}

fn deep(pairs: &[&Pair<'_>], shape: &Shape) -> Result<Value, Wrong> {
    let mut tree = Tree::default();
    for pair in pairs {
        // `p[a][b]` is `a[b]` of the object `p`.
        let inner = pair.name.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let name = inner.map(|(key, rest)| format!("{key}{rest}"));
        let name = name.ok_or((String::new(), "has a name whose brackets do not pair"))?;
        tree.insert(&name, Leaf::Text(pair.value.clone())).map_err(|message| (String::new(), message))?;
    }
    tree.object(shape, Texts::Plain, &Limits::default())
}
