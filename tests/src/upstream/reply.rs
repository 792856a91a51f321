//! What the application answers.

use std::io;

use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Recorded, never};

pub(super) type Sending = BoxBody<Bytes, io::Error>;

/// One scripted answer.
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    held: Option<oneshot::Receiver<()>>,
}

/// How an answer's body comes.
pub enum Body {
    /// At once, with its length.
    Bytes(Bytes),
    /// Not even a head: the connection is closed (HTTP/1) or the stream reset (HTTP/2).
    Closed,
    /// Not even a head, and the connection stays open.
    Never,
    /// Piece by piece, without a length.
    Stream(Stream),
    /// A WebSocket that says everything back.
    WebSocketEcho,
}

/// The pieces of a streamed body, and perhaps trailers.
pub type Stream = mpsc::Receiver<io::Result<Frame<Bytes>>>;

/// The other end of a streamed body. Dropping it ends the body properly.
pub struct Feed(mpsc::Sender<io::Result<Frame<Bytes>>>);

/// Lets a held answer go.
pub struct Release(oneshot::Sender<()>);

impl Reply {
    /// 200 with `{"ok":true}`.
    pub fn ok() -> Self {
        Self::json(200, r#"{"ok":true}"#)
    }

    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, body).header("content-type", "application/json")
    }

    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self::of(status, Body::Bytes(body.into()))
    }

    pub fn closed() -> Self {
        Self::of(200, Body::Closed)
    }

    pub fn never() -> Self {
        Self::of(200, Body::Never)
    }

    pub fn websocket_echo() -> Self {
        Self::of(101, Body::WebSocketEcho)
    }

    /// A body without a length: chunked on HTTP/1.
    pub fn stream(status: u16) -> (Self, Feed) {
        let (feed, body) = mpsc::channel(16);
        (Self::of(status, Body::Stream(body)), Feed(feed))
    }

    /// A stream of server-sent events.
    pub fn sse() -> (Self, Feed) {
        let (reply, feed) = Self::stream(200);
        (reply.header(CONTENT_TYPE.as_str(), "text/event-stream"), feed)
    }

    fn of(status: u16, body: Body) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body, held: None }
    }

    /// Adds a field; equal names add up.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// Holds the answer back until the handle says so or is dropped.
    pub fn held(mut self) -> (Self, Release) {
        let (release, held) = oneshot::channel();
        self.held = Some(held);
        (self, Release(release))
    }

    pub(super) async fn send(self, request: &Recorded, upgrade: OnUpgrade) -> io::Result<Response<Sending>> {
        if let Some(held) = self.held {
            let _ = held.await;
        }
        let mut headers = self.headers;
        let body = match self.body {
            Body::Bytes(bytes) => Full::new(bytes).map_err(never).boxed(),
            Body::Closed => return Err(io::Error::other("closed as scripted")),
            Body::Never => std::future::pending().await,
            Body::Stream(pieces) => {
                let pieces = stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
                BodyExt::boxed(StreamBody::new(pieces))
            }
            Body::WebSocketEcho => {
                let key = request.headers.get("sec-websocket-key").expect("a WebSocket handshake").as_bytes();
                headers.insert("upgrade", HeaderValue::from_static("websocket"));
                headers.insert("connection", HeaderValue::from_static("Upgrade"));
                headers.insert("sec-websocket-accept", derive_accept_key(key).parse().unwrap());
                tokio::spawn(echo(upgrade));
                Full::default().map_err(never).boxed()
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl Feed {
    /// Waits until the server takes the piece; an error means that nobody reads any more.
    pub async fn send(&self, piece: impl Into<Bytes>) -> io::Result<()> {
        self.frame(Ok(Frame::data(piece.into()))).await
    }

    /// Ends the body with trailers.
    pub async fn trailers(self, trailers: HeaderMap) -> io::Result<()> {
        self.frame(Ok(Frame::trailers(trailers))).await
    }

    /// Breaks the body off: an HTTP/1 connection closes, an HTTP/2 stream is reset.
    pub async fn break_off(self) {
        let _ = self.frame(Err(io::Error::other("broken off as scripted"))).await;
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    async fn frame(&self, frame: io::Result<Frame<Bytes>>) -> io::Result<()> {
        self.0.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Release {
    pub fn go(self) {
        let _ = self.0.send(());
    }
}

async fn echo(upgrade: OnUpgrade) {
    let Ok(stream) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
