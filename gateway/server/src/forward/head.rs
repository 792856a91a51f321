//! What does the application see of the head? Everything the client said, less what only we may say.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;
use portcullis_core::request::cookies;

/// Fields that rewrite a request's meaning in some framework behind us: never forwarded.
const REWRITERS: [&str; 7] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-middleware-subrequest",
    "proxy",
];

/// What a trusted proxy may say, and nobody else; and every `X-Forwarded-…`.
const FORWARDED: [&str; 2] = ["forwarded", "x-real-ip"];
const X_FORWARDED: &str = "x-forwarded-";

/// Ids that collide on purpose are worse than none.
const TRACING: [&str; 3] = ["x-request-id", "traceparent", "tracestate"];

/// The prefix of our own names.
const OURS: &str = "x-portcullis-";
/// The prefix of our own API keys.
const OUR_KEYS: &str = "ptcl_";

/// Who may say what about the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    Stranger,
    TrustedProxy,
}

/// Removes everything a client must not be able to say to the application.
pub(crate) fn strip<'a>(
    head: &mut RequestHeader,
    peer: Peer,
    consumed: &[HeaderName],
    identity_names: impl Iterator<Item = &'a HeaderName>,
) {
    let mut gone: Vec<HeaderName> = consumed.to_vec();
    gone.extend(identity_names.cloned());
    for (name, value) in &head.headers {
        let text = name.as_str();
        let reserved = text.starts_with(OURS)
            || REWRITERS.contains(&text)
            || (peer == Peer::Stranger
                && (FORWARDED.contains(&text) || text.starts_with(X_FORWARDED) || TRACING.contains(&text)));
        if reserved || carries_our_key(value) {
            gone.push(name.clone());
        }
    }
    for name in gone {
        head.remove_header(&name);
    }
    strip_cookies(head);
    join_cookies(head);
}

/// By the last letter of the prefix, which is rare elsewhere.
fn carries_our_key(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let last = OUR_KEYS.len().saturating_sub(1);
    let mut begins = memchr::memchr_iter(b'_', bytes).filter_map(|end| end.checked_sub(last));
    begins.any(|begin| bytes.get(begin..).is_some_and(|text| text.starts_with(OUR_KEYS.as_bytes())))
}

/// Takes our own cookies out of `Cookie`, and leaves the others byte for byte.
fn strip_cookies(head: &mut RequestHeader) {
    let mine = |value: &HeaderValue| value.as_bytes().split(|b| *b == b';').any(cookies::is_ours);
    if !head.headers.get_all(header::COOKIE).iter().any(mine) {
        return;
    }
    let others: Vec<HeaderValue> = head
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| {
            let pairs = value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let others: Vec<&[u8]> = pairs.filter(|pair| !cookies::is_ours(pair)).collect();
            if others.is_empty() { None } else { HeaderValue::from_bytes(&others.join(&b"; "[..])).ok() }
        })
        .collect();
    head.remove_header(&header::COOKIE);
    for value in others {
        // A value made of a value that was there is one.
        let _ = head.append_header(header::COOKIE, value);
    }
}

/// One line, however HTTP/2 split it (RFC 9113 §8.2.3): outside HTTP/2 a second line is another request to some.
fn join_cookies(head: &mut RequestHeader) {
    let lines: Vec<&[u8]> = head.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() < 2 {
        return;
    }
    let joined = HeaderValue::from_bytes(&lines.join(&b"; "[..]));
    head.remove_header(&header::COOKIE);
    // A value made of values that were there is one.
    if let Ok(joined) = joined {
        let _ = head.insert_header(header::COOKIE, joined);
    }
}

/// Says how the request reached us. The peer is appended to what a trusted proxy said.
pub(crate) fn forwarded(head: &mut RequestHeader, peer: IpAddr, scheme: &'static str, host: &str) {
    let before = head.headers.get("x-forwarded-for").and_then(|v| v.to_str().ok());
    let chain = before.map_or_else(|| peer.to_string(), |before| format!("{before}, {peer}"));
    put(head, "x-forwarded-for", &chain);
    put(head, "x-forwarded-proto", scheme);
    put(head, "x-forwarded-host", host);
}

/// A field of ours; absent when the value cannot be one.
pub(crate) fn put(head: &mut RequestHeader, name: &'static str, value: &str) {
    if head.insert_header(name, value).is_err() {
        head.remove_header(name);
    }
}
