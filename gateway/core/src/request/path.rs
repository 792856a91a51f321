//! Does the path have exactly one reading?
//!
//! A path is taken as it came or refused, never repaired: what was authorised is what is forwarded, byte for
//! byte. The form demanded is RFC 3986 §6.2.2's normal form, made stricter wherever servers are known to read one
//! spelling in two ways:
//!
//! - escapes have upper-case hex (`%C3`, not `%c3`), else a policy about one spelling would miss the other;
//! - nothing that may stand raw in every URI (`A-Z a-z 0-9 - . _ ~`) is escaped;
//! - `/ \ ; ? #` and control characters are escaped nowhere, `;` and `\` stand nowhere raw (path parameters and
//!   back-slashes are cut or turned by some servers);
//! - `%25` is not followed by two hex digits: whoever decodes twice would see another path;
//! - the escapes of a segment are UTF-8 once decoded.
//!
//! Sub-delimiters, `:` and `@` may be raw or escaped, for clients differ and RFC 3986 §2.2 keeps them apart. Routing
//! never lets one spelling of them fall past a route written in the other ([`CanonicalPath::folded`]).

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// A path that has exactly one reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CanonicalPath<'a>(&'a str);

/// Why a path is not canonical.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathFault {
    BackSlash,
    BadEscape,
    DotSegment,
    DoubleEncoding,
    EmptySegment,
    EncodedControl,
    EncodedDelimiter,
    EncodedUnreserved,
    ForbiddenByte,
    LowerCaseHex,
    NotRooted,
    NotUtf8,
    Semicolon,
}

impl<'a> CanonicalPath<'a> {
    /// Takes a path (without query) that is already canonical, unchanged.
    pub fn parse(path: &'a str) -> Result<Self, PathFault> {
        let mut segments = path.strip_prefix('/').ok_or(PathFault::NotRooted)?.split('/').peekable();
        while let Some(segment) = segments.next() {
            // An empty last segment is a trailing slash; any other is `//`.
            if segment.is_empty() && segments.peek().is_some() {
                return Err(PathFault::EmptySegment);
            }
            check(segment)?;
        }
        Ok(Self(path))
    }

    /// As received.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// What stands between the slashes, as received: `/` has one empty segment, `/a/` has `a` and an empty one.
    pub fn segments(self) -> std::str::Split<'a, char> {
        self.0.strip_prefix('/').unwrap_or(self.0).split('/')
    }

    /// Decodes a segment, or several with their slashes, once.
    ///
    /// `part` must come out of a canonical path: then the result is UTF-8 without control characters, and its
    /// slashes are those of `part`.
    pub fn decode(part: &str) -> Cow<'_, str> {
        // INVARIANT: never lossy, since `parse` refuses escapes that are not UTF-8.
        percent_decode_str(part).decode_utf8_lossy()
    }

    /// The path as the most lenient server would compare it: decoded once, ASCII letters in lower case.
    ///
    /// Borrowed when that changes nothing.
    pub fn folded(self) -> Cow<'a, str> {
        fold(self.0)
    }
}

/// See [`CanonicalPath::folded`]; `part` must come out of a canonical path.
pub(crate) fn fold(part: &str) -> Cow<'_, str> {
    if part.bytes().any(|byte| byte == b'%' || byte.is_ascii_uppercase()) {
        Cow::Owned(CanonicalPath::decode(part).to_ascii_lowercase())
    } else {
        Cow::Borrowed(part)
    }
}

fn check(segment: &str) -> Result<(), PathFault> {
    if matches!(segment, "." | "..") {
        return Err(PathFault::DotSegment);
    }
    let mut bytes = segment.bytes();
    let mut escaped = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let pair = (bytes.next(), bytes.next());
                let (Some(high), Some(low)) = pair else { return Err(PathFault::BadEscape) };
                check_escape(high, low, bytes.clone())?;
                escaped = true;
            }
            b';' => return Err(PathFault::Semicolon),
            b'\\' => return Err(PathFault::BackSlash),
            _ if may_stand_raw(byte) => {}
            _ => return Err(PathFault::ForbiddenByte),
        }
    }
    if escaped {
        let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| PathFault::NotUtf8)?;
        if decoded.chars().any(char::is_control) {
            return Err(PathFault::EncodedControl);
        }
    }
    Ok(())
}

fn check_escape(high: u8, low: u8, mut rest: std::str::Bytes<'_>) -> Result<(), PathFault> {
    let (Some(upper), Some(lower)) = (char::from(high).to_digit(16), char::from(low).to_digit(16)) else {
        return Err(PathFault::BadEscape);
    };
    let byte = u8::try_from(upper * 16 + lower).map_err(|_| PathFault::BadEscape)?;
    let mut followed_by_hex = || rest.next().is_some_and(is_hex) && rest.next().is_some_and(is_hex);
    match byte {
        b'/' | b'\\' | b';' | b'?' | b'#' => Err(PathFault::EncodedDelimiter),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Err(PathFault::EncodedUnreserved),
        0..=0x1f | 0x7f => Err(PathFault::EncodedControl),
        _ if high.is_ascii_lowercase() || low.is_ascii_lowercase() => Err(PathFault::LowerCaseHex),
        b'%' if followed_by_hex() => Err(PathFault::DoubleEncoding),
        _ => Ok(()),
    }
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// `pchar` of RFC 3986 §3.3 without `%` and without `;`.
const fn may_stand_raw(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'
        | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

impl PathFault {
    /// What is wrong, and how to mend it; holds nothing the client sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackSlash => "the path holds a back-slash: separate segments with `/`",
            Self::BadEscape => {
                "a `%` in the path is not followed by two hex digits: write a literal percent sign as `%25`"
            }
            Self::DotSegment => "the path holds a `.` or `..` segment: send the path it leads to",
            Self::DoubleEncoding => "the path holds `%25` and two hex digits, an escape of an escape: encode once",
            Self::EmptySegment => "the path holds `//`: send one slash",
            Self::EncodedControl => "the path holds an escaped control character: leave it out",
            Self::EncodedDelimiter => {
                "the path holds an escaped `/`, `\\`, `;`, `?` or `#`: send such a value in the query"
            }
            Self::EncodedUnreserved => "the path escapes a letter, a digit or one of `-._~`: send it as it is",
            Self::ForbiddenByte => "the path holds a byte that may not stand there raw: percent-encode it",
            Self::LowerCaseHex => {
                "an escape in the path has lower-case hex digits: write them in upper case, as in `%C3`"
            }
            Self::NotRooted => "the path does not begin with `/`: send the full path",
            Self::NotUtf8 => "the escapes in the path are not UTF-8: encode the text as UTF-8 first",
            Self::Semicolon => "the path holds a `;`: send parameters in the query",
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
