//! What may a client send before it is known? A bounded head, in bounded time, in one reading.
//!
//! Pingora 0.9 restarts its 60 s timeout at every read, accepts heads of 1 MiB, and repairs request lines
//! before anybody can see them. This wrapper lies under its HTTP/1 parser: it holds the head back until
//! it is whole and clean. A head that is not is replaced by [`STAND_IN`], so that the refusal is written
//! where all refusals are written.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use portcullis_core::framing::{RawFacts, ScanFault};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::frames::Frames;
use super::limits::Limits;
use super::names::{self, Said};
use super::scan::Scan;
use crate::outbox::Outbox;

/// What Pingora reads instead of a head that is refused. Nothing of the client's remains in it.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";

const HEAD: u8 = 0;
const OPEN: u8 = 1;
const REFUSED: u8 = 2;

/// Whether the head came in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    InTime,
    Late,
}

/// The place for a head that a connection keeps while it waits, in bytes.
const KEPT: usize = 1024;

/// How long a budget of HTTP/2 frames that ask for nothing lasts.
const WINDOW: Duration = Duration::from_secs(10);

/// The wrapper. HTTP/2 passes through, its frames counted: its engine bounds heads itself.
#[derive(Debug)]
pub(crate) struct Guard {
    inner: Stream,
    state: AtomicU8,
    scan: Option<Box<Scan>>,
    /// The head while it is not whole, then while its request is under way: it may be read twice.
    held: Vec<u8>,
    /// How much of it was read.
    given: usize,
    arrival: Arrival,
    /// Requests begun on this connection.
    begun: u32,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    /// What waits to be flushed; under HTTP/2 nothing does.
    outbox: Outbox,
    /// How long the client may leave what we say unread.
    patience: Duration,
    /// Since nothing more could be written.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Of the head that was refused.
    said: Said,
    flood: Option<Box<Flood>>,
}

/// The frames of an HTTP/2 connection, and until when their budget lasts.
#[derive(Debug)]
struct Flood {
    frames: Frames,
    window: Pin<Box<Sleep>>,
    /// Told when it is too much.
    alarm: Arc<AtomicBool>,
}

impl Flood {
    fn read(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Result<()> {
        if self.frames.read(bytes).is_ok() {
            return Ok(());
        }
        // Only now is the time asked for: most connections never come here.
        if self.window.as_mut().poll(cx).is_ready() {
            self.window = Box::pin(tokio::time::sleep(WINDOW));
            self.frames.refill();
            return Ok(());
        }
        self.alarm.store(true, Ordering::Relaxed);
        Err(Error::new(ErrorKind::InvalidData, "too many frames that ask for nothing"))
    }
}

impl Guard {
    /// `alarm` is set when an HTTP/2 client sends more frames than it may.
    pub(crate) fn wrap(inner: Stream, limits: &Limits, alarm: &Arc<AtomicBool>) -> Stream {
        let (max_head, limit) = (limits.max_header_bytes, limits.header_timeout);
        let http2 = inner.selected_alpn_proto() == Some(ALPN::H2);
        let scan = (!http2).then(|| Box::new(Scan::new(max_head)));
        let state = AtomicU8::new(if http2 { OPEN } else { HEAD });
        let flood = http2.then(|| {
            let window = Box::pin(tokio::time::sleep(WINDOW));
            Box::new(Flood { frames: Frames::new(), window, alarm: Arc::clone(alarm) })
        });
        Box::new(Self {
            inner,
            state,
            scan,
            held: Vec::new(),
            given: 0,
            arrival: Arrival::InTime,
            begun: 0,
            limit,
            // A client that connects and says nothing is late too.
            deadline: (!http2).then(|| Box::pin(tokio::time::sleep(limit))),
            outbox: Outbox::default(),
            patience: limits.body_timeout,
            stalled: None,
            said: Said::default(),
            flood,
        })
    }

    /// The guard of a session's connection; `None` under HTTP/2 and in subrequests.
    pub(crate) fn of(stream: Option<&Stream>) -> Option<&Self> {
        stream.and_then(|stream| stream.as_any().downcast_ref())
    }

    /// What the scanner saw of the head that Pingora read.
    pub(crate) fn facts(&self) -> RawFacts {
        self.scan.as_ref().map_or_else(RawFacts::default, |scan| scan.facts())
    }

    /// Whether the head that Pingora read is [`STAND_IN`], of which nothing is the client's.
    pub(crate) fn stands_in(&self) -> bool {
        self.state.load(Ordering::Relaxed) == REFUSED
    }

    /// What the head said that was refused; empty for any other.
    pub(crate) fn said(&self) -> &Said {
        &self.said
    }

    /// What is wrong with the body or its trailers; the head before them was in order.
    pub(crate) fn body_fault(&self) -> Option<ScanFault> {
        let open = self.state.load(Ordering::Relaxed) == OPEN;
        self.facts().fault.filter(|fault| open && *fault != ScanFault::Pipelined)
    }

    /// `Late`: the head that Pingora read is not the client's, who took too long.
    pub(crate) fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Whether the next byte begins a head, or continues one that is not whole.
    pub(super) fn waits_for_head(&self) -> bool {
        self.state.load(Ordering::Relaxed) == HEAD
    }

    /// To be called when a request is over and all of its body was read: the next byte begins a head.
    pub(crate) fn expect_head(&self) {
        // REFUSED stays: nothing follows a refused head.
        let _ = self.state.compare_exchange(OPEN, HEAD, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Of the head before, only the place is left for the next.
    fn forget(&mut self) {
        self.given = 0;
        if self.held.capacity() > KEPT {
            self.held = Vec::new();
        } else {
            self.held.clear();
        }
    }

    /// Gives out what is held. `true` when something was given.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(rest) = self.held.get(self.given..).filter(|rest| !rest.is_empty()) else { return false };
        let take = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..take).unwrap_or_default());
        self.given += take;
        true
    }

