//! Does a form with files fit its schema? `multipart/form-data` (RFC 7578), read more strictly than anybody asks.
//!
//! Readers of this format disagree about preambles, padding behind boundaries, bare line feeds, folded fields, escapes
//! in file names and `filename*`; a body with any of these is refused. What is left has one reading, and is forwarded
//! byte for byte.

mod part;
#[cfg(test)]
mod tests;

use memchr::memmem;
use serde_json::{Value, json};

use self::part::Part;
use super::form::{FormSchema, unreadable};
use super::json;
use super::pointer;
use super::schema::SchemaFault;
use super::shape::Shape;
use super::tree::{Leaf, Tree};
use crate::refusal::Refusal;

/// The schema of a form with files, with the bounds of reading.
#[derive(Debug)]
pub(super) struct MultipartSchema {
    form: FormSchema,
    parts: usize,
    /// Bytes of one part.
    part: u64,
}

impl MultipartSchema {
    /// Compiles the text of a schema file.
    ///
    /// # Errors
    /// See [`FormSchema::compile`].
    pub(super) fn compile(
        text: &[u8],
        limits: json::Limits,
        parts: usize,
        part: u64,
    ) -> Result<Self, Vec<SchemaFault>> {
        Ok(Self { form: FormSchema::compile(text, limits)?, parts, part })
    }

    /// Judges a whole body. `boundary` is that of `Content-Type`.
    ///
    /// # Errors
    /// 400 `invalid_body` where it has no single reading or a part is too large, 422 `schema_violation` where it does
    /// not fit.
    pub(super) fn check(&self, bytes: &[u8], boundary: Option<&str>) -> Result<Value, Refusal> {
        let wrong = |message: &'static str| unreadable(pointer::syntax(String::new(), message));
        let boundary = boundary.filter(|boundary| is_boundary(boundary)).ok_or_else(|| wrong("has no boundary"))?;
        let mut tree = Tree::default();
        for part in split(bytes, boundary, self.parts).map_err(wrong)? {
            let part = Part::read(part).map_err(wrong)?;
            let mut at = String::new();
            pointer::push(&mut at, part.name);
            let at_part = |message: &str| unreadable(pointer::syntax(at.clone(), message));
            if u64::try_from(part.content.len()).unwrap_or(u64::MAX) > self.part {
                return Err(at_part("is larger than `max_part` allows"));
            }
            let leaf = self.leaf(&part).map_err(at_part)?;
            tree.insert(part.name, leaf).map_err(wrong)?;
        }
        self.form.judge(tree)
    }

    fn leaf(&self, part: &Part<'_>) -> Result<Leaf, &'static str> {
        let text = || std::str::from_utf8(part.content).map_err(|_| "is not UTF-8");
        let media = part.media_type.as_deref();
        let bare = part.name.split('[').next().unwrap_or_default();
        let wants_file = self.form.shape.member(bare).is_some_and(is_file);
        match (part.filename, media) {
            (None, None | Some("text/plain" | "application/json")) if wants_file => Err("must be a file"),
            (None, None | Some("text/plain")) => {
                let text = text()?;
                if text.contains('\0') || text.len() > self.form.limits.string_bytes {
                    return Err("holds NUL or is longer than `max_string` allows");
                }
                Ok(Leaf::Text(text.to_owned()))
            }
            (None, Some("application/json")) => json::parse(part.content, &self.form.limits)
                .map(|parsed| Leaf::Value(parsed.value))
                .map_err(|_| "must be one JSON value that everybody reads alike"),
            (filename, media) => Ok(Leaf::Value(json!({
                "filename": filename.unwrap_or_default(),
                "media_type": media.unwrap_or("application/octet-stream"),
                "size": part.content.len(),
            }))),
        }
    }
}

/// Whether a schema is of what stands for a file.
fn is_file(shape: &Shape) -> bool {
    let named = |shape: &Shape| {
        shape.members.as_ref().is_some_and(|members| {
            ["filename", "media_type", "size"].iter().any(|name| members.named.contains_key(*name))
        })
    };
    !shape.is_scalar() && (named(shape) || shape.items.as_deref().is_some_and(is_file))
}

/// RFC 2046 §5.1.1, without the space that mail allows inside.
fn is_boundary(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(fits)
}

/// What stands between the boundaries.
fn split<'b>(bytes: &'b [u8], boundary: &str, most: usize) -> Result<Vec<&'b [u8]>, &'static str> {
    let dashed = format!("--{boundary}");
    let mut rest = bytes.strip_prefix(dashed.as_bytes()).ok_or("does not begin with its boundary")?;
    let finder = memmem::Finder::new(dashed.as_bytes());
    let mut parts = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(b"--") {
            return match (after, parts.is_empty()) {
                (b"" | b"\r\n", false) => Ok(parts),
                (_, true) => Err("has no part"),
                (_, false) => Err("has data behind its last boundary"),
            };
        }
        let body = rest.strip_prefix(b"\r\n").ok_or("has a boundary that does not end its line")?;
        if parts.len() >= most {
            return Err("has more parts than `max_parts` allows");
        }
        // Wherever it stands, some reader takes it for a boundary.
        let end = finder.find(body).ok_or("does not end with its boundary")?;
        let (part, after) = body.split_at_checked(end).ok_or("does not end with its boundary")?;
        parts.push(part.strip_suffix(b"\r\n").ok_or("has a boundary that does not begin a line")?);
        rest = after.get(dashed.len()..).unwrap_or_default();
    }
}
