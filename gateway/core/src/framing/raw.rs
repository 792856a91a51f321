//! What did the bytes look like before the HTTP library mended them?

use crate::refusal::{Code, Refusal};

use super::malformed;

/// What the connection's byte scanner noted about one HTTP/1 message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RawFacts {
    /// The first thing wrong; nothing after it was looked at.
    pub fault: Option<ScanFault>,
    /// Bytes of request line and header block so far.
    pub head_bytes: usize,
    /// Lines of each of these fields, at most 255.
    pub hosts: u8,
    pub content_lengths: u8,
    pub transfer_encodings: u8,
}

/// What is wrong with the bytes of an HTTP/1 message (RFC 9112).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScanFault {
    BareCr,
    BareLf,
    ChunkEnd,
    ChunkExtension,
    ChunkSize,
    FieldName,
    FieldValue,
    FoldedLine,
    HeadTooLarge,
    Pipelined,
    RequestLine,
    SpaceBeforeColon,
    TargetByte,
    TargetTooLong,
    TrailerTooLarge,
    Version,
}

impl ScanFault {
    /// What is wrong; holds nothing the client sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BareCr => "a carriage return is not followed by a line feed",
            Self::BareLf => "a line ends in a line feed alone: end lines with CR LF",
            Self::ChunkEnd => "the data of a chunk is not followed by CR LF",
            Self::ChunkExtension => "a chunk extension is too long or holds a control character",
            Self::ChunkSize => "a chunk size is not 1 to 16 hex digits",
            Self::FieldName => "a field name is empty or holds a byte that is no token character",
            Self::FieldValue => "a field value holds a control character",
            Self::FoldedLine => "a header line begins with white space: send each field on one line",
            Self::HeadTooLarge => "the head is larger than accepted",
            Self::Pipelined => "bytes of another request came before the answer: wait for it",
            Self::RequestLine => "the request line is not a method, one space, a target, one space and a version",
            Self::SpaceBeforeColon => "white space stands between a field name and its colon",
            Self::TargetByte => {
                "the target holds a space, a control character, a `#` or a byte outside ASCII: percent-encode it"
            }
            Self::TargetTooLong => "the request line is longer than accepted",
            Self::TrailerTooLarge => "the trailer section is larger than accepted",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
        }
    }

    pub(super) fn refusal(self) -> Refusal {
        let code = match self {
            Self::HeadTooLarge | Self::TrailerTooLarge => Code::HeadersTooLarge,
            Self::TargetTooLong => Code::TargetTooLong,
            Self::BareCr
            | Self::BareLf
            | Self::ChunkEnd
            | Self::ChunkExtension
            | Self::ChunkSize
            | Self::FieldName
            | Self::FieldValue
            | Self::FoldedLine
            | Self::Pipelined
            | Self::RequestLine
            | Self::SpaceBeforeColon
            | Self::TargetByte
            | Self::Version => return malformed(self.as_str()),
        };
        Refusal::new(code).because(self.as_str())
    }
}

impl std::fmt::Display for ScanFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl std::error::Error for ScanFault {}
