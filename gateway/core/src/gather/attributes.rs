//! What is known of the thing besides its name, and who is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::config::{AttributesFrom, OnFailure, ResourceAttributesConfig};
use super::template::{self, Names};
use super::{Param, Piece, TemplateFault};
use crate::answer::{Answer, StoreDown};
use crate::refusal::{Code, Refusal};

/// What is known of a thing; `None`: there is no such thing.
pub type Thing = Option<Arc<Map<String, Value>>>;

/// An application that can be asked about its things.
pub trait Things: Send + Sync {
    /// The JSON object at `url`. Questions for one URL that are under way are one.
    fn thing(&self, ask: Ask) -> Answer<'_, Result<Thing, StoreDown>>;
}

/// One question about a thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    pub url: String,
    pub timeout: Duration,
    /// How old an answer may be.
    pub cache: Duration,
}

/// Where a route's resource gets its attributes from, compiled.
#[derive(Clone, Debug)]
pub struct Attributes {
    source: Source,
    set: Vec<(String, Written)>,
    parents: Vec<(EntityTypeName, Vec<Piece>)>,
    timeout: Duration,
    cache: Duration,
    on_failure: OnFailure,
}

#[derive(Clone, Debug)]
enum Source {
    File(Arc<BTreeMap<String, Map<String, Value>>>),
    Http(Vec<Piece>),
    Path,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
enum Written {
    Entity(EntityTypeName, Vec<Piece>),
    Text(Vec<Piece>),
}

/// What was learnt of one resource. The schema has not been asked yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Entities are written as Cedar writes them.
    pub attributes: Map<String, Value>,
    pub parents: Vec<EntityUid>,
}

/// What a path parameter keeps of itself in a URL (RFC 3986 §2.3).
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Attributes {
    /// `file`: what `file` names. Every fault with the key it is of.
    pub fn compile(
        config: &ResourceAttributesConfig,
        params: &[&str],
        file: Option<&[u8]>,
    ) -> Result<Self, Vec<(&'static str, TemplateFault)>> {
        let mut faults = Vec::new();
        let source = source(config, params, file).map_err(|fault| faults.push(fault));
        let names = match config.from {
            AttributesFrom::Path => Names::These(params),
            AttributesFrom::File | AttributesFrom::Http => Names::Any,
        };
        let mut set = Vec::new();
        for (name, text) in &config.set {
            let written = if text.contains("::\"") {
                template::parse(text, names).map(|(kind, pieces)| Written::Entity(kind, pieces))
            } else {
                template::pieces(text, names).map(Written::Text)
            };
            match written {
                Ok(written) => set.push((name.clone(), written)),
                Err(fault) => faults.push(("set", fault)),
            }
        }
        let mut parents = Vec::new();
        for text in &config.parents {
            match template::parse(text, names) {
                Ok(parent) => parents.push(parent),
                Err(fault) => faults.push(("parents", fault)),
            }
        }
        for (key, span, least, most) in [("timeout", config.timeout, 10, 30_000), ("cache", config.cache, 0, 3_600_000)]
        {
            if !(Duration::from_millis(least)..=Duration::from_millis(most)).contains(&span.0) {
                let message = format!("`{span}` is out of bounds");
                let help = format!("between {least}ms and {}s", most / 1000);
                faults.push((key, TemplateFault { message, help }));
            }
        }
        match (source, faults.is_empty()) {
            (Ok(source), true) => Ok(Self {
                source,
                set,
                parents,
                timeout: config.timeout.0,
                cache: config.cache.0,
                on_failure: config.on_failure,
            }),
            _ => Err(faults),
        }
    }

    /// Names of the attributes that are put together here.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|(name, _)| name.as_str())
    }

    /// The types of the entities the resource is put into.
    pub fn parents(&self) -> impl Iterator<Item = &EntityTypeName> {
        self.parents.iter().map(|(kind, _)| kind)
    }

    /// The ids that its file tells of.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let told = match &self.source {
            Source::File(all) => Some(all),
            Source::Http(_) | Source::Path => None,
        };
        told.into_iter().flat_map(|all| all.keys().map(String::as_str))
    }

    /// What its file tells of `id`; `None`: nothing, or there is no file.
    pub(super) fn told(&self, id: &str) -> Option<Known> {
        match &self.source {
            Source::File(all) => all.get(id).map(|members| self.known(members)),
            Source::Http(_) | Source::Path => None,
        }
    }

    /// Whether somebody has to be asked.
    pub fn is_asked_for(&self) -> bool {
        matches!(self.source, Source::Http(_))
    }

    /// Asks, where somebody has to be asked. Refuses with `dependency_unavailable` where that is declared.
    pub async fn learn(&self, id: &str, params: &[Param<'_>], things: &dyn Things) -> Result<Known, Refusal> {
        let members = match &self.source {
            Source::Path => Arc::new(of_path(params)),
            Source::File(all) => Arc::new(all.get(id).cloned().unwrap_or_default()),
            Source::Http(url) => {
                let encoded = |name: &str| {
                    let value = params.iter().find(|(known, _)| *known == name)?;
                    Some(Cow::from(utf8_percent_encode(&value.1, KEPT).to_string()))
                };
                let Some(url) = filled(url, encoded) else {
                    let why = "the address of the resource's attributes wants a parameter that was not matched";
                    return Err(Refusal::new(Code::InternalError).because(why));
                };
                let ask = Ask { url, timeout: self.timeout, cache: self.cache };
                match (things.thing(ask).get().await, self.on_failure) {
                    (Ok(Some(members)), _) => members,
                    (Ok(None), _) | (Err(_), OnFailure::Absent) => Arc::default(),
                    (Err(down), OnFailure::Refuse) => {
                        let why = format!("the attributes of the resource cannot be had: {}", down.what);
                        return Err(Refusal::new(Code::DependencyUnavailable).because(why));
                    }
                }
            }
        };
        Ok(self.known(&members))
    }

    fn known(&self, members: &Map<String, Value>) -> Known {
        let text = |name: &str| scalar(members.get(name)?);
        let uid = |kind: &EntityTypeName, pieces: &[Piece]| {
            Some(EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(filled(pieces, text)?)))
        };
        let mut attributes = members.clone();
        for (name, written) in &self.set {
            let value = match written {
                // Cedar escapes what it writes, so that reading it again gives this very id.
                Written::Entity(kind, pieces) => uid(kind, pieces).map(|uid| uid.to_string()),
                Written::Text(pieces) => filled(pieces, text),
            };
            match value {
                Some(value) => attributes.insert(name.clone(), value.into()),
                None => attributes.remove(name),
            };
        }
        let mut parents = Vec::new();
        for (kind, pieces) in &self.parents {
            let list = pieces.iter().find_map(|piece| match piece {
                Piece::Param(name) => Some((name, members.get(name)?.as_array()?)),
                Piece::Text(_) => None,
            });
            let Some((listed, elements)) = list else {
                parents.extend(uid(kind, pieces));
                continue;
            };
            // One of each element.
            parents.extend(elements.iter().filter_map(|element| {
                let text = |name: &str| if name == listed { scalar(element) } else { text(name) };
                Some(EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(filled(pieces, text)?)))
            }));
        }
        Known { attributes, parents }
    }
}

