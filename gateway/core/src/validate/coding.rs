//! What is behind a content coding? Taken off before a body is judged, within bounds, and never put on again: what was
//! judged is what is forwarded, so the application gets the plain bytes.

#[cfg(test)]
mod tests;

use std::io::{Read, Result as IoResult};

use bytes::Bytes;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::config::ContentCoding;
use super::{pointer, refusal};
use crate::refusal::{Code, Refusal};

/// Up to here a body may be coded as well as it will.
const HARMLESS: usize = 64 << 10;

/// How large a body may become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Room {
    /// Bytes.
    pub(super) most: u64,
    /// Times the coded length, beyond [`HARMLESS`].
    pub(super) ratio: u32,
}

/// The coding that a head declares; `None` for a plain body.
///
/// # Errors
/// 415 (RFC 9110 §8.4) for one that is not `allowed`, and for several at once.
pub(super) fn declared(headers: &HeaderMap, allowed: &[ContentCoding]) -> Result<Option<ContentCoding>, Refusal> {
    let refuse = || Refusal::new(Code::UnsupportedMediaType).because("the body has a content coding");
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        let coding = match value.as_bytes().to_ascii_lowercase().as_slice() {
            b"identity" => continue,
            b"gzip" | b"x-gzip" => ContentCoding::Gzip,
            b"deflate" => ContentCoding::Deflate,
            _ => return Err(refuse()),
        };
        if found.is_some() || !allowed.contains(&coding) {
            return Err(refuse());
        }
        found = Some(coding);
    }
    Ok(found)
}

/// The plain bytes.
///
/// # Errors
/// 413 where they would outgrow `room`, 400 where they are not one stream of the coding, to its last byte.
pub(super) fn decode(coding: ContentCoding, coded: &[u8], room: Room) -> Result<Bytes, Refusal> {
    let length = coded.len();
    let by_ratio = length.saturating_mul(usize::try_from(room.ratio).unwrap_or(usize::MAX)).max(HARMLESS);
    let most = usize::try_from(room.most).unwrap_or(usize::MAX);
    let bound = most.min(by_ratio);
    let (plain, left) = match coding {
        ContentCoding::Gzip => {
            let mut decoder = GzDecoder::new(coded);
            (read(&mut decoder, bound), decoder.into_inner().len())
        }
        ContentCoding::Deflate => {
            let mut decoder = ZlibDecoder::new(coded);
            (read(&mut decoder, bound), decoder.into_inner().len())
        }
    };
    let broken = |message: &str| refusal(Code::InvalidBody, "body", vec![pointer::syntax(String::new(), message)]);
    let plain = plain.map_err(|_| broken("is not coded as Content-Encoding says"))?;
    if plain.len() > bound {
        let because =
            if bound < most { "the body grows more than `max_ratio` allows" } else { "the plain body is too large" };
        return Err(Refusal::new(Code::BodyTooLarge).because(because));
    }
    if left > 0 {
        // A second member, which some readers join and some drop.
        return Err(broken("has data behind its coded content"));
    }
    Ok(plain.into())
}

/// At most one byte more than `bound`.
fn read(decoder: &mut impl Read, bound: usize) -> IoResult<Vec<u8>> {
    let mut plain = Vec::new();
    let most = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut plain)?;
    Ok(plain)
}
