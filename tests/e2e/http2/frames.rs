//! Frames by hand, for what no proper client would send.

use std::io;

use portcullis_tests::client::tls;
use portcullis_tests::site::Site;
use portcullis_tests::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// How a request ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    /// `GOAWAY`, or the connection closed.
    Gone,
    /// A problem document with this `code`.
    Problem(String),
    /// `RST_STREAM`, or an answer without a body: the protocol's engine refused it.
    Reset,
    /// The application's answer.
    Served,
}

pub(super) struct Frames {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Frames {
    pub(super) async fn connect(site: &Site) -> Self {
        let mut stream = tls(site.address(), "app.test", site.ca(), &[b"h2"]).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self { stream, buffer: Vec::new() };
        frames.send(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
        frames
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Type, flags, stream and payload of the next frame; `None` when the connection has closed.
    pub(super) async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let Some(head) = self.buffer.get(..9) {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                if self.buffer.len() >= 9 + length {
                    let (kind, flags) = (head[3], head[4]);
                    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
                    let payload = self.buffer[9..9 + length].to_vec();
                    self.buffer.drain(..9 + length);
                    return Some((kind, flags, stream, payload));
                }
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// What becomes of stream 1.
    pub(super) async fn outcome(&mut self, what: &str) -> Seen {
        let mut body = Vec::new();
        let ended = async {
            while let Some((kind, flags, stream, payload)) = self.next().await {
                match (kind, stream) {
                    (DATA, 1) => body.extend(payload),
                    (HEADERS, 1) if flags & END_STREAM != 0 => return Seen::Reset,
                    (RST_STREAM, 1) if body.is_empty() => return Seen::Reset,
                    (GOAWAY, _) => return Seen::Gone,
                    _ => {}
                }
                if body == br#"{"ok":true}"# {
                    return Seen::Served;
                }
                if let Ok(document) = serde_json::from_slice::<serde_json::Value>(&body) {
                    return Seen::Problem(document["code"].as_str().unwrap().to_owned());
                }
            }
            Seen::Gone
        };
        within(what, ended).await
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Literal fields, neither indexed nor compressed (RFC 7541 §6.2.2).
pub(super) fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in list {
        bytes.push(0);
        for text in [name, value] {
            integer(text.len(), &mut bytes);
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn integer(value: usize, bytes: &mut Vec<u8>) {
    if value < 127 {
        bytes.push(u8::try_from(value).unwrap());
        return;
    }
    bytes.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
}
