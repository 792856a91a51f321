//! Which cookies are the gateway's own?

/// The prefix of our own cookies, `__Host-portcullis`, as [`Folded`] spells it.
const OURS: &str = "__host_portcullis";

/// Whether a pair of `Cookie`, or a `Set-Cookie`, carries a name of ours, however some server behind us may spell it
/// back: in any case, quoted, percent-encoded, with `.` or a space for `_`, or after a comma, where old parsers begin
/// another pair (RFC 2109 §4.3.1). Bytes, because an application may write any.
pub fn is_ours(pair: &[u8]) -> bool {
    pair.split(|byte| *byte == b',').any(|part| {
        let part = part.trim_ascii_start();
        let begin = part.iter().position(|byte| !is_before_name(*byte)).unwrap_or(part.len());
        let name = part.get(begin..).unwrap_or_default().split(|byte| *byte == b'=').next().unwrap_or_default();
        let mut name = Folded { rest: name };
        OURS.bytes().all(|expected| name.next() == Some(expected))
    })
}

/// What may stand before a name and not be of it, to one parser or another.
const fn is_before_name(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'"' | b'\'' | b'=' | b'$')
}

/// The bytes of a cookie's name in the spelling of [`OURS`].
struct Folded<'a> {
    rest: &'a [u8],
}

impl Iterator for Folded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (byte, rest) = match self.rest {
            [b'%', high, low, rest @ ..] if hex(high).is_some() && hex(low).is_some() => {
                (hex(high).unwrap_or(0) << 4 | hex(low).unwrap_or(0), rest)
            }
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.rest = rest;
        Some(match byte {
            b'.' | b' ' | b'+' | b'-' | b'_' => b'_',
            byte => byte.to_ascii_lowercase(),
        })
    }
}
