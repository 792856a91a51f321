//! Does the application answer what it says it does? By status and media type; what the schema does not declare can be
//! taken out.

mod strip;
#[cfg(test)]
mod tests;

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::bodies::told;
use super::config::{ResponseConfig, ResponsesConfig, Undeclared};
use super::json::{self, Parsed};
use super::media_type::{ContentType, MediaTypes, Range};
use super::schema::Schema;
use super::{InputFault, Limits, refusal};
use crate::mode::Mode;
use crate::refusal::{Code, Refusal};

const LARGEST: u64 = 1 << 20;

/// What one route may answer, compiled.
#[derive(Debug)]
pub struct Answers {
    pub mode: Mode,
    undeclared: Undeclared,
    most: u64,
    limits: Limits,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    status: Status,
    media: Media,
    /// The schema, and as it was written; `None` where such answers pass.
    schema: Option<(Schema, Value)>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Status {
    Exact(u16),
    /// The first digit.
    Class(u16),
    Default,
}

#[derive(Debug)]
enum Media {
    Json(MediaTypes),
    Range(Range),
}

/// What to do with the body of one answer, known when its head is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnswerPlan {
    /// Judge it whole by [`Answers::judge`], at most `most` bytes.
    Judge { rule: usize, most: u64 },
    /// Let it pass.
    Pass,
}

impl Answers {
    /// # Errors
    /// Everything wrong, at once.
    pub(super) fn compile<'s>(
        config: &ResponsesConfig,
        schemas: &dyn Fn(&Path) -> Option<&'s [u8]>,
        limits: Limits,
    ) -> Result<Self, Vec<InputFault>> {
        let mut faults: Vec<String> = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        for response in &config.schemas {
            match Rule::compile(response, schemas) {
                Ok(rule) => rules.push(rule),
                Err(found) => faults.extend(found),
            }
        }
        if !faults.is_empty() {
            let fault = |message| InputFault { key: "responses", pointer: String::new(), message };
            return Err(faults.into_iter().map(fault).collect());
        }
        let most = config.max_body.map_or(LARGEST, |size| size.0);
        Ok(Self { mode: config.mode, undeclared: config.undeclared, most, limits, rules })
    }

    /// Judges the head of an answer. `Pass`: its status is not declared, or it has no body.
    ///
    /// # Errors
    /// 502 `response_violation` where its media type is not one that its status declares, or it cannot be read.
    pub fn plan(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> Result<AnswerPlan, Refusal> {
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT)
            || *method == Method::HEAD;
        let by_status = |rule: &&Rule| rule.status.holds(status);
        let Some(status) = self.rules.iter().filter(by_status).map(|rule| rule.status).min() else {
            return Ok(AnswerPlan::Pass);
        };
        if bodiless {
            return Ok(AnswerPlan::Pass);
        }
        let refuse = |because: &'static str| Refusal::new(Code::ResponseViolation).because(because);
        let kind = ContentType::of(headers).map_err(|_| refuse("the answer's Content-Type is missing or malformed"))?;
        let found = self.rules.iter().position(|rule| rule.status == status && rule.media.holds(&kind.essence));
        let rule =
            found.ok_or_else(|| refuse("the answer's Content-Type is not one of those declared for its status"))?;
        if self.rules.get(rule).is_some_and(|rule| rule.schema.is_none()) {
            return Ok(AnswerPlan::Pass);
        }
        if headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0") {
            return Err(refuse("the answer is empty"));
        }
        kind.in_utf8().map_err(|_| refuse("the answer is in a charset other than utf-8"))?;
        let coded = headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value != "identity");
        if coded || status == Status::Exact(206) {
            return Err(refuse("the answer is a part, or has a content coding, and cannot be judged"));
        }
        Ok(AnswerPlan::Judge { rule, most: self.most })
    }

    /// Judges a whole answer. `Some`: what to send in its place.
    ///
    /// # Errors
    /// 502 `response_violation`; the faults are for the operator, in [`Refusal::reason`] alone.
    pub fn judge(&self, rule: usize, bytes: &[u8]) -> Result<Option<Bytes>, Refusal> {
        let Some((schema, document)) = self.rules.get(rule).and_then(|rule| rule.schema.as_ref()) else {
            return Ok(None);
        };
        let mut parsed = json::parse(bytes, &self.limits).map_err(|fault| violation(vec![fault]))?;
        let stripped = self.undeclared == Undeclared::Strip && strip::strip(&mut parsed.value, &[document], document);
        let parsed = Parsed { nodes: parsed.nodes, value: parsed.value };
        schema.check(&parsed, "").map_err(violation)?;
        if !stripped || self.mode != Mode::Enforce {
            return Ok(None);
        }
        let text = serde_json::to_vec(&parsed.value);
        text.map(|text| Some(text.into())).map_err(|_| Refusal::new(Code::ResponseViolation))
    }
}

impl AnswerPlan {
    /// What an answer of more than `most` bytes gets.
    pub fn too_large(most: u64) -> Refusal {
        Refusal::new(Code::ResponseViolation).because(format!("the answer is larger than the {most} bytes judged"))
    }
}

/// What the caller may read says nothing of the application.
fn violation(faults: Vec<crate::refusal::Fault>) -> Refusal {
    let Refusal { reason, .. } = refusal(Code::ResponseViolation, "answer", faults);
    Refusal { reason, ..Refusal::new(Code::ResponseViolation) }
}

impl Rule {
    fn compile<'s>(config: &ResponseConfig, schemas: &dyn Fn(&Path) -> Option<&'s [u8]>) -> Result<Self, Vec<String>> {
        let one = |message: String| vec![message];
        let status = Status::of(&config.status).map_err(one)?;
        let media = match &config.media_type {
            Some(text) => Media::Range(Range::of(text).map_err(one)?),
            None => Media::Json(MediaTypes::new(None).map_err(one)?),
        };
        let Some(path) = &config.schema else { return Ok(Self { status, media, schema: None }) };
        if let Media::Range(range) = &media
            && !range.is_json()
        {
            return Err(one(format!(
                "answers of `{}` cannot be judged by a schema: leave `schema` out",
                config.media_type.as_deref().unwrap_or_default()
            )));
        }
        let text = schemas(path).ok_or_else(|| one(format!("`{}` was not read", path.display())))?;
        let schema = Schema::compile_kept(text);
        let schema = schema.map_err(|found| found.iter().map(|fault| told(path, fault)).collect::<Vec<_>>())?;
        Ok(Self { status, media, schema: Some(schema) })
    }
}

impl Status {
    fn of(text: &str) -> Result<Self, String> {
        let class =
            text.strip_suffix("XX").and_then(|digit| digit.parse().ok()).filter(|digit| (1..=5).contains(digit));
        match (text, class, text.parse()) {
            ("default", ..) => Ok(Self::Default),
            (_, Some(digit), _) => Ok(Self::Class(digit)),
            (_, None, Ok(status)) if (100..=599).contains(&status) => Ok(Self::Exact(status)),
            _ => Err(format!("`{text}` is not a status: write `200`, `4XX` or `default`")),
        }
    }

    fn holds(self, status: StatusCode) -> bool {
        match self {
            Self::Exact(exact) => status.as_u16() == exact,
            Self::Class(digit) => status.as_u16() / 100 == digit,
            Self::Default => true,
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
