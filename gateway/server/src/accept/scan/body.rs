//! The chunks of a body (RFC 9112 §7.1).

use portcullis_core::framing::ScanFault;

use super::fields::{Event, FieldLines};
use super::is_text;

/// The most hex digits of a chunk size, leading zeros included: 2^64-1.
const MOST_DIGITS: u8 = 16;
/// The longest extension of one chunk. Nobody uses them but to confuse parsers.
const LONGEST_EXTENSION: u16 = 256;

#[derive(Clone, Debug)]
pub(super) struct Chunked {
    at: At,
    /// Of the current chunk, what is left.
    size: u64,
    lines: FieldLines,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// So many digits of the size have been read.
    Size(u8),
    /// So many bytes of the extension have been read.
    Extension(u16),
    SizeLineFeed,
    Data,
    DataEnd,
    DataLineFeed,
    Trailers,
    Done,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { at: At::Size(0), size: 0, lines: FieldLines::new(), trailer_bytes: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Reads up to the end of the body; answers what is left.
    pub(super) fn read<'a>(&mut self, bytes: &'a [u8], max_trailers: usize) -> Result<&'a [u8], ScanFault> {
        let mut rest = bytes;
        while self.at != At::Done && !rest.is_empty() {
            if self.at == At::Data {
                let take = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                self.size = self.size.saturating_sub(take as u64);
                rest = rest.get(take..).unwrap_or_default();
                if self.size == 0 {
                    self.at = At::DataEnd;
                }
            } else if let Some((byte, after)) = rest.split_first() {
                rest = after;
                self.at = self.byte(*byte, max_trailers)?;
            }
        }
        Ok(rest)
    }

    fn byte(&mut self, byte: u8, max_trailers: usize) -> Result<At, ScanFault> {
        Ok(match (self.at, byte) {
            (At::Size(digits), _) if byte.is_ascii_hexdigit() && digits < MOST_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.size = (self.size << 4) | u64::from(digit);
                At::Size(digits + 1)
            }
            (At::Size(1..) | At::Extension(_), b'\r') => At::SizeLineFeed,
            (At::Size(1..), b';') => At::Extension(0),
            (At::Size(1..) | At::Extension(_) | At::DataEnd, b'\n') => return Err(ScanFault::BareLf),
            (At::Size(_), _) => return Err(ScanFault::ChunkSize),
            (At::Extension(length), _) if is_text(byte) && length < LONGEST_EXTENSION => At::Extension(length + 1),
            (At::Extension(_), _) => return Err(ScanFault::ChunkExtension),
            (At::SizeLineFeed, b'\n') if self.size == 0 => At::Trailers,
            (At::SizeLineFeed, b'\n') => At::Data,
            (At::DataEnd, b'\r') => At::DataLineFeed,
            (At::DataEnd, _) => return Err(ScanFault::ChunkEnd),
            (At::DataLineFeed, b'\n') => At::Size(0),
            (At::SizeLineFeed | At::DataLineFeed, _) => return Err(ScanFault::BareCr),
            (At::Trailers, _) if self.trailer_bytes >= max_trailers => return Err(ScanFault::TrailerTooLarge),
            (At::Trailers, _) => {
                self.trailer_bytes += 1;
                match self.lines.read(byte)? {
                    Event::Nothing | Event::Line => At::Trailers,
                    Event::End => At::Done,
                }
            }
            (At::Data | At::Done, _) => self.at,
        })
    }
}
