//! Whom does an HTTP/1 head name? Asked before Pingora, which answers some of these itself, without a word why and
//! without a line in any log: `CONNECT`, several hosts, user information, a target that contradicts `Host`, bytes
//! it takes in no target.

use portcullis_core::framing::{ScanFault, authority_of};
use portcullis_core::request::Authority;

/// What is known of a head that was refused, for the lines that tell of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Said {
    pub(crate) method: Box<str>,
    /// Without the query.
    pub(crate) path: Box<str>,
    pub(crate) host: Box<str>,
}

/// What is wrong with the method or the host of a head that is otherwise well-formed. `None`: nothing.
pub(super) fn fault(head: &[u8]) -> Option<ScanFault> {
    let mut lines = lines(head);
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    if words.next() == Some(b"CONNECT") {
        return Some(ScanFault::Connect);
    }
    let target = words.next().unwrap_or_default();
    let absolute = !target.starts_with(b"/");
    let named = if absolute { std::str::from_utf8(target).ok().and_then(authority_of) } else { None };
    if named.is_none() && absolute {
        return Some(ScanFault::TargetForm);
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.contains(&b'`') || target.iter().any(|byte| matches!(byte, b'<' | b'>')) {
        return Some(ScanFault::TargetByte);
    }
    let mut hosts = lines.take_while(|line| !line.is_empty()).filter_map(host);
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Some(ScanFault::Host) };
    let text = std::str::from_utf8(host).ok().filter(|text| Authority::parse(text).is_ok());
    // Byte for byte, as Pingora compares them.
    if text.is_none() || named.is_some_and(|named| Some(named) != text) {
        return Some(ScanFault::Host);
    }
    None
}

/// What a head that is refused says of itself, as far as it can be told: visible ASCII alone, the query left out.
pub(super) fn said(head: &[u8]) -> Said {
    let mut lines = lines(head);
    let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let method = shown(words.next().unwrap_or_default(), 32);
    let target = words.next().unwrap_or_default();
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let host = lines.take_while(|line| !line.is_empty()).find_map(host).unwrap_or_default();
    // What stands before an `@` may be a password.
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    Said {
        method: if method.bytes().all(|byte| byte.is_ascii_alphabetic()) { method } else { "".into() },
        path: if path.starts_with(b"/") { shown(path, 2048) } else { "".into() },
        host: shown(host, 255),
    }
}

/// At most `most` bytes; what is no visible ASCII becomes `?`.
pub(crate) fn shown(bytes: &[u8], most: usize) -> Box<str> {
    bytes.iter().take(most).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..).unwrap_or_default();
        Some(line.trim_ascii())
    })
}

/// The value, where the line is a `Host`.
fn host(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(b"host:".len())?;
    name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::Said;
    use super::{fault, said};
    use portcullis_core::framing::ScanFault;

    #[test]
    fn tells_of_a_refused_head_what_may_be_told() {
        let told =
            |method: &str, path: &str, host: &str| Said { method: method.into(), path: path.into(), host: host.into() };
        for (head, expected) in [
            ("GET /a\tb?token=secret HTTP/1.1\r\nX: y\r\nHost: u:secret@a\r\n\r\n", told("GET", "/a?b", "a")),
            ("CONNECT u:secret@a:1 HTTP/1.1\r\n", told("CONNECT", "", "")),
            ("G{T /a#secret\r\n", told("", "/a", "")),
            ("", told("", "", "")),
        ] {
            assert_eq!(said(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn wants_one_host_that_the_target_agrees_with() {
        for (head, expected) in [
            ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", Some(ScanFault::Connect)),
            ("GET / HTTP/1.1\r\n\r\n", Some(ScanFault::Host)),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Some(ScanFault::Host)),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Some(ScanFault::Host)),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::TargetForm)),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::TargetForm)),
            ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::TargetForm)),
            ("GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::TargetByte)),
            ("GET /a` HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::TargetByte)),
            ("GET /?a` HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::Host)),
            ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Some(ScanFault::Host)),
            ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("GET /?http://b HTTP/1.1\r\nX: Host: b\r\nHOST:  a \r\n\r\nHost: b\r\n", None),
        ] {
            assert_eq!(fault(head.as_bytes()), expected, "{head:?}");
        }
    }
}
