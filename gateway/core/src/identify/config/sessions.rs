//! `[sessions]`: how long somebody who has logged in stays so.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use crate::units::Span;

/// `[sessions]`. Lifetimes hold for sessions that are begun afterwards, `idle` and `grace` for all.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// The name of the cookie. It begins with `__Host-portcullis`, by which it is kept from the application.
    #[validate(custom(function = ours))]
    pub cookie: String,
    /// A session that was not used for so long is over.
    #[validate(custom(function = span::<300, 31_536_000>))]
    pub idle: Span,
    /// A session is over after so long, used or not.
    #[validate(custom(function = span::<300, 31_536_000>))]
    pub lifetime: Span,
    /// Sessions one person may have at once; the oldest ends when there is one more.
    #[validate(range(min = 1, max = 1_000))]
    pub max_per_user: u32,
    /// How long a session goes on after its token has ended, while the provider cannot be asked for another.
    #[validate(custom(function = span::<0, 31_536_000>))]
    pub grace: Span,
    /// Where a logout ends: a path on our own origin, which the provider must know as a post-logout redirect URI.
    #[validate(custom(function = path))]
    pub after_logout: String,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            cookie: "__Host-portcullis".into(),
            idle: Span(Duration::from_hours(12)),
            lifetime: Span(Duration::from_hours(7 * 24)),
            max_per_user: 10,
            grace: Span(Duration::from_hours(4)),
            after_logout: "/".into(),
        }
    }
}

fn fault(code: &'static str, message: impl Into<String>) -> ValidationError {
    ValidationError::new(code).with_message(message.into().into())
}

fn ours(name: &str) -> Result<(), ValidationError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.starts_with("__Host-portcullis") && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(fault(
        "cookie",
        format!("`{name}` is no name for it: write `__Host-portcullis`, and letters, digits, `_` or `-` after it"),
    ))
}

/// Between `MIN` and `MAX` seconds.
fn span<const MIN: u64, const MAX: u64>(span: &Span) -> Result<(), ValidationError> {
    let (least, most) = (Duration::from_secs(MIN), Duration::from_secs(MAX));
    if (least..=most).contains(&span.0) {
        return Ok(());
    }
    Err(fault("span", format!("`{span}` is out of bounds: from `{}` to `{}`", Span(least), Span(most))))
}

fn path(path: &str) -> Result<(), ValidationError> {
    if crate::identify::returns_to_us(path) {
        return Ok(());
    }
    Err(fault("path", format!("`{path}` is not a path on our own origin: write it as in `/bye`")))
}
