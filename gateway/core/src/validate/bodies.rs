//! Which rule judges this body? One for each media type that the route takes.

#[cfg(test)]
mod tests;

use std::path::Path;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::coding::{self, Room};
use super::config::{BodyConfig, ContentCoding, RouteInput};
use super::form::FormSchema;
use super::media_type::{ContentType, MediaTypes, Range, not_welcome};
use super::multipart::MultipartSchema;
use super::schema::SchemaFault;
use super::{BodySchema, InputFault, Limits, Schemas};
use crate::refusal::Refusal;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
const MOST_PARTS: u16 = 100;

/// The bodies that one route takes, compiled. Without any, every body passes unread.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    rules: Vec<Rule>,
    codings: Vec<ContentCoding>,
    ratio: u32,
    /// What a caller is told whose body is of no such type.
    welcome: String,
}

#[derive(Debug)]
struct Rule {
    media: Media,
    judge: Judge,
}

#[derive(Debug)]
enum Media {
    Json(MediaTypes),
    Range(Range),
}

#[derive(Debug)]
enum Judge {
    Form(FormSchema),
    Json(BodySchema),
    Multipart(MultipartSchema),
    Unread,
}

/// What a body turned out to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// What policies may speak about; `None` where it was not read.
    pub value: Option<Value>,
    /// The bytes to forward, without the content coding, where one was taken off.
    pub plain: Option<Bytes>,
}

/// Whether a body needs to be held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    Held,
    Unread,
}

impl Bodies {
    /// # Errors
    /// Everything wrong, at once.
    pub(super) fn compile(
        route: &RouteInput,
        schemas: Schemas<'_>,
        limits: Limits,
        max_body: u64,
    ) -> Result<Self, Vec<InputFault>> {
        let mut faults = Vec::new();
        let mut rules = Vec::new();
        let media_types = MediaTypes::new(route.media_types.as_deref())
            .map_err(|message| faults.push(InputFault { key: "media_types", pointer: String::new(), message }));
        let schema = schemas.body.map(|text| BodySchema::compile(text, limits)).transpose();
        match (schema, media_types) {
            (Ok(Some(schema)), Ok(types)) => rules.push(Rule { media: Media::Json(types), judge: Judge::Json(schema) }),
            (Ok(_), _) => {}
            (Err(found), _) => faults.extend(found.into_iter().map(|fault| fault.under("body_schema"))),
        }
        for body in &route.bodies {
            let wrong = |message: String| InputFault { key: "bodies", pointer: String::new(), message };
            match Rule::compile(body, schemas, limits, max_body) {
                Ok(rule) if rules.iter().any(|other: &Rule| other.covers(&rule)) => {
                    let message = "would never be asked: another entry, or `body_schema`, takes its bodies before";
                    faults.push(wrong(format!("`{}` {message}", body.media_type)));
                }
                Ok(rule) => rules.push(rule),
                Err(found) => faults.extend(found.into_iter().map(wrong)),
            }
        }
        if faults.is_empty() {
            let codings = route.content_encodings.clone();
            let welcome = welcome(&rules, &codings);
            Ok(Self { rules, codings, ratio: limits.ratio, welcome })
        } else {
            Err(faults)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether some body of this route is read.
    pub(super) fn reads(&self) -> bool {
        self.rules.iter().any(|rule| !matches!(rule.judge, Judge::Unread))
    }

    /// Judges the head of a request that has a body.
    ///
    /// # Errors
    /// 415 where no rule takes the media type, or the coding is not welcome.
    pub(super) fn want(&self, headers: &HeaderMap) -> Result<Wanted, Refusal> {
        let (rule, ..) = self.of_head(headers)?;
        Ok(match rule.judge {
            Judge::Form(_) | Judge::Json(_) | Judge::Multipart(_) => Wanted::Held,
            Judge::Unread => Wanted::Unread,
        })
    }

    /// Whether a coding would be taken off, for which memory is needed.
    pub(super) fn takes_off(&self, headers: &HeaderMap) -> bool {
        coding::declared(headers, &self.codings).is_ok_and(|coding| coding.is_some())
    }

    /// Judges a whole body, which is not empty.
    ///
    /// # Errors
    /// 413, 415, 400 or 422; see [`super::Validate::body`].
    pub(super) fn judge(&self, headers: &HeaderMap, bytes: &[u8], most: u64) -> Result<Judged, Refusal> {
        let (rule, kind, coding) = self.of_head(headers)?;
        if let Judge::Unread = rule.judge {
            return Ok(Judged::default());
        }
        let plain = coding.map(|coding| coding::decode(coding, bytes, Room { most, ratio: self.ratio })).transpose()?;
        let bytes = plain.as_deref().unwrap_or(bytes);
        let value = match &rule.judge {
            Judge::Form(form) => Some(form.check(bytes)?),
            Judge::Json(schema) => Some(schema.check(bytes)?),
            Judge::Multipart(form) => Some(form.check(bytes, kind.parameter("boundary"))?),
            Judge::Unread => None,
        };
        Ok(Judged { value, plain })
    }

    /// The rule of a body, its type and its coding.
    fn of_head(&self, headers: &HeaderMap) -> Result<(&Rule, ContentType, Option<ContentCoding>), Refusal> {
        let coding = coding::declared(headers, &self.codings);
        let found = coding.and_then(|coding| self.rule(headers).map(|(rule, kind)| (rule, kind, coding)));
        found.map_err(|refusal| refusal.detail(self.welcome.clone()))
    }

    fn rule(&self, headers: &HeaderMap) -> Result<(&Rule, ContentType), Refusal> {
        let kind = ContentType::of(headers)?;
        let rule = self.rules.iter().find(|rule| rule.media.holds(&kind.essence)).ok_or_else(not_welcome)?;
        match rule.judge {
            Judge::Form(_) | Judge::Json(_) | Judge::Multipart(_) => Ok((rule, kind.in_utf8()?)),
            Judge::Unread => Ok((rule, kind)),
        }
    }
}

/// Which bodies are taken, in words.
fn welcome(rules: &[Rule], codings: &[ContentCoding]) -> String {
    let kinds: Vec<String> = rules.iter().map(|rule| rule.media.to_string()).collect();
    let coded = match codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(" or in ") {
        none if none.is_empty() => "without a content coding".to_owned(),
        coded => format!("plain or in {coded}"),
    };
    format!("The body must be of {}, text in UTF-8, {coded}.", kinds.join(" or "))
}

impl std::fmt::Display for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(types) => types.fmt(f),
            Self::Range(range) => range.fmt(f),
        }
    }
}

