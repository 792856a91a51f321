//! How is a connection made that is to become a tunnel? As any other, but it never answers in the same breath.
//!
//! Pingora 0.9.1 asks the upstream's answer and the request's (empty) body in any order. Where a 101 is there before
//! the end of the body was passed on, it takes the end of the body for the end of the tunnel and closes it at once
//! (`proxy_handle_upstream`): a WebSocket of an application nearby would open only most of the time. A read that
//! follows a write therefore yields once, so that what waits on our side goes first.
//!
//! Nor does Pingora know one patience for the head of an answer and another for its body. A stream may be silent for as
//! long as it lives, but not before it has begun: so the socket itself gives up, as long as nobody has answered.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long the head of an answer is waited for, and what became of it. Shared by a request and its connection.
#[derive(Debug)]
pub(crate) struct Patience {
    span: Option<Duration>,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const ANSWERED: u8 = 1;
const OVER: u8 = 2;

impl Patience {
    /// `None`: without end.
    pub(crate) fn new(span: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { span, state: AtomicU8::new(WAITING) })
    }

    /// The head has come: from now on silence is allowed.
    pub(crate) fn answered(&self) {
        let _ = self.state.compare_exchange(WAITING, ANSWERED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether it ended before the head came.
    pub(crate) fn is_over(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OVER
    }

    fn begin(&self) -> Option<Pin<Box<Sleep>>> {
        let waits = self.state.load(Ordering::Relaxed) == WAITING;
        self.span.filter(|_| waits).map(|span| Box::pin(tokio::time::sleep(span)))
    }
}

/// Connects with [`Polite`] sockets.
#[derive(Debug)]
pub(super) struct Tunnels(pub(super) Arc<Patience>);

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
        Ok(VirtualSocketStream::new(Box::new(Polite {
            tcp,
            owes: false,
            patience: Arc::clone(&self.0),
            waiting: None,
        }))
        .into())
    }
}

/// A socket whose first read after a write yields.
#[derive(Debug)]
struct Polite {
    tcp: TcpStream,
    owes: bool,
    patience: Arc<Patience>,
    /// Since the last write, until something is read.
    waiting: Option<Pin<Box<Sleep>>>,
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
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if buf.filled().len() > before || read.is_ready() {
            self.waiting = None;
            return read;
        }
        let late = self.waiting.as_mut().is_some_and(|waiting| waiting.as_mut().poll(cx).is_ready());
        let patience = &self.patience.state;
        if late && patience.compare_exchange(WAITING, OVER, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "no answer in time")));
        }
        read
    }
}

impl AsyncWrite for Polite {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.owes = true;
        self.waiting = self.patience.begin();
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
