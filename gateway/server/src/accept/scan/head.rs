//! The request line and the header block (RFC 9112 §3 and §5).

use portcullis_core::framing::{RawFacts, ScanFault};

use super::body::Chunked;
use super::fields::{Event, FieldLines};
use super::{Part, Surplus, is_token};

/// The version without its last digit.
const VERSION: &[u8] = b"HTTP/1.";

/// Pingora itself reads 256 field lines and answers more without a word why; `max_header_fields` is at most 200.
const MOST_FIELDS: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct HeadScan {
    at: At,
    version: Minor,
    lines: FieldLines,
    /// The last `Content-Length`, if it is a number.
    length: Option<u64>,
    coding: Coding,
    /// Lines so far.
    fields: usize,
}

/// Where in the head the next byte stands. `First`: it is the first byte of its element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    MethodFirst,
    Method,
    TargetFirst,
    Target,
    /// So many bytes of [`VERSION`] have been read.
    Version(usize),
    LineEnd,
    LineFeed,
    Fields,
    Ended,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Minor {
    Zero,
    One,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Chunked,
    Other,
}

impl HeadScan {
    pub(super) fn new() -> Self {
        Self {
            at: At::MethodFirst,
            version: Minor::Zero,
            lines: FieldLines::new(),
            length: None,
            coding: Coding::Other,
            fields: 0,
        }
    }

    /// Reads up to the end of the head; answers what is left.
    pub(super) fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        max: usize,
        facts: &mut RawFacts,
    ) -> Result<&'a [u8], ScanFault> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            let room = max.saturating_sub(facts.head_bytes);
            if room == 0 {
                return Err(if self.at == At::Fields { ScanFault::HeadTooLarge } else { ScanFault::TargetTooLong });
            }
            let run = self.run(rest.get(..room).unwrap_or(rest));
            if run > 0 {
                facts.head_bytes += run;
                rest = rest.get(run..).unwrap_or_default();
                continue;
            }
            facts.head_bytes += 1;
            rest = after;
            self.byte(*byte, facts)?;
            if self.at == At::Ended {
                break;
            }
        }
        Ok(rest)
    }

    /// Takes as many of `bytes` as go on with what is being read.
    fn run(&mut self, bytes: &[u8]) -> usize {
        match self.at {
            At::Target => bytes.iter().position(|byte| !is_target(*byte)).unwrap_or(bytes.len()),
            At::Fields => self.lines.run(bytes),
            At::Method => bytes.iter().position(|byte| !is_token(*byte)).unwrap_or(bytes.len()),
            At::MethodFirst | At::TargetFirst | At::Version(_) | At::LineEnd | At::LineFeed | At::Ended => 0,
        }
    }

    fn byte(&mut self, byte: u8, facts: &mut RawFacts) -> Result<(), ScanFault> {
        self.at = match (self.at, byte) {
            (At::MethodFirst | At::Method, _) if is_token(byte) => At::Method,
            (At::Method, b' ') => At::TargetFirst,
            (At::TargetFirst | At::Target, _) if is_target(byte) => At::Target,
            (At::Target, b' ') => At::Version(0),
            (At::MethodFirst | At::Method, _)
            | (At::TargetFirst, b' ')
            | (At::TargetFirst | At::Target, b'\r' | b'\n') => {
                return Err(ScanFault::RequestLine);
            }
            (At::TargetFirst | At::Target, _) => return Err(ScanFault::TargetByte),
            (At::Version(read), _) => self.version(read, byte)?,
            (At::LineEnd, b'\r') => At::LineFeed,
            (At::LineEnd, b'\n') => return Err(ScanFault::BareLf),
            (At::LineEnd, _) => return Err(ScanFault::Version),
            (At::LineFeed, b'\n') => At::Fields,
            (At::LineFeed, _) => return Err(ScanFault::BareCr),
            (At::Fields | At::Ended, _) => match self.lines.read(byte)? {
                Event::Nothing => At::Fields,
                Event::Line => {
                    self.fields += 1;
                    if self.fields > MOST_FIELDS {
                        return Err(ScanFault::HeadTooLarge);
                    }
                    self.note_line(facts);
                    At::Fields
                }
                Event::End => At::Ended,
            },
        };
        Ok(())
    }

    fn version(&mut self, read: usize, byte: u8) -> Result<At, ScanFault> {
        match VERSION.get(read) {
            Some(expected) if *expected == byte => Ok(At::Version(read + 1)),
            Some(_) if read == 0 => Err(ScanFault::RequestLine),
            Some(_) => Err(ScanFault::Version),
            None => {
                self.version = match byte {
                    b'0' => Minor::Zero,
                    b'1' => Minor::One,
                    _ => return Err(ScanFault::Version),
                };
                Ok(At::LineEnd)
            }
        }
    }

    fn note_line(&mut self, facts: &mut RawFacts) {
        let value = self.lines.value();
        match self.lines.name() {
            Some(b"host") => facts.hosts = facts.hosts.saturating_add(1),
            Some(b"content-length") => {
                facts.content_lengths = facts.content_lengths.saturating_add(1);
                // A leading zero is octal to some.
                let plain = |value: &[u8]| {
                    value.iter().all(u8::is_ascii_digit) && (value.len() == 1 || !value.starts_with(b"0"))
                };
                let digits = value.filter(|value| plain(value));
                self.length = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            }
            Some(b"transfer-encoding") => {
                facts.transfer_encodings = facts.transfer_encodings.saturating_add(1);
                let is_chunked = value.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
                self.coding = if is_chunked { Coding::Chunked } else { Coding::Other };
            }
            Some(_) | None => {}
        }
    }

    /// What follows, once the head has ended. Without one length nobody knows.
    pub(super) fn ended(&self, facts: &RawFacts) -> Result<Option<Part>, ScanFault> {
        if self.at != At::Ended {
            return Ok(None);
        }
        Ok(Some(match (facts.transfer_encodings, facts.content_lengths, self.length) {
            (0, 0, _) | (0, 1, Some(0)) => Part::Done(Surplus::None),
            (0, 1, Some(length)) => Part::Length(length),
            (1, 0, _) if self.coding == Coding::Chunked && self.version == Minor::One => Part::Chunked(Chunked::new()),
            (_, _, _) => return Err(ScanFault::BodyLength),
        }))
    }
}

/// Visible ASCII; `#` would be cut off before anybody sees it.
const fn is_target(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'#'
}