/// What a member puts into a text; `None`: it is nothing that could be put there.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::from(text.as_str())),
        Value::Number(number) => Some(Cow::from(number.to_string())),
        Value::Bool(bool) => Some(Cow::from(bool.to_string())),
        Value::Array(_) | Value::Null | Value::Object(_) => None,
    }
}

fn source(
    config: &ResourceAttributesConfig,
    params: &[&str],
    file: Option<&[u8]>,
) -> Result<Source, (&'static str, TemplateFault)> {
    let fault =
        |key, message: &str, help: &str| (key, TemplateFault { message: message.to_owned(), help: help.to_owned() });
    match (config.from, &config.url, &config.file) {
        (AttributesFrom::Path, None, None) => Ok(Source::Path),
        (AttributesFrom::Http, Some(url), None) => {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
            if host.is_empty() || host.contains(['{', '}', '@', '\\']) || url.contains(char::is_whitespace) {
                let help =
                    "write it as `http://127.0.0.1:3000/orders/{id}`: a parameter may stand in path and query only";
                return Err(fault("url", "`url` is not an address with a fixed host", help));
            }
            template::pieces(url, Names::These(params)).map(Source::Http).map_err(|fault| ("url", fault))
        }
        (AttributesFrom::File, None, Some(_)) => {
            // A file that cannot be read has been told of.
            let parsed = file.map_or_else(|| Ok(BTreeMap::new()), serde_json::from_slice);
            parsed.map(|all| Source::File(Arc::new(all))).map_err(|error| {
                fault(
                    "file",
                    &format!("no JSON object of objects: {error}"),
                    "write `{\"17\": {\"owner\": …}}`: the attributes by the resource's id",
                )
            })
        }
        (AttributesFrom::Path, ..) => Err(fault("from", "`path` takes neither `url` nor `file`", "take them out")),
        (AttributesFrom::Http, ..) => Err(fault(
            "from",
            "`http` takes `url`, and no `file`",
            "say where to ask: `url = \"http://127.0.0.1:3000/orders/{id}\"`",
        )),
        (AttributesFrom::File, ..) => {
            Err(fault("from", "`file` takes `file`, and no `url`", "say which: `file = \"orders.json\"`"))
        }
    }
}

fn of_path(params: &[Param<'_>]) -> Map<String, Value> {
    params.iter().map(|(name, value)| ((*name).to_owned(), Value::from(&**value))).collect()
}

/// `None`: something it wants is not there.
fn filled<'a>(pieces: &[Piece], value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(fixed) => text.push_str(fixed),
            Piece::Param(name) => text.push_str(&value(name)?),
        }
    }
    Some(text)
}
