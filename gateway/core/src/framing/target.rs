//! What is asked for, of which host, by which method?

use std::borrow::Cow;

use http::header::HOST;
use http::{Method, Version};

use crate::refusal::{Code, Refusal};
use crate::request::{Authority, AuthorityFault, CanonicalPath, PathFault, methods};

use super::{Head, malformed};

/// A target in parts. `authority` is that of the absolute form.
pub(super) struct Target<'a> {
    pub(super) authority: Option<&'a str>,
    pub(super) path: CanonicalPath<'a>,
    pub(super) query: Option<&'a str>,
}

pub(super) fn check_version(head: &Head<'_>) -> Result<(), Refusal> {
    match head.version {
        Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2 => Ok(()),
        _ => Err(malformed("the version is none of HTTP/1.0, HTTP/1.1 and HTTP/2")),
    }
}

pub(super) fn check_length(target: &[u8], most: usize) -> Result<(), Refusal> {
    if target.len() > most {
        let reason = format!("the target has {} bytes, `max_target_bytes` is {most}", target.len());
        return Err(Refusal::new(Code::TargetTooLong).because(reason));
    }
    Ok(())
}

/// Registered methods only: an unknown one may mean anything to the upstream.
pub(super) fn check_method(method: &Method) -> Result<(), Refusal> {
    if methods::is_registered(method) {
        return Ok(());
    }
    if method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(malformed("the method holds lower-case letters: write it in upper case"));
    }
    let reason = match *method {
        Method::CONNECT => "`CONNECT` is never served",
        Method::TRACE => "`TRACE` is never served: it would show the caller the fields the gateway adds",
        _ => "the method is not in the IANA registry",
    };
    Err(not_served(reason))
}

/// 405 for a method that no route can have.
pub(super) fn not_served(reason: &'static str) -> Refusal {
    let allow = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    Refusal::new(Code::MethodNotAllowed).because(reason).allow(allow.to_vec())
}

/// Origin form, or absolute form under HTTP/1 (RFC 9112 §3.2); the other two are not for us.
pub(super) fn read<'a>(head: &Head<'a>) -> Result<Target<'a>, Refusal> {
    let visible = head.target.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(head.target).ok().filter(|_| visible);
    let text =
        text.ok_or_else(|| ambiguous("the target holds a space, a control character or a byte outside ASCII"))?;
    if text.contains('#') {
        return Err(ambiguous("the target holds a fragment: leave out `#` and what follows"));
    }
    let (authority, origin) = match scheme_end(text) {
        Some(_) if head.version == Version::HTTP_2 => {
            return Err(malformed("`:path` is a whole URL: send the path alone"));
        }
        Some(rest) => {
            let (authority, origin) = split_authority(rest);
            (Some(authority), origin)
        }
        None if text == "*" => return Err(malformed("the target `*` is not served: name a path")),
        None if !text.starts_with('/') => {
            return Err(malformed("the target is neither a path nor an http or https URL: begin it with `/`"));
        }
        None => (None, text),
    };
    let (path, query) = match origin.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (origin, None),
    };
    let path = CanonicalPath::parse(path).map_err(|fault: PathFault| ambiguous(fault.as_str()))?;
    if let Some(query) = query {
        check_query(query)?;
    }
    Ok(Target { authority, path, query })
}

/// The parts of what follows `://`.
fn split_authority(rest: &str) -> (&str, &str) {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, ""))
}

/// The authority of an absolute target; `None` for any other form.
pub fn authority_of(target: &str) -> Option<&str> {
    scheme_end(target).map(|rest| split_authority(rest).0)
}

/// What follows `http://` or `https://`, in any case.
fn scheme_end(text: &str) -> Option<&str> {
    if text.starts_with('/') {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// Any visible ASCII but `#`, `"`, `<`, `>` (browsers send the brackets and bars RFC 3986 forbids raw), whole escapes
/// only, and no escaped NUL, at which some servers cut.
fn check_query(query: &str) -> Result<(), Refusal> {
    if query.contains(['"', '<', '>']) {
        return Err(malformed("the query holds a raw `\"`, `<` or `>`: percent-encode it"));
    }
    for escape in query.split('%').skip(1) {
        let mut hex = escape.bytes();
        let (Some(high), Some(low)) = (hex.next(), hex.next()) else { return Err(bad_escape()) };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return Err(bad_escape());
        }
        if (high, low) == (b'0', b'0') {
            return Err(malformed("the query holds an escaped NUL: leave it out"));
        }
    }
    Ok(())
}

fn bad_escape() -> Refusal {
    malformed("a `%` in the query is not followed by two hex digits: write a literal percent sign as `%25`")
}

/// The one host that `Host`, `:authority` and an absolute target agree on (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(super) fn host<'a>(head: &Head<'a>, absolute: Option<&'a str>) -> Result<Cow<'a, str>, Refusal> {
    let mut fields = head.headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() || head.raw.hosts > 1 {
        return Err(no_host("the request has more than one `Host`: send one"));
    }
    let field = match field {
        Some(value) => Some(parse(value.to_str().map_err(|_| no_host("the host holds bytes outside ASCII"))?)?),
        None => None,
    };
    if field.is_none() && head.version != Version::HTTP_2 {
        return Err(no_host("the request has no `Host`: send the name of the server"));
    }
    let named = match (head.authority, absolute) {
        (Some(one), Some(other)) if parse(one)? != parse(other)? => {
            return Err(no_host("the target and the authority name different hosts: name one"));
        }
        (Some(text), _) | (None, Some(text)) => Some(parse(text)?),
        (None, None) => None,
    };
    match (field, named) {
        (Some(field), Some(named)) if field != named => {
            Err(no_host("`Host` differs from the host of the target: send the same"))
        }
        (Some(authority), _) | (None, Some(authority)) => Ok(authority.host),
        (None, None) => Err(no_host("the request has neither `:authority` nor `Host`: send the name of the server")),
    }
}

fn parse(text: &str) -> Result<Authority<'_>, Refusal> {
    Authority::parse(text).map_err(|fault: AuthorityFault| no_host(fault.as_str()))
}

fn no_host(what: &'static str) -> Refusal {
    Refusal::new(Code::InvalidHost).because(what).detail(what)
}

fn ambiguous(what: &'static str) -> Refusal {
    Refusal::new(Code::AmbiguousPath).because(what).detail(what)
}
