//! What a policy may know of the request: the attributes its action's schema declares, no more.
//!
//! Which ones, and where each comes from, is worked out when the configuration is loaded.

mod plan;
mod query;

use std::borrow::Cow;

use cedar_policy::{Context, RestrictedExpression};
use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use super::Question;
use super::shapes::{Field, Presence};
use super::typed;
use crate::identify::Identity;

/// The context of one route: attribute name and where its value comes from.
#[derive(Debug, Default)]
pub(super) struct Plan(Vec<(&'static str, Supply)>);

#[derive(Debug)]
enum Supply {
    AuthAge,
    AuthMethod,
    Body(Field),
    Headers(Vec<HeaderName>),
    Ip,
    Method,
    Now,
    Params(Vec<String>),
    Path,
    Query(Vec<String>),
    Scopes,
}

impl Plan {
    /// The context of one request. `Err` is for the operator, and holds no value the caller sent.
    pub(super) fn context(&self, question: &Question<'_>, identity: &Identity) -> Result<Context, String> {
        let mut pairs = Vec::with_capacity(self.0.len());
        for (name, supply) in &self.0 {
            let value = supply.value(question, identity).map_err(|why| format!("context attribute {why}"))?;
            pairs.extend(value.map(|value| ((*name).to_owned(), value)));
        }
        Context::from_pairs(pairs).map_err(|_| "the context cannot be evaluated".to_owned())
    }
}

impl Plan {
    /// Whether the context can be had, without building what always can. `Err` as in [`Self::context`].
    pub(super) fn checked(&self, question: &Question<'_>, identity: &Identity) -> Result<(), String> {
        for (_, supply) in &self.0 {
            if supply.may_fail() {
                supply.value(question, identity).map_err(|why| format!("context attribute {why}"))?;
            }
        }
        Ok(())
    }
}

impl Supply {
    /// Whether what a client sends can keep it from being had.
    const fn may_fail(&self) -> bool {
        match self {
            Self::Body(_) | Self::Headers(_) | Self::Now | Self::Params(_) | Self::Path | Self::Query(_) => true,
            Self::AuthAge | Self::AuthMethod | Self::Ip | Self::Method | Self::Scopes => false,
        }
    }

    /// `None`: the attribute is absent, which the plan has made sure the schema allows.
    fn value(&self, question: &Question<'_>, identity: &Identity) -> Result<Option<RestrictedExpression>, String> {
        Ok(Some(match self {
            Self::AuthAge => match identity.authenticated_at {
                None => return Ok(None),
                Some(at) => {
                    let age = question.now.wall.since(at).as_secs();
                    RestrictedExpression::new_long(i64::try_from(age).unwrap_or(i64::MAX))
                }
            },
            Self::AuthMethod => string(identity.method.name()),
            Self::Body(field) => match (question.body, field.presence) {
                (Some(body), Presence::Optional | Presence::Required) => {
                    typed::fit(body, &field.shape).map_err(|misfit| misfit.under("body").to_string())?
                }
                (None, Presence::Optional) => return Ok(None),
                (None, Presence::Required) => return Err(typed::missing(&field.shape).under("body").to_string()),
            },
            Self::Headers(names) => record(headers(question.headers, names)?)?,
            Self::Ip => typed::ip_expression(question.client),
            Self::Method => string(question.method.as_str()),
            Self::Now => RestrictedExpression::new_datetime(datetime(question.now.wall.micros())?),
            Self::Params(names) => record(params(question, names)?)?,
            Self::Path => string(&path(question.path)?),
            Self::Query(names) => record(query::values(question.query.unwrap_or_default(), names)?)?,
            Self::Scopes => RestrictedExpression::new_set(identity.scopes.iter().map(|scope| string(scope))),
        }))
    }
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn record(pairs: Vec<(String, String)>) -> Result<RestrictedExpression, String> {
    let pairs = pairs.into_iter().map(|(name, value)| (name, RestrictedExpression::new_string(value)));
    RestrictedExpression::new_record(pairs).map_err(|_| "has a name twice".to_owned())
}

/// Decoded, for a canonical path may still spell `@` or `%40`: a policy must not miss either.
///
/// Nothing is lost by it, since no canonical path holds an encoded `/`.
fn path(canonical: &str) -> Result<Cow<'_, str>, String> {
    percent_decode_str(canonical).decode_utf8().map_err(|_| "`path` is not UTF-8".to_owned())
}

fn params(question: &Question<'_>, names: &[String]) -> Result<Vec<(String, String)>, String> {
    let value = |name: &String| {
        let found = question.params.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| (name.clone(), value.to_string()))
            .ok_or_else(|| format!("`params.{name}` was not matched"))
    };
    names.iter().map(value).collect()
}

/// A field that is absent stays absent; one that comes twice has no value a policy and the app agree on.
fn headers(fields: &HeaderMap, names: &[HeaderName]) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::with_capacity(names.len());
    for name in names {
        let mut values = fields.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(format!("`headers.{name}` appears more than once"));
        }
        let text = value.to_str().map_err(|_| format!("`headers.{name}` is not plain text"))?;
        pairs.push((name.to_string(), text.to_owned()));
    }
    Ok(pairs)
}

/// `2026-01-31T12:00:00.000Z`, to the millisecond Cedar keeps.
fn datetime(micros: i64) -> Result<String, String> {
    let time = DateTime::<Utc>::from_timestamp_micros(micros).filter(|time| (0..=9999).contains(&time.year()));
    let time = time.ok_or("`now` is outside the years 0 to 9999: the clock is wrong")?;
    Ok(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::datetime;

    #[test]
    fn writes_times_as_cedar_reads_them() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
            (1_791_073_845_123_999, "2026-10-04T00:30:45.123Z"),
        ] {
            assert_eq!(datetime(micros).as_deref(), Ok(expected), "{micros}");
        }
        assert!(datetime(i64::MAX).is_err());
        assert!(datetime(i64::MIN).is_err());
    }
}
