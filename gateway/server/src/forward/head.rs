//! What does the application see of the head? Everything the client said, less what only we may say.

#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::net::IpAddr;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
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

/// Fields that we add to a head, at most.
const ADDED: usize = 12;

/// Changes the fields of a head.
///
/// Pingora keeps the spelling of their names in a second map, into which each of our fields would go too, for more than
/// all else we do to a head. It is given up here: names go on in lower case, as HTTP/2 and HTTP/3 have them anyway.
pub(crate) fn change(head: &mut RequestHeader, change: impl FnOnce(&mut HeaderMap) -> Result<()>) -> Result<()> {
    let path = head.uri.path_and_query().map(|path| path.as_str().as_bytes());
    // What the client wrote, where it says more than the URI made of it.
    let target = (path != Some(head.raw_path())).then(|| head.raw_path().to_vec());
    let (nothing, ()) = http::Request::new(()).into_parts();
    let mut parts = http::request::Parts::from(std::mem::replace(head, RequestHeader::from(nothing)));
    // It grows as it must, should this fail.
    let _ = parts.headers.try_reserve(ADDED);
    let changed = change(&mut parts.headers);
    *head = RequestHeader::from(parts);
    if let Some(target) = target {
        head.set_raw_path(&target)?;
    }
    changed
}

/// What a client may not say to the application: who asks, and what of it was said to us.
#[derive(Clone, Copy)]
pub(crate) struct Unsaid<'a> {
    pub(crate) peer: Peer,
    /// Fields whose credential was consumed here.
    pub(crate) consumed: &'a [HeaderName],
    /// Names that tell applications who is calling, without [those that are ours](is_ours).
    pub(crate) identity_names: &'a [HeaderName],
}

impl Unsaid<'_> {
    fn holds(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        is_ours(name)
            || self.consumed.contains(name)
            || self.identity_names.contains(name)
            || REWRITERS.contains(&text)
            || (self.peer == Peer::Stranger
                && (FORWARDED.contains(&text) || text.starts_with(X_FORWARDED) || TRACING.contains(&text)))
    }

    /// Removes it.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let gone = |name: &HeaderName, value: &HeaderValue| self.holds(name) || carries_our_key(value);
        let gone: Vec<HeaderName> =
            headers.iter().filter(|(name, value)| gone(name, value)).map(|(name, _)| name.clone()).collect();
        for name in &gone {
            headers.remove(name);
        }
        join_cookies(headers);
    }

    /// A head for an application that speaks HTTP/1: one that `came` without it, nor what is about the client's
    /// connection. `target` in the place of its own.
    ///
    /// # Errors
    /// Those of `change`; the target is none.
    pub(crate) fn without(
        &self,
        came: &RequestHeader,
        target: Option<&[u8]>,
        change: impl FnOnce(&mut HeaderMap) -> Result<()>,
    ) -> Result<RequestHeader> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = came.method.clone();
        parts.uri = came.uri.clone();
        parts.headers = HeaderMap::with_capacity(came.headers.len() + ADDED);
        // INVARIANT: where one line of a field is left out, so are its others.
        let carriers = carriers(&came.headers);
        for (name, value) in &came.headers {
            if !is_hop(name) && !self.holds(name) && !carriers.contains(&name) {
                parts.headers.append(name.clone(), value.clone());
            }
        }
        join_cookies(&mut parts.headers);
        change(&mut parts.headers)?;
        let mut head = RequestHeader::from(parts);
        // What the client wrote may say more than the URI made of it.
        let target = target.unwrap_or_else(|| came.raw_path());
        if head.raw_path() != target {
            head.set_raw_path(target)?;
        }
        Ok(head)
    }
}

/// Fields of which a line carries one of our keys.
fn carriers(headers: &HeaderMap) -> Vec<&HeaderName> {
    headers.iter().filter(|(_, value)| carries_our_key(value)).map(|(name, _)| name).collect()
}

/// Whether a field is about one connection (RFC 9110 §7.6.1). `Connection` names no others: framing has refused whatever
/// does.
fn is_hop(name: &HeaderName) -> bool {
    const HOPS: [HeaderName; 7] = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    HOPS.contains(name) || ["keep-alive", "proxy-connection", "http2-settings"].contains(&name.as_str())
}

/// Whether a name is one that nobody but us may use, whatever is configured.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(OURS)
}

/// By the last letter of the prefix, which is rare elsewhere.
fn carries_our_key(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let last = OUR_KEYS.len().saturating_sub(1);
    let mut begins = memchr::memchr_iter(b'_', bytes).filter_map(|end| end.checked_sub(last));
    begins.any(|begin| bytes.get(begin..).is_some_and(|text| text.starts_with(OUR_KEYS.as_bytes())))
}

