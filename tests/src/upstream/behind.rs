//! An application behind the one that records.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Recorded, Reply};

/// What the application at `app` answers to the same request, over a connection of its own.
pub(super) async fn ask(app: SocketAddr, recorded: &Recorded) -> Reply {
    let stream = TcpStream::connect(app).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    let serving = tokio::spawn(connection);
    let mut request = Request::builder().method(&recorded.method).uri(&recorded.target);
    for (name, value) in recorded.headers.iter().filter(|(name, _)| *name != "connection") {
        request = request.header(name, value);
    }
    let request = request.body(Full::<Bytes>::new(recorded.body.clone())).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let mut reply = Reply::new(head.status.as_u16(), body.collect().await.unwrap().to_bytes());
    for (name, value) in &head.headers {
        reply = reply.header(name.as_str(), value.to_str().unwrap());
    }
    serving.abort();
    reply
}