impl Media {
    fn holds(&self, essence: &str) -> bool {
        match self {
            Self::Json(types) => types.hold(essence),
            Self::Range(range) => range.holds(essence),
        }
    }
}

impl Rule {
    fn compile(body: &BodyConfig, schemas: Schemas<'_>, limits: Limits, max_body: u64) -> Result<Self, Vec<String>> {
        let range = Range::of(&body.media_type).map_err(|message| vec![message])?;
        let multipart = matches!(&range, Range::Named(named) if named == MULTIPART);
        if !(multipart && body.schema.is_some()) && (body.max_parts.is_some() || body.max_part.is_some()) {
            return Err(vec![format!("`max_parts` and `max_part` are for `{MULTIPART}` with a `schema`")]);
        }
        let Some(path) = &body.schema else { return Ok(Self { media: Media::Range(range), judge: Judge::Unread }) };
        let text = (schemas.others)(path).ok_or_else(|| vec![format!("`{}` was not read", path.display())])?;
        let in_file = |found: Vec<SchemaFault>| found.iter().map(|fault| told(path, fault)).collect::<Vec<_>>();
        let judge = match &range {
            Range::Named(named) if named == FORM => Judge::Form(FormSchema::compile(text, limits).map_err(in_file)?),
            Range::Named(_) if multipart => {
                let parts = usize::from(body.max_parts.unwrap_or(MOST_PARTS));
                let part = body.max_part.map_or(max_body, |size| size.0);
                Judge::Multipart(MultipartSchema::compile(text, limits, parts, part).map_err(in_file)?)
            }
            named if named.is_json() => Judge::Json(BodySchema::compile(text, limits).map_err(in_file)?),
            Range::Any | Range::Named(_) | Range::Under(_) => {
                return Err(vec![format!(
                    "`{}` cannot be judged by a schema, only JSON and forms can: leave `schema` out to let it pass unread",
                    body.media_type
                )]);
            }
        };
        Ok(Self { media: Media::Range(range), judge })
    }

    /// Whether every body of `later` is this rule's already.
    fn covers(&self, later: &Self) -> bool {
        match &later.media {
            Media::Range(Range::Named(named)) => self.media.holds(named),
            Media::Range(range) => {
                matches!(&self.media, Media::Range(Range::Any))
                    || matches!(&self.media, Media::Range(own) if own == range)
            }
            Media::Json(_) => false,
        }
    }
}

pub(super) fn told(path: &Path, fault: &SchemaFault) -> String {
    let place = if fault.pointer.is_empty() { String::new() } else { format!(" at `{}`", fault.pointer) };
    format!("`{}`{place}: {}", path.display(), fault.message)
}
