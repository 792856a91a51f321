//! Field lines, in a header block or in trailers (RFC 9112 §5, §7.1.2).

use portcullis_core::framing::ScanFault;

use super::{is_text, is_token};

/// The longest name that matters: `transfer-encoding`.
const NAME: usize = 17;
/// The longest value that matters: 2^64-1 in decimal.
const VALUE: usize = 20;

/// Reads lines until the empty one.
#[derive(Clone, Debug)]
pub(super) struct FieldLines {
    at: At,
    name: Start<NAME>,
    value: Start<VALUE>,
}

/// Bytes of a value that are looked at together.
const STRIDE: usize = 32;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    LineStart,
    Name,
    Value,
    LineFeed,
    LastLineFeed,
}

/// What a byte completed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    Nothing,
    /// A field line: see [`FieldLines::name`] and [`FieldLines::value`].
    Line,
    /// The empty line.
    End,
}

impl FieldLines {
    pub(super) fn new() -> Self {
        Self { at: At::LineStart, name: Start::new(), value: Start::new() }
    }

    pub(super) fn read(&mut self, byte: u8) -> Result<Event, ScanFault> {
        match (self.at, byte) {
            (At::LineStart, b'\r') => self.at = At::LastLineFeed,
            (At::LineStart | At::Value, b'\n') => return Err(ScanFault::BareLf),
            (At::LineStart, b' ' | b'\t') => return Err(ScanFault::FoldedLine),
            (At::LineStart, _) if is_token(byte) => {
                (self.name, self.value) = (Start::new(), Start::new());
                self.name.push(byte.to_ascii_lowercase());
                self.at = At::Name;
            }
            (At::Name, b':') => {
                if !matches!(self.name.text(), Some(b"host" | b"content-length" | b"transfer-encoding")) {
                    self.name.spoil();
                }
                self.at = At::Value;
            }
            (At::Name, b' ' | b'\t') => return Err(ScanFault::SpaceBeforeColon),
            (At::Name, _) if is_token(byte) => self.name.push(byte.to_ascii_lowercase()),
            (At::LineStart | At::Name, _) => return Err(ScanFault::FieldName),
            (At::Value, b'\r') => self.at = At::LineFeed,
            (At::Value, b' ' | b'\t') => self.value.space(),
            (At::Value, _) if is_text(byte) => self.value.push(byte),
            (At::Value, _) => return Err(ScanFault::FieldValue),
            (At::LineFeed, b'\n') => {
                self.at = At::LineStart;
                return Ok(Event::Line);
            }
            (At::LastLineFeed, b'\n') => return Ok(Event::End),
            (At::LineFeed | At::LastLineFeed, _) => return Err(ScanFault::BareCr),
        }
        Ok(Event::Nothing)
    }

    /// Takes as many of `bytes` as go on with a name, or with a value that does not matter.
    pub(super) fn run(&mut self, bytes: &[u8]) -> usize {
        if self.at == At::Name {
            let run = bytes.iter().position(|byte| !is_token(*byte)).unwrap_or(bytes.len());
            self.name.push_name(bytes.get(..run).unwrap_or_default());
            return run;
        }
        if self.at != At::Value || self.name.matters() && self.value.matters() {
            return 0;
        }
        // Many at a time, then what is left one by one.
        let good = |chunk: &&[u8]| chunk.iter().fold(true, |good, byte| good & is_text(*byte));
        let whole = bytes.chunks_exact(STRIDE).take_while(good).count() * STRIDE;
        let rest = bytes.get(whole..).unwrap_or_default();
        whole + rest.iter().position(|byte| !is_text(*byte)).unwrap_or(rest.len())
    }

    /// In lower case; `None` for one that does not matter.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.name.text()
    }

    /// Without the white space around it; `None` when too long to matter or made of several words.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.value.text()
    }
}

/// The first word of a text, as long as it is all there is and no longer than `N`.
#[derive(Clone, Debug)]
struct Start<const N: usize> {
    bytes: [u8; N],
    length: usize,
    gap: Gap,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gap {
    /// No white space after the first word yet.
    None,
    /// White space, which may be trailing.
    Open,
    /// Too long, or more than one word.
    Spoilt,
}

impl<const N: usize> Start<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], length: 0, gap: Gap::None }
    }

    fn push(&mut self, byte: u8) {
        match (self.gap, self.bytes.get_mut(self.length)) {
            (Gap::None, Some(place)) => {
                *place = byte;
                self.length += 1;
            }
            (Gap::None | Gap::Open | Gap::Spoilt, _) => self.gap = Gap::Spoilt,
        }
    }

    /// In lower case, many at a time.
    fn push_name(&mut self, bytes: &[u8]) {
        let fits = self.matters();
        let places = self.bytes.get_mut(self.length..self.length.saturating_add(bytes.len()));
        let Some(places) = places.filter(|_| fits) else { return self.spoil() };
        for (place, byte) in places.iter_mut().zip(bytes) {
            *place = byte.to_ascii_lowercase();
        }
        self.length += bytes.len();
    }

    fn spoil(&mut self) {
        self.gap = Gap::Spoilt;
    }

    fn space(&mut self) {
        if self.length > 0 && self.gap == Gap::None {
            self.gap = Gap::Open;
        }
    }

    fn matters(&self) -> bool {
        self.gap != Gap::Spoilt
    }

    fn text(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length).filter(|_| self.matters())
    }
}
