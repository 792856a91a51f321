//! What does `${…}` stand for? Variables and files, put into text values after parsing.

use std::ops::Range;

use super::tree::{Node, Value};
use crate::config::FileFault;

/// Largest value of a variable or a file, in bytes.
pub(super) const LARGEST: usize = 64 << 10;

/// What a text asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'t> {
    /// The content of a file, without one newline at its end.
    File(&'t str),
    /// What the machine's own files hold at a key.
    Own(&'t str),
    /// An environment variable.
    Variable(&'t str),
}

/// A text with everything put in.
#[derive(Clone)]
pub(super) struct Resolved {
    pub(super) text: String,
    /// What came from outside: it is never printed.
    pub(super) pieces: Vec<String>,
}

/// Why a text cannot be resolved.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Calls `with` for every text value, to be changed in place. Keys are left as they are.
pub(super) fn texts(node: &mut Node, with: &mut dyn FnMut(&Range<usize>, &mut String)) {
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|node| texts(node, with)),
        Value::Table(table) => table.values_mut().for_each(|entry| texts(&mut entry.node, with)),
        Value::Text(text) => with(&node.span, text),
        Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) => {}
    }
}

/// `None` when the text holds nothing to resolve. What is put in is not looked at again.
pub(super) fn resolve(
    text: &str,
    look_up: &mut dyn FnMut(Wanted<'_>) -> Result<Option<String>, FileFault>,
) -> Result<Option<Resolved>, Unresolved> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut resolved = Resolved { text: String::new(), pieces: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            resolved.text.push_str(before);
            resolved.text.push_str("${");
            rest = after;
            continue;
        }
        resolved.text.push_str(before);
        let Some((inner, after)) = after.split_once('}') else {
            return Err(unresolved("`${` is not closed by `}`", Some("write `$${` for the two characters themselves")));
        };
        put_in(inner, &mut resolved, look_up)?;
        rest = after;
    }
    resolved.text.push_str(rest);
    Ok(Some(resolved))
}

fn put_in(
    inner: &str,
    into: &mut Resolved,
    look_up: &mut dyn FnMut(Wanted<'_>) -> Result<Option<String>, FileFault>,
) -> Result<(), Unresolved> {
    if let Some(path) = inner.strip_prefix("file:") {
        let value =
            look_up(Wanted::File(path)).map_err(|fault| unresolved(&format!("the file `{path}` {fault}"), None))?;
        return from_outside(value.unwrap_or_default(), into, inner);
    }
    if let Some(key) = inner.strip_prefix("own:") {
        let value = look_up(Wanted::Own(key)).unwrap_or(None).ok_or_else(|| {
            let help = format!("write it there as `{key}`, or as a variable here: `${{NAME}}`");
            unresolved(
                "this stands for a secret that the machine's own files hold, and they hold none there",
                Some(&help),
            )
        })?;
        return from_outside(value, into, inner);
    }
    let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || !name.bytes().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(unresolved(
            &format!("`${{{inner}}}` names no variable"),
            Some("write `${NAME}`, `${NAME:-default}` or `${file:PATH}`; `$${` stands for `${` itself"),
        ));
    }
    // As in a shell, `:-` holds for a variable that is empty, too.
    match (look_up(Wanted::Variable(name)).unwrap_or(None), default) {
        (None, Some(default)) => into.text.push_str(default),
        (Some(value), Some(default)) if value.is_empty() => into.text.push_str(default),
        (Some(value), _) => from_outside(value, into, inner)?,
        (None, None) => {
            let help = format!("set it, or give a default: `${{{name}:-…}}`");
            return Err(unresolved(&format!("the variable `{name}` is not set"), Some(&help)));
        }
    }
    Ok(())
}

fn from_outside(value: String, into: &mut Resolved, name: &str) -> Result<(), Unresolved> {
    if value.len() > LARGEST {
        return Err(unresolved(&format!("what `${{{name}}}` stands for is longer than {LARGEST} bytes"), None));
    }
    into.text.push_str(&value);
    into.pieces.push(value);
    Ok(())
}

fn unresolved(message: &str, help: Option<&str>) -> Unresolved {
    Unresolved { message: message.to_owned(), help: help.map(str::to_owned) }
}
