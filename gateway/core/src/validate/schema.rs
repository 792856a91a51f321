//! Does a value fit? One JSON Schema, compiled at load and bounded, so that no body can make it run away.

mod keywords;
mod resolve;
mod scan;
#[cfg(test)]
mod tests;
mod uri;
mod words;

use std::borrow::Cow;
use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::InputFault;
use super::json::{Limits, Numbers, Parsed, parse};
use super::pointer;
use crate::refusal::{Fault, Refusal};

/// Bytes of one schema file.
const LARGEST: usize = 1 << 20;
/// Bytes of one compiled pattern.
const LARGEST_PATTERN: usize = 1 << 20;
/// Values of an input up to which every fault is looked for; above it only the first is, because each fault
/// costs more memory than the byte that caused it.
const FULLY_TOLD: usize = 2_000;
/// Formats that describe rather than judge (`OpenAPI` 3.1 §4.4): accepted, and true of everything.
const DESCRIPTIVE: &[&str] = &["binary", "byte", "double", "float", "int32", "int64", "password"];

/// A compiled JSON Schema (draft 2020-12, or draft 7 where `$schema` says so). Formats are asserted, patterns run
/// in linear time, and nothing outside the file is ever fetched.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    telling: Telling,
}

/// How much of what is wrong can be told within bounded work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Telling {
    /// Where and why.
    Faults,
    /// That it does not fit: the schema recurses along several ways at once, so that naming the faults could
    /// take time exponential in the depth of the input. Judging stays linear.
    Verdict,
}

/// Something wrong with a schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SchemaFault {
    /// JSON Pointer into the schema file.
    pub pointer: String,
    pub message: String,
}

impl SchemaFault {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    pub(super) fn under(self, key: &'static str) -> InputFault {
        InputFault { key, pointer: self.pointer, message: self.message }
    }
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at `{}`: {}", self.pointer, self.message)
    }
}

/// The drafts that are spoken here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dialect {
    Draft7,
    Draft202012,
}

impl Schema {
    /// Compiles a schema: at most 1 MiB, 10 000 values, 64 levels.
    ///
    /// # Errors
    /// All that is wrong: not JSON, another draft, against the meta-schema, a reference out of the file, a
    /// reference that comes back to where it started, an unknown format, a misspelt keyword, a pattern that
    /// needs backtracking.
    pub fn compile(text: &[u8]) -> Result<Self, Vec<SchemaFault>> {
        Self::compile_kept(text).map(|(schema, _)| schema)
    }

    /// The same, and the schema as it was written, but for its references, which are paths.
    pub(super) fn compile_kept(text: &[u8]) -> Result<(Self, Value), Vec<SchemaFault>> {
        let one = |pointer: String, message: String| vec![SchemaFault { pointer, message }];
        if text.len() > LARGEST {
            return Err(one(String::new(), format!("the schema has {} bytes, at most {LARGEST} are read", text.len())));
        }
        let limits =
            Limits { depth: 64, nodes: 10_000, string_bytes: 64 << 10, numbers: Numbers::Any, ..Limits::default() };
        let document = parse(text, &limits)
            .map_err(|fault| match (text.is_empty(), &*fault.keyword) {
                (true, _) => one(String::new(), "is empty: a schema that allows everything is `{}`".to_owned()),
                (false, "syntax") => one(fault.pointer, format!("cannot be read as JSON: {}", fault.message)),
                (false, _) => one(fault.pointer, fault.message),
            })?
            .value;
        let dialect = dialect(&document).map_err(|message| one("/$schema".to_owned(), message))?;
        against_meta_schema(&document, dialect)?;
        let document = resolve::resolved(document, dialect)?;
        let telling = scan::scan(&document, dialect)?;
        let mut options = match dialect {
            Dialect::Draft7 => jsonschema::draft7::options(),
            Dialect::Draft202012 => jsonschema::draft202012::options(),
        }
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex().size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN));
        for name in DESCRIPTIVE {
            options = options.with_format(*name, |_: &str| true);
        }
        let validator = options
            .build(&document)
            .map_err(|error| one(words::where_in_schema(&error), words::for_the_operator(&error)))?;
        Ok((Self { validator, telling }, document))
    }

    /// Judges a value. `at` stands before every pointer: empty for a body, `#/query/limit` for a parameter.
    ///
    /// # Errors
    /// At least one fault and at most [`Refusal::MOST_FAULTS`]; none holds a value.
    pub fn check(&self, input: &Parsed, at: &str) -> Result<(), Vec<Fault>> {
        if self.validator.is_valid(&input.value) {
            return Ok(());
        }
        let mut faults: Vec<Fault> = match self.telling {
            Telling::Verdict => Vec::new(),
            Telling::Faults if input.nodes > FULLY_TOLD => {
                self.validator.validate(&input.value).err().into_iter().flat_map(|e| words::faults(&e, at)).collect()
            }
            Telling::Faults => {
                self.validator.iter_errors(&input.value).flat_map(|error| words::faults(&error, at)).collect()
            }
        };
        faults.truncate(Refusal::MOST_FAULTS);
        if faults.is_empty() {
            let message = "does not fit the schema".to_owned();
            faults.push(Fault { pointer: at.to_owned(), keyword: Cow::Borrowed("schema"), message });
        }
        Err(faults)
    }
}

fn dialect(document: &Value) -> Result<Dialect, String> {
    match document.get("$schema") {
        None => Ok(Dialect::Draft202012),
        Some(Value::String(uri)) => match uri.trim_end_matches('#') {
            "https://json-schema.org/draft/2020-12/schema" | "http://json-schema.org/draft/2020-12/schema" => {
                Ok(Dialect::Draft202012)
            }
            "http://json-schema.org/draft-07/schema" | "https://json-schema.org/draft-07/schema" => Ok(Dialect::Draft7),
            other => Err(format!(
                "`{other}` is not spoken here: write `https://json-schema.org/draft/2020-12/schema` or \
                 `http://json-schema.org/draft-07/schema`"
            )),
        },
        Some(_) => Err("`$schema` must be a string".to_owned()),
    }
}

fn against_meta_schema(document: &Value, dialect: Dialect) -> Result<(), Vec<SchemaFault>> {
    let meta = match dialect {
        Dialect::Draft7 => jsonschema::draft7::meta::validator(),
        Dialect::Draft202012 => jsonschema::draft202012::meta::validator(),
    };
    let mut faults: Vec<SchemaFault> = Vec::new();
    for error in meta.iter_errors(document) {
        let pointer = pointer::join("", error.instance_path().as_str());
        let message =
            keywords::wrong_type(&pointer, error.instance()).unwrap_or_else(|| words::for_the_operator(&error));
        let fault = SchemaFault { pointer, message };
        // Each vocabulary of the meta-schema says it again.
        if faults.len() < Refusal::MOST_FAULTS && !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
