//! Bytes out, answers in: for requests that no proper client would send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Transport, tcp, tls};
use crate::PATIENCE;

/// A connection that says what it is told.
pub struct Raw {
    stream: Box<dyn Transport>,
    buffer: Vec<u8>,
}

/// One HTTP/1 answer, as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawAnswer {
    pub status: u16,
    /// In order, names as spelt.
    pub headers: Vec<(String, String)>,
    /// Without its chunking.
    pub body: Vec<u8>,
}

/// Why no (further) answer came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The server closed, perhaps in the middle of an answer.
    Closed,
    /// The deadline passed.
    Silent,
}

impl Raw {
    pub async fn plain(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Box::new(tcp(address).await?), buffer: Vec::new() })
    }

    /// Over TLS, speaking HTTP/1.1.
    pub async fn tls(address: SocketAddr, sni: &str, ca: &str) -> io::Result<Self> {
        Self::tls_offering(address, sni, ca, &[b"http/1.1"]).await
    }

    /// Over TLS, offering any protocols: `h2` for frames made by hand.
    pub async fn tls_offering(address: SocketAddr, sni: &str, ca: &str, protocols: &[&[u8]]) -> io::Result<Self> {
        Ok(Self { stream: Box::new(tls(address, sni, ca, protocols).await?), buffer: Vec::new() })
    }

    /// Fails when the server has closed already.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Says that no more will be sent.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The next answer (interim ones included), waiting at most [`PATIENCE`].
    pub async fn answer(&mut self) -> Result<RawAnswer, Ended> {
        self.answer_within(PATIENCE).await
    }

    pub async fn answer_within(&mut self, deadline: Duration) -> Result<RawAnswer, Ended> {
        let read = async {
            loop {
                if let Some((answer, used)) = parse(&self.buffer, Source::Open) {
                    self.buffer.drain(..used);
                    return Ok(answer);
                }
                if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                    let last = parse(&self.buffer, Source::Ended);
                    self.buffer.clear();
                    return last.map(|(answer, _)| answer).ok_or(Ended::Closed);
                }
            }
        };
        timeout(deadline, read).await.unwrap_or(Err(Ended::Silent))
    }

    /// Every answer until the server closes or falls silent for `pause`, and which of the two.
    pub async fn answers(&mut self, pause: Duration) -> (Vec<RawAnswer>, Ended) {
        let mut all = Vec::new();
        loop {
            match self.answer_within(pause).await {
                Ok(answer) => all.push(answer),
                Err(ended) => return (all, ended),
            }
        }
    }

    /// Every byte until the server closes, or as far as `deadline` allows.
    pub async fn rest(&mut self, deadline: Duration) -> (Vec<u8>, Ended) {
        let read = async { while let Ok(1..) = self.stream.read_buf(&mut self.buffer).await {} };
        let ended = if timeout(deadline, read).await.is_ok() { Ended::Closed } else { Ended::Silent };
        (std::mem::take(&mut self.buffer), ended)
    }
}

impl RawAnswer {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Source {
    Ended,
    Open,
}

/// An answer and how many bytes it took; `None` while it is not whole.
fn parse(bytes: &[u8], source: Source) -> Option<(RawAnswer, usize)> {
    let head_ends = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..head_ends]).into_owned();
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers = lines.filter_map(field).collect();
    let mut answer = RawAnswer { status, headers, body: Vec::new() };
    let rest = &bytes[head_ends..];
    let used = if matches!(status, 100..=199 | 204 | 304) {
        0
    } else if answer.header("transfer-encoding").is_some() {
        let (body, used) = dechunk(rest)?;
        answer.body = body;
        used
    } else if let Some(length) = answer.header("content-length") {
        let length = length.parse().ok()?;
        answer.body = rest.get(..length)?.to_vec();
        length
    } else if source == Source::Ended {
        answer.body = rest.to_vec();
        rest.len()
    } else {
        return None;
    };
    Some((answer, head_ends + used))
}

fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        at += line + 2;
        if size == 0 {
            // No trailers, or trailers up to an empty line.
            let end = if bytes.get(at..at + 2)? == b"\r\n" { 2 } else { find(&bytes[at..], b"\r\n\r\n")? + 4 };
            return Some((body, at + end));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
