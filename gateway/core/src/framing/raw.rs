//! What did the bytes look like before the HTTP library mended them?

use crate::refusal::{Code, Refusal};

use super::{malformed, target};

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
    /// No one length of the body: doubled or bent `Content-Length`, any `Transfer-Encoding` but `chunked`, or both.
    BodyLength,
    ChunkEnd,
    ChunkExtension,
    ChunkSize,
    Connect,
    FieldName,
    FieldValue,
    FoldedLine,
    HeadTooLarge,
    /// No one host: none, several, a malformed one, or one that differs from the target's.
    Host,
    Pipelined,
    RequestLine,
    SpaceBeforeColon,
    TargetByte,
    /// Neither a path nor an `http` or `https` URL.
    TargetForm,
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
            Self::BodyLength => {
                "the length of the body is not one plain `Content-Length` or `Transfer-Encoding: chunked` alone"
            }
            Self::ChunkEnd => "the data of a chunk is not followed by CR LF",
            Self::ChunkExtension => "a chunk extension is too long or holds a control character",
            Self::ChunkSize => "a chunk size is not 1 to 16 hex digits",
            Self::Connect => "`CONNECT` is never served",
            Self::FieldName => "a field name is empty or holds a byte that is no token character",
            Self::FieldValue => "a field value holds a control character",
            Self::FoldedLine => "a header line begins with white space: send each field on one line",
            Self::HeadTooLarge => "the head is larger than accepted",
            Self::Host => "the request does not name one host: send one `Host`, without user information",
            Self::Pipelined => "bytes of another request came before the answer: wait for it",
            Self::RequestLine => "the request line is not a method, one space, a target, one space and a version",
            Self::SpaceBeforeColon => "white space stands between a field name and its colon",
            Self::TargetByte => {
                "the target holds a space, a control character, one of `#`, `<`, `>`, a back-tick or a byte outside ASCII: percent-encode it"
            }
            Self::TargetForm => "the target is neither a path nor an http or https URL: begin it with `/`",
            Self::TargetTooLong => "the request line is longer than accepted",
            Self::TrailerTooLarge => "the trailer section is larger than accepted",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
        }
    }

    /// How the request is turned away.
    pub fn refusal(self) -> Refusal {
        let code = match self {
            Self::HeadTooLarge | Self::TrailerTooLarge => Code::HeadersTooLarge,
            Self::TargetTooLong => Code::TargetTooLong,
            Self::Connect => return target::not_served(self.as_str()),
            Self::Host => return Refusal::new(Code::InvalidHost).because(self.as_str()).detail(self.as_str()),
            Self::BareCr
            | Self::BareLf
            | Self::BodyLength
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
            | Self::TargetForm
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
