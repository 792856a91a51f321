mod client;
mod fields;
mod target;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::{Connection, Framing, Head, Limits, RawFacts, ScanFault, Stream};
use crate::refusal::{Code, Refusal};
use crate::request::{DeclaredBody, Request, Scheme};

/// A request as a test writes it: good until one thing is changed.
#[derive(Clone, Debug)]
struct Sample {
    method: &'static str,
    target: Vec<u8>,
    authority: Option<&'static str>,
    scheme: Option<&'static str>,
    version: Version,
    headers: HeaderMap,
    raw: RawFacts,
    stream: Stream,
    connection: Connection,
}

fn http1() -> Sample {
    let peer = IpAddr::from([192, 0, 2, 1]);
    Sample {
        method: "GET",
        target: b"/a".to_vec(),
        authority: None,
        scheme: None,
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        raw: RawFacts::default(),
        stream: Stream::Open,
        connection: Connection { peer, scheme: Scheme::Https },
    }
    .with("host", "a")
}

fn http2() -> Sample {
    let mut sample = Sample {
        authority: Some("a"),
        scheme: Some("https"),
        version: Version::HTTP_2,
        stream: Stream::Ended,
        ..http1()
    };
    sample.headers.clear();
    sample
}

impl Sample {
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    fn to(mut self, target: impl AsRef<[u8]>) -> Self {
        self.target = target.as_ref().to_vec();
        self
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    fn without_host(mut self) -> Self {
        self.headers.remove("host");
        self
    }

    /// Checks with `10.0.0.0/8` and `2001:db8::/32` as trusted proxies, and hands what came out to `look`.
    fn judge<T>(&self, look: impl FnOnce(Result<Request<'_>, Refusal>) -> T) -> T {
        let limits = Limits { target: 64, header_bytes: 512, header_fields: 12 };
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap());
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let head = Head {
            method: &method,
            target: &self.target,
            authority: self.authority,
            scheme: self.scheme,
            version: self.version,
            headers: &self.headers,
            raw: self.raw,
            stream: self.stream,
        };
        look(Framing::new(limits, trusted.to_vec()).check(&head, &self.connection))
    }
}

fn refuses(sample: Sample, code: Code) {
    sample.judge(|outcome| {
        let refusal = outcome.map(|_| ()).unwrap_err();
        assert_eq!(refusal.code, code, "{sample:?}: {refusal:?}");
        assert!(!refusal.reason.is_empty() && !refusal.reason.ends_with('.'), "{refusal:?}");
    });
}

fn passes<T: PartialEq + std::fmt::Debug>(sample: Sample, look: impl FnOnce(&Request<'_>) -> T, expected: T) {
    sample.judge(|outcome| assert_eq!(look(&outcome.unwrap()), expected, "{sample:?}"));
}

#[test]
fn refuses_what_the_scanner_found() {
    for (fault, code) in [
        (ScanFault::BareLf, Code::MalformedRequest),
        (ScanFault::TargetByte, Code::MalformedRequest),
        (ScanFault::TargetTooLong, Code::TargetTooLong),
        (ScanFault::HeadTooLarge, Code::HeadersTooLarge),
    ] {
        refuses(Sample { raw: RawFacts { fault: Some(fault), ..RawFacts::default() }, ..http1() }, code);
    }
}

#[test]
fn refuses_lengths_with_two_readings() {
    let post = || http1().method("POST");
    let malformed = |sample| refuses(sample, Code::MalformedRequest);
    malformed(post().with("content-length", "1").with("content-length", "1"));
    malformed(post().with("content-length", "1").with("content-length", "2"));
    for value in ["", "1, 1", "+1", "-1", " 1", "1 ", "0x1", "1.0", "01", "00", "18446744073709551616", "a"] {
        malformed(post().with("content-length", value));
    }
    malformed(post().with("content-length", "1").with("transfer-encoding", "chunked"));
    let raw =
        |content_lengths, transfer_encodings| RawFacts { content_lengths, transfer_encodings, ..RawFacts::default() };
    malformed(Sample { raw: raw(1, 1), ..post().with("transfer-encoding", "chunked") });
    malformed(Sample { raw: raw(2, 0), ..post().with("content-length", "1") });
    malformed(Sample { raw: raw(0, 2), ..post().with("transfer-encoding", "chunked") });
    malformed(Sample { raw: raw(0, 1), ..post() });
    for value in
        ["identity", "identity, chunked", "gzip, chunked", "chunked, chunked", "chunked,", "chunked;a", "", "x"]
    {
        malformed(post().with("transfer-encoding", value));
    }
    malformed(post().with("transfer-encoding", "chunked").with("transfer-encoding", "chunked"));
    malformed(post().version(Version::HTTP_10).with("transfer-encoding", "chunked"));
    malformed(http2().method("POST").with("transfer-encoding", "chunked"));
    malformed(http2().method("POST").with("content-length", "1"));
    malformed(http2().method("POST").with("content-length", "0").with("content-length", "0"));
}

#[test]
fn reads_the_declared_body() {
    let body = |sample, expected| passes(sample, |request| request.body, expected);
    body(http1(), DeclaredBody::Absent);
    body(http1().version(Version::HTTP_10), DeclaredBody::Absent);
    body(http1().method("POST").with("content-length", "0"), DeclaredBody::Length(0));
    body(http1().method("POST").with("content-length", "18446744073709551615"), DeclaredBody::Length(u64::MAX));
    body(http1().method("POST").with("transfer-encoding", "Chunked"), DeclaredBody::Unknown);
    body(http2(), DeclaredBody::Absent);
    body(http2().with("content-length", "0"), DeclaredBody::Length(0));
    body(Sample { stream: Stream::Open, ..http2() }, DeclaredBody::Unknown);
    body(Sample { stream: Stream::Open, ..http2().with("content-length", "7") }, DeclaredBody::Length(7));
}

#[test]
fn refuses_every_upgrade_but_websocket() {
    let handshake = || http1().with("connection", "keep-alive, Upgrade");
    let malformed = |sample| refuses(sample, Code::MalformedRequest);
    malformed(handshake().with("upgrade", "h2c"));
    malformed(handshake().with("upgrade", "h2c, websocket"));
    malformed(handshake().with("upgrade", "websocket/13"));
    malformed(handshake().with("upgrade", "TLS/1.0"));
    malformed(handshake().with("upgrade", "websocket").with("upgrade", "websocket"));
    malformed(http1().with("upgrade", "websocket"));
    malformed(handshake().with("upgrade", "websocket").method("POST"));
    malformed(handshake().with("upgrade", "websocket").version(Version::HTTP_10));
    malformed(handshake().with("upgrade", "websocket").with("content-length", "1"));
    malformed(handshake().with("upgrade", "websocket").with("transfer-encoding", "chunked"));
    passes(handshake().with("upgrade", "WebSocket"), |request| request.body, DeclaredBody::Absent);
    passes(http1().with("connection", "upgrade"), |request| request.body, DeclaredBody::Absent);
}

#[test]
fn refuses_expectations_but_100_continue() {
    refuses(http1().with("expect", "200-ok"), Code::MalformedRequest);
    refuses(http1().with("expect", "100-continue, x"), Code::MalformedRequest);
    passes(http1().with("expect", "100-Continue"), |_| (), ());
}
