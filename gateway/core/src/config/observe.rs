//! What is written down, and where?

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::checks;
use super::text::text_type;
use crate::units::Size;

/// `[observe]`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ObserveConfig {
    /// Where the access log goes, one JSON line per request: `stdout`, `stderr`, `off`, or `file:PATH` (relative to
    /// the root).
    pub access_log: AccessLog,
    /// Where the decision log goes, one JSON line per request with its whole journey: as `access_log`.
    pub decision_log: DecisionLog,
    /// How many decisions are kept in memory for `explain` and the admin API, the newest: 0 to 100000.
    #[validate(range(max = 100_000, message = "at most 100000"))]
    pub keep_decisions: usize,
    /// How much memory they may take together: 1KiB to 1GiB.
    #[validate(custom(function = "checks::bytes::<1024, 1073741824>"))]
    pub keep_decisions_memory: Size,
    /// How much the gateway says on stderr about itself.
    pub level: Level,
}

impl Default for ObserveConfig {
    fn default() -> Self {
        Self {
            access_log: AccessLog::default(),
            decision_log: DecisionLog::default(),
            keep_decisions: 2000,
            keep_decisions_memory: Size(16 * 1024 * 1024),
            level: Level::default(),
        }
    }
}

/// The target of the decision log; unlike the access log it is not written unless asked for.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct DecisionLog(pub AccessLog);

impl Default for DecisionLog {
    fn default() -> Self {
        Self(AccessLog::Off)
    }
}

/// The target of the access log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum AccessLog {
    File(PathBuf),
    Off,
    Stderr,
    #[default]
    Stdout,
}

impl FromStr for AccessLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "stderr" => Ok(Self::Stderr),
            "stdout" => Ok(Self::Stdout),
            _ => match text.strip_prefix("file:") {
                Some(path) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
                _ => Err(format!("`{text}` is no target: write `stdout`, `stderr`, `off` or `file:logs/access.log`")),
            },
        }
    }
}

impl fmt::Display for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Off => f.write_str("off"),
            Self::Stderr => f.write_str("stderr"),
            Self::Stdout => f.write_str("stdout"),
        }
    }
}

text_type!(AccessLog, "AccessLog", "`stdout`, `stderr`, `off` or `file:PATH`.", "stdout");

/// How much is said.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Error,
    #[default]
    Info,
    Warn,
}
