//! Is every header field well-formed, and alone where it must be?

use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, TE};
use http::{HeaderMap, Version};

use crate::refusal::{Code, Refusal};

use super::{Head, Limits, malformed};

/// Fields of which a second line would leave open which one counts. `Content-Length`, `Transfer-Encoding` and `Host`
/// have rules of their own. `If-Match` and `If-None-Match` are lists, but a list on one line.
const SINGLE: &[&str] = &[
    "access-control-request-method",
    "content-disposition",
    "content-location",
    "content-range",
    "content-type",
    "date",
    "dpop",
    "expect",
    "from",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "max-forwards",
    "origin",
    "range",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-websocket-key",
    "sec-websocket-version",
    "upgrade",
    "user-agent",
];

/// Credentials of which there may be one.
const SINGLE_CREDENTIALS: &[&str] = &["authorization", "proxy-authorization", "x-api-key"];

/// Fields about one connection, which HTTP/2 forbids (RFC 9113 §8.2.2).
const CONNECTION_SPECIFIC: &[&str] = &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// All that a client may name in `Connection`. RFC 9110 §7.6.1 lets it name any field, and a proxy must then drop that
/// field: a way to have `Authorization`, `X-Forwarded-For` or an identity field deleted behind our back.
const CONNECTION_OPTIONS: &[&str] =
    &["close", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"];

pub(super) fn check_sizes(head: &Head<'_>, limits: &Limits) -> Result<(), Refusal> {
    let fields = head.headers.len();
    if fields > limits.header_fields {
        let reason = format!("the head has {fields} fields, `max_header_fields` is {}", limits.header_fields);
        return Err(Refusal::new(Code::HeadersTooLarge).because(reason));
    }
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let bytes: usize = head.headers.iter().map(line).sum();
    if bytes > limits.header_bytes {
        let reason = format!("the fields have {bytes} bytes, `max_header_bytes` is {}", limits.header_bytes);
        return Err(Refusal::new(Code::HeadersTooLarge).because(reason));
    }
    Ok(())
}

pub(super) fn check(head: &Head<'_>) -> Result<(), Refusal> {
    for (name, value) in head.headers {
        check_name(name)?;
        check_value(name, value)?;
    }
    check_single(head)?;
    match head.version {
        Version::HTTP_2 => check_http2(head),
        _ => check_connection(head.headers),
    }
}

/// Letters, digits and `-` only. Many servers turn `-`, `_` and `.` into one character, so `X_Portcullis_User` would
/// be a second spelling of a field the gateway strips; the other token characters have no use in a name.
fn check_name(name: &HeaderName) -> Result<(), Refusal> {
    if name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(());
    }
    let reason = format!("the field name `{}` holds more than letters, digits and `-`", shortened(name));
    let detail = "a field name holds more than letters, digits and `-`: leave the field out or rename it";
    Err(Refusal::new(Code::MalformedRequest).because(reason).detail(detail))
}

/// Visible ASCII, spaces and tabs (RFC 9110 §5.5 without `obs-text`, which has no one decoding).
fn check_value(name: &HeaderName, value: &HeaderValue) -> Result<(), Refusal> {
    // Without a branch for each byte, so that the compiler takes many at a time.
    if value.as_bytes().iter().fold(true, |good, byte| good & matches!(byte, b'\t' | b' '..=b'~')) {
        return Ok(());
    }
    let code = if *name == HOST { Code::InvalidHost } else { Code::MalformedRequest };
    let reason = format!("the value of `{}` holds a control character or a byte outside ASCII", shortened(name));
    let detail = "a field value holds a control character or a byte outside ASCII: encode it";
    Err(Refusal::new(code).because(reason).detail(detail))
}

fn check_single(head: &Head<'_>) -> Result<(), Refusal> {
    if head.headers.len() == head.headers.keys_len() {
        return Ok(());
    }
    for name in SINGLE_CREDENTIALS {
        if is_repeated(head.headers, name) {
            let reason = format!("the request has more than one `{name}`: send one");
            return Err(Refusal::new(Code::CredentialsConflict).because(reason.clone()).detail(reason));
        }
    }
    // HTTP/2 may split cookies for better compression (RFC 9113 §8.2.3); HTTP/1 may not (RFC 6265 §5.4).
    let cookie: &[&str] = if head.version == Version::HTTP_2 { &[] } else { &["cookie"] };
    for name in SINGLE.iter().chain(cookie) {
        if is_repeated(head.headers, name) {
            let reason = format!("the request has more than one `{name}`: send one");
            return Err(Refusal::new(Code::MalformedRequest).because(reason.clone()).detail(reason));
        }
    }
    Ok(())
}

fn is_repeated(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

fn check_connection(headers: &HeaderMap) -> Result<(), Refusal> {
    for option in options(headers) {
        if !CONNECTION_OPTIONS.iter().any(|allowed| option.eq_ignore_ascii_case(allowed)) {
            return Err(malformed(
                "`Connection` names something other than `close`, `keep-alive`, `upgrade`, `te` or `trailer`: leave it out",
            ));
        }
    }
    Ok(())
}

/// The options in all `Connection` lines.
pub(super) fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|option| !option.is_empty())
}

fn check_http2(head: &Head<'_>) -> Result<(), Refusal> {
    if CONNECTION_SPECIFIC.iter().any(|name| head.headers.contains_key(*name)) {
        return Err(malformed("a field about the connection is not allowed under HTTP/2: leave it out"));
    }
    if head.headers.get_all(TE).iter().any(|value| value != "trailers") {
        return Err(malformed("`TE` may say nothing but `trailers` under HTTP/2"));
    }
    match head.scheme {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err(malformed("`:scheme` is neither `http` nor `https`")),
    }
}

/// A name as it may stand in a log line.
fn shortened(name: &HeaderName) -> &str {
    name.as_str().get(..64).unwrap_or(name.as_str())
}
