//! Are the parameters what the route declares? Path, query, headers and cookies, each read once.

mod declared;
pub(crate) mod query;
mod style;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderMap;
use http::header::COOKIE;

use self::declared::Declared;
use self::style::Came;
use super::config::{ParameterConfig, Place, UnknownQuery};
use super::pointer;
use super::{InputFault, refusal};
use crate::refusal::{Code, Fault, Refusal};
use crate::request::Request;

/// The declared parameters of one route, compiled.
#[derive(Debug)]
pub struct ParameterRules {
    declared: Vec<Declared>,
    unknown_query: UnknownQuery,
    /// Without it the query is neither read nor judged.
    reads_query: bool,
}

/// What the declared parameters say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parameters {
    /// Declared query parameters, decoded once, in the order they came. A repeated name is an array's.
    pub query: Vec<(String, String)>,
}

impl ParameterRules {
    /// Compiles the parameters of one route.
    ///
    /// # Errors
    /// Every parameter declared twice, in a place or under a name that cannot work, or with a schema that
    /// cannot be used.
    pub fn compile(
        parameters: &[ParameterConfig],
        unknown_query: Option<UnknownQuery>,
    ) -> Result<Self, Vec<InputFault>> {
        let mut declared: Vec<Declared> = Vec::new();
        let mut faults = Vec::new();
        for parameter in parameters {
            match Declared::compile(parameter) {
                Ok(one) if declared.iter().any(|other| other.is(one.place, &one.name)) => faults.push(InputFault {
                    key: "parameters",
                    pointer: String::new(),
                    message: format!("{} parameter `{}` is declared twice", one.place.name(), one.name),
                }),
                Ok(one) => declared.push(one),
                Err(found) => faults.extend(found),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let any_query = declared.iter().any(|one| one.place == Place::Query);
        let unknown_query = unknown_query.unwrap_or(if any_query { UnknownQuery::Refuse } else { UnknownQuery::Allow });
        let reads_query = any_query || unknown_query == UnknownQuery::Refuse;
        Ok(Self { declared, unknown_query, reads_query })
    }

    /// Whether there is anything to judge.
    pub fn judges(&self) -> bool {
        self.reads_query || !self.declared.is_empty()
    }

    /// Judges the parameters of one request. `params` are the route's, decoded once.
    ///
    /// # Errors
    /// 400 `invalid_parameter` where one cannot be read as its type, 422 `schema_violation` where one can but
    /// does not fit, is missing or is not declared. Neither ever holds a value.
    pub fn check(&self, request: &Request<'_>, params: &[(Arc<str>, String)]) -> Result<Parameters, Refusal> {
        self.judge((request.path.as_str(), request.query), request.headers, params)
    }

    fn judge(
        &self,
        (path, query): (&str, Option<&str>),
        headers: &HeaderMap,
        params: &[(Arc<str>, String)],
    ) -> Result<Parameters, Refusal> {
        let pairs = match query {
            Some(text) if self.reads_query => {
                query::pairs(text, "#/query").map_err(|fault| refusal(Code::InvalidParameter, "query", vec![fault]))?
            }
            Some(_) | None => Vec::new(),
        };
        let mut found = Found::default();
        for one in &self.declared {
            let came = match one.place {
                Place::Path => {
                    let texts = params.iter().filter(|(name, _)| **name == *one.name).map(|(_, v)| v.as_str());
                    // Which segment it stands in is not known here; a comma that is not one is rare enough.
                    Ok(Came::Texts { texts: texts.collect(), escaped: path.contains("%2C") })
                }
                Place::Query => Ok(Came::Pairs(pairs.iter().filter(|pair| one.claims(&pair.name)).collect())),
                Place::Header => header(headers, one),
                Place::Cookie => cookie(headers, one),
            };
            found.judge(one, came);
        }
        let (query, unknown): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|pair| self.declared.iter().any(|one| one.claims(&pair.name)));
        match self.unknown_query {
            UnknownQuery::Allow => {}
            UnknownQuery::Refuse => found.unfit.extend(unknown.iter().take(Refusal::MOST_FAULTS).map(|pair| {
                let mut at = "#/query".to_owned();
                pointer::push(&mut at, &pair.name);
                Fault {
                    pointer: at,
                    keyword: "additionalProperties".into(),
                    message: "unexpected parameter".to_owned(),
                }
            })),
        }
        found
            .into_result()
            .map(|()| Parameters { query: query.into_iter().map(|pair| (pair.name, pair.value)).collect() })
    }
}

/// What was found wrong; what cannot be read is told before what does not fit.
#[derive(Default)]
struct Found {
    unreadable: Vec<Fault>,
    unfit: Vec<Fault>,
}

impl Found {
    fn judge(&mut self, one: &Declared, came: Result<Came<'_>, &'static str>) {
        let mut at = format!("#/{}", one.place.name());
        pointer::push(&mut at, &one.name);
        match came.map_err(|message| (String::new(), message)).and_then(|came| one.read(&came)) {
            Err((below, message)) => self.unreadable.push(pointer::syntax(at + &below, message)),
            Ok(None) if one.required => self.unfit.push(Fault {
                pointer: at,
                keyword: "required".into(),
                message: format!("required {} parameter `{}` is missing", one.place.name(), one.name),
            }),
            Ok(None) => {}
            Ok(Some(value)) => self.unfit.extend(one.schema.check(&value, &at).err().into_iter().flatten()),
        }
    }

    fn into_result(self) -> Result<(), Refusal> {
        if !self.unreadable.is_empty() {
            return Err(refusal(Code::InvalidParameter, "parameters", self.unreadable));
        }
        if !self.unfit.is_empty() {
            return Err(refusal(Code::SchemaViolation, "parameters", self.unfit));
        }
        Ok(())
    }
}

/// The values of a header field.
fn header<'h>(headers: &'h HeaderMap, one: &Declared) -> Result<Came<'h>, &'static str> {
    let mut texts = Vec::new();
    for value in headers.get_all(&*one.name) {
        texts.push(value.to_str().map_err(|_| "must be ASCII")?.trim_matches([' ', '\t']));
    }
    Ok(Came::Texts { texts, escaped: false })
}

/// The values of a cookie (RFC 6265 §5.4), as they stand: quotes and escapes are the application's own.
fn cookie<'h>(headers: &'h HeaderMap, one: &Declared) -> Result<Came<'h>, &'static str> {
    let mut texts = Vec::new();
    for field in headers.get_all(COOKIE) {
        let text = field.to_str().map_err(|_| "must be ASCII")?;
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        let named = pairs.filter(|(name, _)| name.trim_matches([' ', '\t']) == &*one.name);
        texts.extend(named.map(|(_, value)| value.trim_matches([' ', '\t'])));
    }
    let escaped = texts.iter().any(|text| text.contains("%2C") || text.contains("%2c"));
    Ok(Came::Texts { texts, escaped })
}
