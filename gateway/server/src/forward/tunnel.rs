//! How is a connection made that is to become a tunnel? As any other, but it never answers in the same breath.
//!
//! Pingora 0.9.1 asks the upstream's answer and the request's (empty) body in any order. Where a 101 is there before
//! the end of the body was passed on, it takes the end of the body for the end of the tunnel and closes it at once
//! (`proxy_handle_upstream`): a WebSocket of an application nearby would open only most of the time. A read that
//! follows a write therefore yields once, so that what waits on our side goes first.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Connects with [`Polite`] sockets.
#[derive(Debug)]
pub(super) struct Tunnels;

#[async_trait]
impl Connect for Tunnels {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "a tunnel needs an internet address");
        };
        let tcp = TcpStream::connect(address).await.map_err(|error| {
            let kind = match error.kind() {
                ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
                _ => ErrorType::ConnectError,
            };
            Error::because(kind, "connecting a tunnel", error)
        })?;
        Ok(VirtualSocketStream::new(Box::new(Polite { tcp, owes: false })).into())
    }
}

/// A socket whose first read after a write yields.
#[derive(Debug)]
struct Polite {
    tcp: TcpStream,
    owes: bool,
}

impl VirtualSocket for Polite {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Polite {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.owes) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Polite {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.owes = true;
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
