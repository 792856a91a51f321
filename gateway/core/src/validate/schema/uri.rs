//! What does a reference name, seen from where it stands? RFC 3986 §5.2, without fragments.

/// A URI, taken apart.
#[derive(Clone, Copy)]
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

/// `reference` as an absolute address. `base` is one.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    let (base, reference) = (Parts::of(base), Parts::of(reference));
    let (scheme, authority, path, query) = match reference {
        Parts { scheme: Some(_), authority, path, query } => (reference.scheme, authority, dotless(path), query),
        Parts { authority: Some(_), path, query, .. } => (base.scheme, reference.authority, dotless(path), query),
        Parts { path: "", query, .. } => (base.scheme, base.authority, base.path.to_owned(), query.or(base.query)),
        Parts { path, query, .. } if path.starts_with('/') => (base.scheme, base.authority, dotless(path), query),
        Parts { path, query, .. } => {
            let folder = base.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            (base.scheme, base.authority, dotless(&format!("{folder}/{path}")), query)
        }
    };
    let mut whole = String::new();
    whole.extend(scheme.into_iter().flat_map(|scheme| [scheme, ":"]));
    whole.extend(authority.into_iter().flat_map(|authority| ["//", authority]));
    whole.push_str(&path);
    whole.extend(query.into_iter().flat_map(|query| ["?", query]));
    whole
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let (rest, query) = text.split_once('?').map_or((text, None), |(rest, query)| (rest, Some(query)));
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            Some(_) | None => (None, rest),
        };
        let Some(after) = rest.strip_prefix("//") else { return Self { scheme, authority: None, path: rest, query } };
        let end = after.find('/').unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        Self { scheme, authority: Some(authority), path, query }
    }
}

/// Without `.` and `..` (RFC 3986 §5.2.4).
fn dotless(path: &str) -> String {
    if !path.starts_with('/') {
        // `urn:a:b` has a path that is no list of names.
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            name => kept.push(name),
        }
    }
    format!("/{}", kept.join("/"))
}
