//! Which cookies are the gateway's own?

/// Whether a pair of `Cookie`, or a `Set-Cookie`, carries a name of ours (`__Host-portcullis…`), however some server
/// behind us may spell it back: in any case, quoted, percent-encoded (also twice), with any other sign for `_` and `-`
/// (PHP takes `.`, ` ` and `[` for `_`) or before the name, or after a comma or a space, where some parsers begin
/// another pair (RFC 2109 §4.3.1, Python's `http.cookies`). Bytes, because an application may write any.
pub fn is_ours(pair: &[u8]) -> bool {
    let begins = |byte: &u8| *byte == b',' || byte.is_ascii_whitespace();
    if names_ours(pair) {
        return true;
    }
    pair.iter()
        .enumerate()
        .filter(|(_, byte)| begins(byte))
        .any(|(at, _)| names_ours(pair.get(at + 1..).unwrap_or_default()))
}

/// Two signs or more, `host`, one sign or more, `portcullis`.
fn names_ours(name: &[u8]) -> bool {
    let mut plain = Plain { rest: name };
    let mut signs = 0;
    let mut next = plain.next();
    while let Some(byte) = next.filter(|byte| !byte.is_ascii_alphanumeric()) {
        // An empty pair before a comma is no name.
        if byte == b',' {
            return false;
        }
        signs += 1;
        next = plain.next();
    }
    let spells = |word: &str, first: Option<u8>, plain: &mut Plain<'_>| {
        let mut bytes = first.into_iter().chain(plain);
        word.bytes().all(|expected| bytes.next().is_some_and(|byte| byte.to_ascii_lowercase() == expected))
    };
    if signs < 2 || !spells("host", next, &mut plain) {
        return false;
    }
    next = plain.next();
    if next.is_none_or(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    while let Some(byte) = next.filter(|byte| !byte.is_ascii_alphanumeric()) {
        if byte == b'=' {
            return false;
        }
        next = plain.next();
    }
    spells("portcullis", next, &mut plain)
}

/// Bytes, with what is percent-encoded decoded as often as it was encoded.
struct Plain<'a> {
    rest: &'a [u8],
}

impl Iterator for Plain<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (mut byte, mut rest) = self.rest.split_first().map(|(byte, rest)| (*byte, rest))?;
        while byte == b'%'
            && let [high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            (byte, rest) = (high << 4 | low, after);
        }
        self.rest = rest;
        Some(byte)
    }
}
