//! One request as it arrived.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) type Wire = Arc<Mutex<Vec<u8>>>;

/// What the application saw of one request.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: Method,
    /// Path and query exactly as received; the authority of CONNECT.
    pub target: String,
    /// `:authority` of HTTP/2, or the absolute form's.
    pub authority: Option<String>,
    pub version: Version,
    /// In order of first appearance, names in lower case, equal names side by side. [`super::Upstream::wire`] has
    /// the exact bytes.
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
    /// Whether the body came to its proper end.
    pub complete: bool,
    /// Counted from 0 in the order they were accepted.
    pub connection: usize,
}

impl Recorded {
    pub(super) async fn read(request: Request<Incoming>, connection: usize) -> Self {
        let (head, mut incoming) = request.into_parts();
        let mut body = BytesMut::new();
        let mut trailers = None;
        let mut complete = true;
        while let Some(frame) = incoming.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(other)) => trailers = other.into_trailers().ok(),
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        Self {
            method: head.method,
            target: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
            authority: head.uri.authority().map(ToString::to_string),
            version: head.version,
            headers: head.headers,
            body: body.freeze(),
            trailers,
            complete,
            connection,
        }
    }

    /// The only value of a field; `None` when it is absent, a panic when it is repeated or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        assert!(values.next().is_none(), "`{name}` is repeated: {self:#?}");
        Some(first.to_str().unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// A stream that remembers what was read from it.
pub(super) struct Tee<S> {
    inner: S,
    wire: Wire,
}

impl<S> Tee<S> {
    pub(super) fn new(inner: S, wire: Wire) -> Self {
        Self { inner, wire }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tee<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.wire.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tee<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
