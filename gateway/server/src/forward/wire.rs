//! How are the head and the body of a request sent? In one piece, where both are here.
//!
//! Pingora flushes after the head. An application would be woken by it to find that there is no body yet, and the network
//! carries two packets where one would do. What is written while [`Wire::hold`] is in force waits for what follows.

#[cfg(test)]
mod tests;

use std::io::Result;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::outbox::Outbox;

/// A connection to an application.
#[derive(Debug)]
pub(crate) struct Wire {
    inner: Stream,
    holds: AtomicBool,
    outbox: Outbox,
}

impl Wire {
    pub(super) fn wrap(inner: Stream) -> Stream {
        Box::new(Self { inner, holds: AtomicBool::new(false), outbox: Outbox::default() })
    }

    /// Whether what is written waits for more.
    pub(crate) fn hold(stream: &Stream, holds: bool) {
        if let Some(wire) = stream.as_any().downcast_ref::<Self>() {
            wire.holds.store(holds, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let me = &mut *self;
        if me.holds.load(Ordering::Relaxed) {
            let taken = me.outbox.take(bytes);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
        ready!(me.outbox.poll_empty(Pin::new(&mut me.inner), cx))?;
        Pin::new(&mut me.inner).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let me = &mut *self;
        if me.holds.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(me.outbox.poll_empty(Pin::new(&mut me.inner), cx))?;
        Pin::new(&mut me.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Wire {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.inner).await;
    }
}

impl UniqueID for Wire {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Wire {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

/// Nobody asks: what Pingora would copy of it for each request is left out.
impl GetTimingDigest for Wire {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Wire {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Wire {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Wire {}
