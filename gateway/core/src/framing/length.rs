//! How long is the body, and does the connection stay HTTP?

use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Version};

use crate::refusal::Refusal;
use crate::request::DeclaredBody;

use super::{Head, Stream, fields, malformed};

/// One reading of the length (RFC 9112 §6), or a refusal.
pub(super) fn declared(head: &Head<'_>) -> Result<DeclaredBody, Refusal> {
    check_expect(head)?;
    let length = content_length(head)?;
    let chunked = is_chunked(head)?;
    // The HTTP library drops `Content-Length` when both are there; the scanner has seen it.
    if chunked && (length.is_some() || head.raw.content_lengths > 0) {
        return Err(malformed("the request has both `Content-Length` and `Transfer-Encoding`: send one of them"));
    }
    match (length, head.version, head.stream) {
        (Some(1..), Version::HTTP_2, Stream::Ended) => {
            Err(malformed("`content-length` announces a body, but the stream has ended"))
        }
        (Some(length), _, _) => Ok(DeclaredBody::Length(length)),
        (None, Version::HTTP_2, Stream::Open) => Ok(DeclaredBody::Unknown),
        (None, Version::HTTP_2, Stream::Ended) => Ok(DeclaredBody::Absent),
        (None, _, _) if chunked => Ok(DeclaredBody::Unknown),
        (None, _, _) => Ok(DeclaredBody::Absent),
    }
}

fn content_length(head: &Head<'_>) -> Result<Option<u64>, Refusal> {
    let mut lines = head.headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() || head.raw.content_lengths > 1 {
        return Err(malformed("the request has more than one `Content-Length`, if only of the same value: send one"));
    }
    let text = line.to_str().unwrap_or("");
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A leading zero is octal to some.
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(malformed("`Content-Length` is not a plain decimal number"));
    }
    let length = text.parse().map_err(|_| malformed("`Content-Length` is larger than any body can be"))?;
    Ok(Some(length))
}

fn is_chunked(head: &Head<'_>) -> Result<bool, Refusal> {
    let mut lines = head.headers.get_all(TRANSFER_ENCODING).iter();
    let Some(line) = lines.next() else {
        return match head.raw.transfer_encodings {
            0 => Ok(false),
            _ => Err(malformed("`Transfer-Encoding` was seen in the head and lost on the way")),
        };
    };
    if head.version != Version::HTTP_11 {
        return Err(malformed("`Transfer-Encoding` belongs to HTTP/1.1 alone"));
    }
    let more = lines.next().is_some() || head.raw.transfer_encodings > 1;
    if more || !line.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(malformed("`Transfer-Encoding` is not exactly `chunked`"));
    }
    Ok(true)
}

/// `100-continue` is all that was ever defined (RFC 9110 §10.1.1).
fn check_expect(head: &Head<'_>) -> Result<(), Refusal> {
    match head.headers.get(EXPECT) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(malformed("`Expect` is not `100-continue`: leave it out"))
        }
        Some(_) | None => Ok(()),
    }
}

/// A WebSocket handshake (RFC 6455 §4.1) is the only way out of HTTP/1.1. `h2c` is refused, not ignored: an upstream
/// that takes it would speak with the client past every later decision.
pub(super) fn check_upgrade(head: &Head<'_>, body: DeclaredBody) -> Result<(), Refusal> {
    // `Connection: upgrade` alone asks for nothing; many a proxy sends it with every request.
    let Some(protocol) = head.headers.get(UPGRADE) else { return Ok(()) };
    let asks = fields::options(head.headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    if !protocol.as_bytes().eq_ignore_ascii_case(b"websocket") {
        return Err(malformed("`Upgrade` is not `websocket`: leave it out, or use HTTP/2 over TLS"));
    }
    if !asks || head.version != Version::HTTP_11 || *head.method != Method::GET {
        return Err(malformed("a WebSocket handshake is an HTTP/1.1 `GET` with `Connection: upgrade`"));
    }
    match body {
        DeclaredBody::Absent | DeclaredBody::Length(0) => Ok(()),
        DeclaredBody::Length(_) | DeclaredBody::Unknown => Err(malformed("a WebSocket handshake has no body")),
    }
}
