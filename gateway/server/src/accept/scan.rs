//! Are the raw bytes of an HTTP/1 connection exactly what RFC 9112 asks for?
//!
//! The HTTP library below us mends much before anybody can look: it percent-encodes spaces and control characters in
//! the target, cuts fragments, drops `Content-Length` beside `Transfer-Encoding`, takes a bare line feed for a line end
//! and an empty chunk size for a number. So the bytes are watched as they arrive. A [`Scan`] does no I/O and keeps
//! no bytes but the start of one field line; it costs one comparison or two per byte of head and nothing per byte of
//! body.
//!
//! INVARIANT: how the bytes are cut into pieces changes nothing.

mod body;
mod fields;
mod head;
#[cfg(test)]
mod tests;

use portcullis_core::framing::{RawFacts, ScanFault};

use body::Chunked;
use head::HeadScan;

/// Watches one HTTP/1 connection, one request after the other.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    max_head: usize,
    facts: RawFacts,
    part: Part,
}

/// Which part of the message the next byte belongs to.
#[derive(Clone, Debug)]
enum Part {
    Head(HeadScan),
    /// So many bytes of body are left, by `Content-Length`.
    Length(u64),
    Chunked(Chunked),
    /// The message is complete. `Surplus::Some` once more has come: a pipelined request, or a tunnel's bytes.
    Done(Surplus),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Surplus {
    None,
    Some,
}

impl Scan {
    /// `max_head`: the most bytes of request line and header block together, and of trailers.
    pub(super) fn new(max_head: usize) -> Self {
        Self { max_head, facts: RawFacts::default(), part: Part::Head(HeadScan::new()) }
    }

    /// Looks at the next bytes of the connection.
    ///
    /// Errors with the first fault, and with the same one ever after. Bytes after the end of the message are not
    /// looked at: they are a tunnel's, or [`Self::next_request`] makes a fault of them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), ScanFault> {
        if let Some(fault) = self.facts.fault {
            return Err(fault);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.step(rest) {
                Ok(left) => rest = left,
                Err(fault) => {
                    self.facts.fault = Some(fault);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// Whether the header block has ended (or can never end well).
    pub(super) fn head_done(&self) -> bool {
        !matches!(self.part, Part::Head(_)) || self.facts.fault.is_some()
    }

    /// Whether the whole message has been read.
    #[cfg(test)]
    fn message_done(&self) -> bool {
        matches!(self.part, Part::Done(_))
    }

    /// Whether more came than the whole message.
    pub(super) fn has_surplus(&self) -> bool {
        matches!(self.part, Part::Done(Surplus::Some))
    }

    /// Makes a fault of what only the whole head shows.
    pub(super) fn blame(&mut self, fault: ScanFault) {
        self.facts.fault = self.facts.fault.or(Some(fault));
    }

    /// What was noted about the current message, complete once [`Self::head_done`] save for faults in the body.
    pub(super) fn facts(&self) -> RawFacts {
        self.facts
    }

    /// Expects another request on the connection.
    ///
    /// A connection once at fault stays so. Where bytes came after the last message, or that message is not complete,
    /// nobody knows where the next one begins: that is [`ScanFault::Pipelined`].
    pub(super) fn next_request(&mut self) {
        let fault = match self.part {
            Part::Done(Surplus::None) => self.facts.fault,
            Part::Chunked(_) | Part::Done(Surplus::Some) | Part::Head(_) | Part::Length(_) => {
                self.facts.fault.or(Some(ScanFault::Pipelined))
            }
        };
        self.facts = RawFacts { fault, ..RawFacts::default() };
        self.part = Part::Head(HeadScan::new());
    }

    /// Takes at least one of `bytes`, which are not empty; answers what is left.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ScanFault> {
        match &mut self.part {
            Part::Head(head) => {
                let rest = head.read(bytes, self.max_head, &mut self.facts)?;
                if let Some(body) = head.ended(&self.facts)? {
                    self.part = body;
                }
                Ok(rest)
            }
            Part::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left = left.saturating_sub(take as u64);
                if *left == 0 {
                    self.part = Part::Done(Surplus::None);
                }
                Ok(bytes.get(take..).unwrap_or_default())
            }
            Part::Chunked(chunked) => {
                let rest = chunked.read(bytes, self.max_head)?;
                if chunked.is_done() {
                    self.part = Part::Done(Surplus::None);
                }
                Ok(rest)
            }
            Part::Done(surplus) => {
                *surplus = Surplus::Some;
                Ok(&[])
            }
        }
    }
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or_default()
}

/// [`is_token`] of each byte.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    #[expect(clippy::indexing_slicing, reason = "computed when it is compiled")]
    loop {
        table[byte as usize] = may_be_token(byte);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

const fn may_be_token(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// What a field value or a chunk extension may hold; bytes outside ASCII are framing's to judge.
const fn is_text(byte: u8) -> bool {
    !matches!(byte, 0..=8 | 10..=31 | 127)
}
