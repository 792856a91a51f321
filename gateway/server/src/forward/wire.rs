//! How are the head and the body of a request sent? In one piece, where both are here.
//!
//! Pingora flushes after the head. An application would be woken by it to find that there is no body yet, and the network
//! carries two packets where one would do. What is written while [`Wire::hold`] is in force waits for what follows.
//!
//! And how long may the application say nothing? Pingora makes a timer for each reading; here one lasts as long as the
//! connection, and is set anew.

#[cfg(test)]
mod tests;

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::outbox::Outbox;

/// A connection to an application.
#[derive(Debug)]
pub(crate) struct Wire {
    inner: Stream,
    holds: AtomicBool,
    outbox: Outbox,
    silence: Silence,
}

/// How long the other side may say nothing.
#[derive(Debug, Default)]
struct Silence {
    /// In microseconds; 0: for ever.
    most: AtomicU64,
    /// Set where `reads`.
    over: Option<Pin<Box<Sleep>>>,
    /// A reading is under way.
    reads: bool,
    was_too_long: bool,
}

impl Silence {
    /// Nothing is there to be read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let most = Duration::from_micros(self.most.load(Ordering::Relaxed));
        if most.is_zero() {
            return Poll::Pending;
        }
        if !std::mem::replace(&mut self.reads, true) {
            match &mut self.over {
                Some(over) => over.as_mut().reset(tokio::time::sleep(most).deadline()),
                None => self.over = Some(Box::pin(tokio::time::sleep(most))),
            }
        }
        let Some(over) = &mut self.over else { return Poll::Pending };
        ready!(over.as_mut().poll(cx));
        self.was_too_long = true;
        Poll::Ready(())
    }
}

impl Wire {
    pub(super) fn wrap(inner: Stream) -> Stream {
        Box::new(Self { inner, holds: AtomicBool::new(false), outbox: Outbox::default(), silence: Silence::default() })
    }

    /// The longest silence in each reading from now on, to the microsecond; `None`: any.
    pub(crate) fn limit_silence(stream: &Stream, most: Option<Duration>) {
        if let Some(wire) = stream.as_any().downcast_ref::<Self>() {
            let most = most.map_or(0, |most| u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1));
            wire.silence.most.store(most, Ordering::Relaxed);
        }
    }

    /// Whether a reading failed because the other side said nothing for too long.
    pub(crate) fn was_silent(stream: &Stream) -> bool {
        stream.as_any().downcast_ref::<Self>().is_some_and(|wire| wire.silence.was_too_long)
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
        let me = &mut *self;
        if let Poll::Ready(read) = Pin::new(&mut me.inner).poll_read(cx, buf) {
            me.silence.reads = false;
            return Poll::Ready(read);
        }
        ready!(me.silence.poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "nothing came for too long")))
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
