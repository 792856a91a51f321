use portcullis_core::framing::{RawFacts, ScanFault};

use super::Scan;

const MAX: usize = 512;

/// Everything a scan can tell, for comparison.
#[derive(Debug, PartialEq)]
struct Seen {
    outcome: Result<(), ScanFault>,
    facts: RawFacts,
    head_done: bool,
    message_done: bool,
}

fn scan(pieces: &[&[u8]]) -> Seen {
    let mut scan = Scan::new(MAX);
    let outcome = pieces.iter().try_for_each(|piece| scan.read(piece));
    Seen { outcome, facts: scan.facts(), head_done: scan.head_done(), message_done: scan.message_done() }
}

/// Scans whole, byte by byte, and cut at every place; all must tell the same.
fn check(bytes: &[u8], expected: Result<(), ScanFault>) -> Seen {
    let text = bytes.escape_ascii().to_string();
    let whole = scan(&[bytes]);
    assert_eq!(whole.outcome, expected, "{text}");
    assert_eq!(whole.facts.fault, expected.err(), "{text}");
    assert_eq!(scan(&bytes.chunks(1).collect::<Vec<_>>()), whole, "{text} byte by byte");
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(scan(&[front, back]), whole, "{text} cut at {at}");
        for size in [2, 3, 7] {
            let pieces: Vec<_> = [front].into_iter().chain(back.chunks(size)).collect();
            assert_eq!(scan(&pieces), whole, "{text} cut at {at}, then every {size}");
        }
    }
    whole
}

#[test]
fn refuses_request_lines_with_two_readings() {
    use ScanFault as F;
    for (line, fault) in [
        ("\r\nGET / HTTP/1.1\r\n", F::RequestLine),
        ("\nGET / HTTP/1.1\r\n", F::RequestLine),
        (" GET / HTTP/1.1\r\n", F::RequestLine),
        ("GET\t/ HTTP/1.1\r\n", F::RequestLine),
        ("GET  / HTTP/1.1\r\n", F::RequestLine),
        ("GET /  HTTP/1.1\r\n", F::RequestLine),
        ("GET /a b HTTP/1.1\r\n", F::RequestLine),
        ("GET /\r\n", F::RequestLine),
        ("GET\r\n", F::RequestLine),
        ("G(T / HTTP/1.1\r\n", F::RequestLine),
        ("GET /\0 HTTP/1.1\r\n", F::TargetByte),
        ("GET /a\tb HTTP/1.1\r\n", F::TargetByte),
        ("GET /\u{7f} HTTP/1.1\r\n", F::TargetByte),
        ("GET /é HTTP/1.1\r\n", F::TargetByte),
        ("GET /a#b HTTP/1.1\r\n", F::TargetByte),
        ("GET #a HTTP/1.1\r\n", F::TargetByte),
        ("GET /a\rb HTTP/1.1\r\n", F::RequestLine),
        ("GET / HTTP/1.2\r\n", F::Version),
        ("GET / HTTP/2.0\r\n", F::Version),
        ("GET / HTTP/1.11\r\n", F::Version),
        ("GET / http/1.1\r\n", F::RequestLine),
        ("GET / HTTP/1.1 \r\n", F::Version),
        ("GET / HTTP/1.1\n", F::BareLf),
        ("GET / HTTP/1.1\rX", F::BareCr),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", F::Version),
    ] {
        check(line.as_bytes(), Err(fault));
    }
}

#[test]
fn refuses_header_blocks_with_two_readings() {
    use ScanFault as F;
    for (block, fault) in [
        ("Host: a\n\r\n", F::BareLf),
        ("Host: a\r\n\n", F::BareLf),
        ("Host: a\rX: b\r\n\r\n", F::BareCr),
        ("Host: a\r\n\rX", F::BareCr),
        ("Host: a\r\r\n\r\n", F::BareCr),
        (" Host: a\r\n\r\n", F::FoldedLine),
        ("\tHost: a\r\n\r\n", F::FoldedLine),
        ("Host: a\r\n b\r\n\r\n", F::FoldedLine),
        ("Host : a\r\n\r\n", F::SpaceBeforeColon),
        ("Host\t: a\r\n\r\n", F::SpaceBeforeColon),
        ("Ho st: a\r\n\r\n", F::SpaceBeforeColon),
        (": a\r\n\r\n", F::FieldName),
        ("Host\r\n\r\n", F::FieldName),
        ("Hé: a\r\n\r\n", F::FieldName),
        ("Ho\0st: a\r\n\r\n", F::FieldName),
        ("A: b\0c\r\n\r\n", F::FieldValue),
        ("A: b\u{1}\r\n\r\n", F::FieldValue),
        ("A: \u{7f}\r\n\r\n", F::FieldValue),
        ("A: a long value, of no interest to anybody\0\r\n\r\n", F::FieldValue),
        ("A: a long value, of no interest to anybody\n\r\n", F::BareLf),
    ] {
        check(format!("GET / HTTP/1.1\r\n{block}").as_bytes(), Err(fault));
    }
}