/// Takes our own cookies out of `Cookie`, leaves the others byte for byte, and makes one line of them, however HTTP/2
/// split it (RFC 9113 §8.2.3): outside HTTP/2 a second line is another request to some.
fn join_cookies(headers: &mut HeaderMap) {
    let mine = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b';').any(cookies::is_ours);
    let mut lines = headers.get_all(header::COOKIE).iter();
    let Some(first) = lines.next() else { return };
    if lines.next().is_none() && !mine(first) {
        return;
    }
    let kept = |value: &HeaderValue| -> Option<Vec<u8>> {
        if !mine(value) {
            return Some(value.as_bytes().to_vec());
        }
        let pairs = value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let others: Vec<&[u8]> = pairs.filter(|pair| !cookies::is_ours(pair)).collect();
        (!others.is_empty()).then(|| others.join(&b"; "[..]))
    };
    let lines: Vec<Vec<u8>> = headers.get_all(header::COOKIE).iter().filter_map(kept).collect();
    headers.remove(header::COOKIE);
    // A value made of values that were there is one.
    if !lines.is_empty()
        && let Ok(joined) = HeaderValue::try_from(lines.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// The cookies of a request that its application may see, as one line; empty where there are none.
pub(crate) fn others_cookies(headers: &HeaderMap) -> HeaderValue {
    let lines = headers.get_all(header::COOKIE).iter().filter(|line| !carries_our_key(line));
    let mut others: HeaderMap = lines.map(|line| (header::COOKIE, line.clone())).collect();
    join_cookies(&mut others);
    others.remove(header::COOKIE).unwrap_or(HeaderValue::from_static(""))
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Says how the request reached us. The peer is appended to what a trusted proxy said.
pub(crate) fn forwarded(headers: &mut HeaderMap, peer: IpAddr, scheme: &'static str, host: &HeaderValue) {
    let mut text = [0; LONGEST_ADDRESS];
    let peer = shown(peer, &mut text);
    // Several lines are one list (RFC 9110 §5.3).
    let before: Vec<&[u8]> = headers.get_all(&X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let chain = if before.is_empty() {
        HeaderValue::from_bytes(peer)
    } else {
        HeaderValue::try_from([before.join(&b", "[..]), peer.to_vec()].join(&b", "[..]))
    };
    match chain {
        Ok(chain) => headers.insert(&X_FORWARDED_FOR, chain),
        // Made of values that were there, it is one.
        Err(_) => headers.remove(&X_FORWARDED_FOR),
    };
    headers.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    headers.insert(&X_FORWARDED_HOST, host.clone());
}

/// Bytes of an IPv6 address as it is displayed, at most.
const LONGEST_ADDRESS: usize = 45;

/// As it is displayed, for less.
fn shown(address: IpAddr, text: &mut [u8; LONGEST_ADDRESS]) -> &[u8] {
    let used = match address {
        IpAddr::V4(address) => {
            let mut used = 0;
            for octet in address.octets() {
                if used > 0 {
                    used = put(text, used, b'.');
                }
                if octet > 99 {
                    used = put(text, used, b'0' + octet / 100);
                }
                if octet > 9 {
                    used = put(text, used, b'0' + octet / 10 % 10);
                }
                used = put(text, used, b'0' + octet % 10);
            }
            used
        }
        IpAddr::V6(address) => {
            let mut rest = text.as_mut_slice();
            // There is room for the longest.
            let _ = write!(rest, "{address}");
            LONGEST_ADDRESS.saturating_sub(rest.len())
        }
    };
    text.get(..used).unwrap_or_default()
}

fn put(text: &mut [u8], at: usize, byte: u8) -> usize {
    if let Some(place) = text.get_mut(at) {
        *place = byte;
    }
    at.saturating_add(1)
}

/// An answer's head with the names of its fields in lower case, and room for ours.
pub(crate) fn copy(came: &ResponseHeader) -> ResponseHeader {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = came.status;
    parts.version = came.version;
    parts.headers = HeaderMap::with_capacity(came.headers.len() + ADDED);
    for (name, value) in &came.headers {
        parts.headers.append(name.clone(), value.clone());
    }
    let mut head = ResponseHeader::from(parts);
    if let Some(phrase) = said_otherwise(came) {
        // It was one, so it is one.
        let _ = head.set_reason_phrase(Some(phrase));
    }
    head
}

/// The reason phrase, where it is not the usual one.
fn said_otherwise(head: &ResponseHeader) -> Option<&str> {
    head.get_reason_phrase().filter(|phrase| Some(*phrase) != head.status.canonical_reason())
}

/// Changes the fields of an answer, as [`change`] does those of a request.
pub(crate) fn change_answer<T>(head: &mut ResponseHeader, change: impl FnOnce(StatusCode, &mut HeaderMap) -> T) -> T {
    let phrase = said_otherwise(head).map(str::to_owned);
    let (nothing, ()) = http::Response::new(()).into_parts();
    let mut parts = http::response::Parts::from(std::mem::replace(head, ResponseHeader::from(nothing)));
    let _ = parts.headers.try_reserve(ADDED);
    let changed = change(parts.status, &mut parts.headers);
    *head = ResponseHeader::from(parts);
    if let Some(phrase) = phrase {
        let _ = head.set_reason_phrase(Some(&phrase));
    }
    changed
}
