//! Is one value, seen alone, within bounds? The checks that `validator` runs on the text types.

use std::time::Duration;

use validator::ValidationError;

use super::urls;
use crate::units::{Size, Span};

fn fault(code: &'static str, message: impl Into<String>) -> ValidationError {
    ValidationError::new(code).with_message(message.into().into())
}

/// Between `MIN` and `MAX` milliseconds.
pub(super) fn millis<const MIN: u64, const MAX: u64>(span: &Span) -> Result<(), ValidationError> {
    let (least, most) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
    if (least..=most).contains(&span.0) {
        return Ok(());
    }
    Err(fault("span", format!("`{span}` is out of bounds: from `{}` to `{}`", Span(least), Span(most))))
}

/// Between `MIN` and `MAX` bytes.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "validator passes references")]
pub(super) fn bytes<const MIN: u64, const MAX: u64>(size: &Size) -> Result<(), ValidationError> {
    if (MIN..=MAX).contains(&size.0) {
        return Ok(());
    }
    Err(fault("size", format!("`{size}` is out of bounds: from `{}` to `{}`", Size(MIN), Size(MAX))))
}

/// The name of a route: it becomes a Cedar action and a metric label.
pub(super) fn route_name(name: &str) -> Result<(), ValidationError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.:/ -{}".contains(&b);
    if name.bytes().all(fits) && name.trim() == name {
        return Ok(());
    }
    let wrong = format!("`{name}` is not a name: use letters, digits and `_ . : / - {{ }}`, with spaces only inside");
    Err(fault("name", wrong))
}

/// Groups, scopes of limits, and the like: words without spaces.
pub(super) fn words(words: &[String]) -> Result<(), ValidationError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b);
    for word in words {
        if word.is_empty() || word.len() > 128 || !word.bytes().all(fits) {
            let wrong = format!("`{word}` is not a name: use up to 128 letters, digits and `_ . : / -`");
            return Err(fault("name", wrong));
        }
    }
    distinct(words)
}

/// OAuth scopes (RFC 6749 §3.3).
pub(super) fn scopes(scopes: &[String]) -> Result<(), ValidationError> {
    for scope in scopes {
        let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if scope.is_empty() || !scope.bytes().all(fits) {
            let wrong = format!("`{scope}` is not a scope: use printable ASCII without spaces, quotes and `\\`");
            return Err(fault("scope", wrong));
        }
    }
    distinct(scopes)
}

/// Authentication context classes, which stand in a challenge separated by spaces (RFC 9470 §3).
pub(super) fn acr(classes: &[String]) -> Result<(), ValidationError> {
    for class in classes {
        let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if class.is_empty() || class.len() > 255 || !class.bytes().all(fits) {
            let wrong = format!("`{class}` is no `acr`: use printable ASCII without spaces, quotes and `\\`");
            return Err(fault("acr", wrong));
        }
    }
    distinct(classes)
}

/// No entry twice.
pub(super) fn distinct<T: PartialEq + std::fmt::Display>(entries: &[T]) -> Result<(), ValidationError> {
    let again = entries.iter().enumerate().find(|(at, entry)| entries.iter().take(*at).any(|before| before == *entry));
    match again {
        Some((_, entry)) => Err(fault("distinct", format!("`{entry}` stands here twice"))),
        None => Ok(()),
    }
}

/// A host name as `Host` and `:authority` carry it, without a port.
pub(super) fn host(host: &str) -> Result<(), ValidationError> {
    let lower = host.to_ascii_lowercase();
    match urls::parts(&format!("https://{host}")) {
        Some(parts) if parts.port.is_some() => {
            Err(fault("host", format!("`{host}` has a port: write the host name alone")))
        }
        Some(parts) if parts.rest.is_empty() && parts.host == host => Ok(()),
        Some(parts) if parts.rest.is_empty() && parts.host == lower => {
            Err(fault("host", format!("`{host}` must be in lower case: write `{lower}`")))
        }
        _ => Err(fault("host", format!("`{host}` is not a host name: write it as in `app.example.com`"))),
    }
}

/// The scheme of a store or of counters. INVARIANT: the text may hold a password and is never shown.
pub(super) fn store_scheme(url: &str, embedded: &str) -> Result<(), ValidationError> {
    const SHARED: [&str; 4] = ["redis://", "rediss://", "valkey://", "valkeys://"];
    let known = url.starts_with(embedded) || SHARED.iter().any(|scheme| url.starts_with(scheme));
    if known {
        return Ok(());
    }
    let wrong = format!("this names no known store: write `{embedded}…`, `redis://…` or `rediss://…`");
    Err(fault("store", wrong))
}

/// Servers as `HOST:PORT`, at most 32, each once.
pub(super) fn nodes(nodes: &[String]) -> Result<(), ValidationError> {
    if nodes.len() > 32 {
        return Err(fault("nodes", format!("{} servers are out of bounds: at most 32", nodes.len())));
    }
    let named = |node: &String| {
        let url = format!("http://{node}");
        let parts = urls::parts(&url);
        parts.is_some_and(|parts| parts.port.is_some() && parts.rest.is_empty() && !node.contains('@'))
    };
    match nodes.iter().find(|node| !named(node)) {
        Some(node) => Err(fault("nodes", format!("`{node}` is no server: write `HOST:PORT`, as in `redis-2:6379`"))),
        None => distinct(nodes),
    }
}

/// A path that names something.
pub(super) fn path(path: &std::path::Path) -> Result<(), ValidationError> {
    if path.as_os_str().is_empty() { Err(fault("path", "the path is empty")) } else { Ok(()) }
}