    /// The connection as it was before the head was read, where nothing was read after what came with it.
    pub(crate) fn rewound(stream: Stream) -> Option<Stream> {
        let mut guard = stream.into_any().downcast::<Self>().ok()?;
        guard.given = 0;
        Some(guard)
    }

    /// A client who reads nothing for `patience` while something waits for it holds more than its connection: the
    /// application's answer, and a place among its requests.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client reads nothing")))
    }

    /// How much of it waits for a flush now.
    fn put_aside(&mut self, bytes: &[u8]) -> usize {
        if self.scan.is_some() { self.outbox.take(bytes) } else { 0 }
    }

    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.outbox.is_empty() {
            // Nothing is taken of it, so the client is no less stalled than it was.
            return Poll::Ready(Ok(()));
        }
        let emptied = self.outbox.poll_empty(Pin::new(&mut self.inner), cx);
        self.unless_stalled(cx, emptied)
    }

    fn answered(&mut self, bytes: usize) {
        if let Some(flood) = &mut self.flood {
            flood.frames.wrote(bytes);
        }
    }

    /// Whatever is wrong stands in `facts`, or in `arrival`.
    fn refuse(&mut self) {
        self.said = names::said(&self.held);
        self.held = STAND_IN.to_vec();
        self.given = 0;
        self.deadline = None;
        self.state.store(REFUSED, Ordering::Relaxed);
    }

    /// Reads until the head is whole, refused, or must be waited for.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.given > 0 {
            self.forget();
        }
        loop {
            if let Some(deadline) = self.deadline.as_mut()
                && deadline.as_mut().poll(cx).is_ready()
            {
                self.arrival = Arrival::Late;
                self.refuse();
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [const { MaybeUninit::uninit() }; 4096];
            let mut fresh = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut fresh))?;
            if fresh.filled().is_empty() {
                // End of stream; inside a head it is the client's business, nothing was asked.
                self.held.clear();
                self.given = 0;
                return Poll::Ready(Ok(()));
            }
            let first = self.held.is_empty();
            self.held.extend_from_slice(fresh.filled());
            let Some(scan) = self.scan.as_mut() else { return Poll::Ready(Ok(())) };
            if first {
                if self.begun > 0 {
                    scan.next_request();
                }
                self.begun = self.begun.saturating_add(1);
            }
            if scan.read(fresh.filled()).is_err() {
                self.refuse();
                return Poll::Ready(Ok(()));
            }
            if scan.head_done() {
                let surplus = scan.has_surplus().then_some(ScanFault::Pipelined);
                if let Some(fault) = names::fault(&self.held).or(surplus) {
                    scan.blame(fault);
                    self.refuse();
                    return Poll::Ready(Ok(()));
                }
                self.deadline = None;
                self.state.store(OPEN, Ordering::Relaxed);
                return Poll::Ready(Ok(()));
            }
            // Most heads come whole, and need no clock.
            if self.deadline.is_none() {
                self.deadline = Some(Box::pin(tokio::time::sleep(self.limit)));
            }
        }
    }
}

impl AsyncRead for Guard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let me = &mut *self;
        let state = me.state.load(Ordering::Relaxed);
        if state != HEAD && me.give(buf) {
            return Poll::Ready(Ok(()));
        }
        match state {
            HEAD => {
                ready!(me.poll_head(cx))?;
                me.give(buf);
                Poll::Ready(Ok(()))
            }
            // The stand-in is all there is.
            REFUSED => Poll::Ready(Ok(())),
            _ => {
                let before = buf.filled().len();
                ready!(Pin::new(&mut me.inner).poll_read(cx, buf))?;
                if let Some(scan) = me.scan.as_mut()
                    && scan.read(buf.filled().get(before..).unwrap_or_default()).is_err()
                {
                    return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, "malformed chunked body")));
                }
                if let Some(flood) = me.flood.as_mut() {
                    flood.read(buf.filled().get(before..).unwrap_or_default(), cx)?;
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let taken = self.put_aside(bytes);
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        ready!(self.poll_empty(cx))?;
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        let written = ready!(self.unless_stalled(cx, written))?;
        self.answered(written);
        Poll::Ready(Ok(written))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_empty(cx))?;
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.unless_stalled(cx, flushed)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_empty(cx))?;
        let closed = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.unless_stalled(cx, closed)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, b: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let mut taken = 0;
        for bytes in b {
            let some = self.put_aside(bytes);
            taken += some;
            if some < bytes.len() {
                break;
            }
        }
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        ready!(self.poll_empty(cx))?;
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, b);
        let written = ready!(self.unless_stalled(cx, written))?;
        self.answered(written);
        Poll::Ready(Ok(written))
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Half an answer shows that it is half; none would look like a request that nobody saw (RFC 9112 §9.3.1).
impl Drop for Guard {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        if !self.outbox.is_empty() && self.outbox.poll_empty(Pin::new(&mut self.inner), &mut cx).is_ready() {
            // As far as it goes without waiting.
            let _ = Pin::new(&mut self.inner).poll_flush(&mut cx);
        }
    }
}

#[async_trait]
impl Shutdown for Guard {
    async fn shutdown(&mut self) {
        // It says goodbye, which a client that reads nothing never hears.
        let patience = self.patience;
        let _ = tokio::time::timeout(patience, async {
            let _ = poll_fn(|cx| self.poll_empty(cx)).await;
            Shutdown::shutdown(&mut *self.inner).await;
        })
        .await;
    }
}

impl UniqueID for Guard {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Guard {
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

impl GetTimingDigest for Guard {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Guard {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Guard {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for Guard {}