#[test]
fn refuses_heads_that_are_too_large() {
    check(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX)).as_bytes(), Err(ScanFault::TargetTooLong));
    check(format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(MAX)).as_bytes(), Err(ScanFault::HeadTooLarge));
    check(format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX)).as_bytes(), Err(ScanFault::HeadTooLarge));
    let frame = "GET / HTTP/1.1\r\nA: \r\n\r\n";
    let fits = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(MAX - frame.len()));
    assert_eq!(check(fits.as_bytes(), Ok(())).facts.head_bytes, MAX);
}

#[test]
fn refuses_chunks_with_two_readings() {
    use ScanFault as F;
    for (body, fault) in [
        ("\r\n", F::ChunkSize),
        (";a\r\n", F::ChunkSize),
        (" 1\r\na\r\n0\r\n\r\n", F::ChunkSize),
        ("1 \r\na\r\n0\r\n\r\n", F::ChunkSize),
        ("-1\r\n", F::ChunkSize),
        ("0x1\r\n", F::ChunkSize),
        ("g\r\n", F::ChunkSize),
        ("00000000000000001\r\n", F::ChunkSize),
        ("1\na\r\n", F::BareLf),
        ("1\rX", F::BareCr),
        ("1;a\nb\r\n", F::BareLf),
        ("1;a\rb\r\n", F::BareCr),
        ("1;a\0\r\n", F::ChunkExtension),
        ("1\r\nab", F::ChunkEnd),
        ("1\r\na\n", F::BareLf),
        ("1\r\na\rX", F::BareCr),
        ("1\r\na\r\n\r\n", F::ChunkSize),
        ("0\r\n A: b\r\n\r\n", F::FoldedLine),
        ("0\r\nA: b\n\r\n", F::BareLf),
        ("0\r\n\n", F::BareLf),
    ] {
        check(format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}").as_bytes(), Err(fault));
    }
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(format!("{head}1;{}\r\n", "a".repeat(300)).as_bytes(), Err(F::ChunkExtension));
    check(format!("{head}0\r\n{}\r\n", "A: b\r\n".repeat(MAX)).as_bytes(), Err(F::TrailerTooLarge));
}

#[test]
fn finds_the_end_of_each_message() {
    for message in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET http://a/b?c HTTP/1.0\r\nHost:a\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nHost: a\r\nA:\r\nB: \t \r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nCONTENT-length:\t3 \t                           \r\n\r\n\r\n\0",
        "POST / HTTP/1.1\r\ntransfer-encoding:                                 Chunked \r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\n\n\r\n0000A\r\n0123456\r\n9\r\n0;x\r\nA: b\r\n\r\n",
        "POST / HTTP/1.1\r\nX: Content-Length: 9, a long text\r\nX-Content-Length: 9\r\nContent-Length-X: 9\r\n\r\n",
    ] {
        let seen = check(message.as_bytes(), Ok(()));
        assert!(seen.head_done && seen.message_done, "{message:?}");
        let short = check(&message.as_bytes()[..message.len() - 1], Ok(()));
        assert!(!short.message_done, "{message:?} without its last byte");
    }
}

#[test]
fn notes_the_fields_that_say_how_long_the_body_is() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1\r\ncontent-length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let outcome = Err(ScanFault::BodyLength);
    let seen = check(head.as_bytes(), outcome);
    let fault = outcome.err();
    let facts = RawFacts { fault, head_bytes: head.len(), hosts: 2, content_lengths: 2, transfer_encodings: 1 };
    assert_eq!(seen, Seen { outcome, facts, head_done: true, message_done: false });
}

#[test]
fn refuses_a_head_that_leaves_the_length_open() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length: 01\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 000000000000000000001\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: chunkedchunkedchunked\r\n",
    ] {
        check(format!("POST / HTTP/1.1\r\n{fields}\r\n").as_bytes(), Err(ScanFault::BodyLength));
    }
    check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(ScanFault::BodyLength));
}

#[test]
fn scans_one_request_after_the_other() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na";
    let mut scan = Scan::new(MAX);
    for _ in 0..2 {
        assert!(!scan.head_done());
        scan.read(request).unwrap();
        assert!(scan.message_done());
        scan.next_request();
    }
    assert_eq!(scan.facts(), RawFacts::default());
}

#[test]
fn refuses_another_request_where_its_beginning_is_unknown() {
    for early in [
        "GET / HTTP/1.1\r\n\r\nG",
        "GET / HTTP/1.1\r\n",
        "",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    ] {
        let mut scan = Scan::new(MAX);
        scan.read(early.as_bytes()).unwrap();
        scan.next_request();
        assert_eq!(scan.read(b"GET"), Err(ScanFault::Pipelined), "{early:?}");
        assert_eq!(scan.facts().fault, Some(ScanFault::Pipelined), "{early:?}");
    }
}

#[test]
fn stays_at_fault() {
    let mut scan = Scan::new(MAX);
    assert_eq!(scan.read(b"GET / HTTP/1.1\n"), Err(ScanFault::BareLf));
    assert_eq!(scan.read(b"Host: a\r\n\r\n"), Err(ScanFault::BareLf));
    scan.next_request();
    assert_eq!(scan.read(b"GET / HTTP/1.1\r\n\r\n"), Err(ScanFault::BareLf));
}
