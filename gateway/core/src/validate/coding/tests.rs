use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderValue;

use super::*;

const ROOM: Room = Room { most: 1 << 20, ratio: 100 };

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn refused(coded: &[u8], room: Room, code: Code) {
    assert_eq!(decode(ContentCoding::Gzip, coded, room).unwrap_err().code, code, "{} bytes", coded.len());
}

#[test]
fn refuses_a_coding_that_is_not_allowed_or_not_alone() {
    let check = |values: &[&'static str], allowed: &[ContentCoding], expected: Result<Option<ContentCoding>, Code>| {
        let fields = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value))).collect();
        assert_eq!(declared(&fields, allowed).map_err(|refusal| refusal.code), expected, "{values:?}");
    };
    let (both, unsupported) = ([ContentCoding::Gzip, ContentCoding::Deflate], Err(Code::UnsupportedMediaType));
    check(&["gzip"], &[], unsupported);
    check(&["gzip"], &[ContentCoding::Deflate], unsupported);
    check(&["br"], &both, unsupported);
    check(&["gzip, gzip"], &both, unsupported);
    check(&["gzip", "gzip"], &both, unsupported);
    check(&["identity", "GZIP"], &both, Ok(Some(ContentCoding::Gzip)));
    check(&["identity"], &[], Ok(None));
    check(&[], &[], Ok(None));
}

#[test]
fn refuses_a_bomb_by_ratio_and_by_size_with_bounded_memory() {
    let bomb = gzip(&vec![0; 10 << 20]);
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    refused(&bomb, Room { most: 1 << 30, ratio: 100 }, Code::BodyTooLarge);
    refused(&gzip(&[0; 2_000]), Room { most: 1_999, ratio: 1_000 }, Code::BodyTooLarge);
    assert_eq!(decode(ContentCoding::Gzip, &gzip(&vec![0; 60_000]), ROOM).unwrap().len(), 60_000);
}

#[test]
fn refuses_what_two_readers_could_take_apart_differently() {
    let one = gzip(b"{}");
    refused(&[one.clone(), one.clone()].concat(), ROOM, Code::InvalidBody);
    refused(&[&one[..], b"x"].concat(), ROOM, Code::InvalidBody);
    refused(&one[..one.len() - 1], ROOM, Code::InvalidBody);
    refused(b"{}", ROOM, Code::InvalidBody);
    let mut torn = one;
    let at = torn.len() - 6;
    torn[at] ^= 1;
    refused(&torn, ROOM, Code::InvalidBody);
}

#[test]
fn both_codings_are_taken_off() {
    assert_eq!(&decode(ContentCoding::Gzip, &gzip(b"plain"), ROOM).unwrap()[..], b"plain");
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"plain").unwrap();
    assert_eq!(&decode(ContentCoding::Deflate, &encoder.finish().unwrap(), ROOM).unwrap()[..], b"plain");
}
