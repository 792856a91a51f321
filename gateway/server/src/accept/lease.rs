//! How long may an answer go on? Until its credential or its time is over, whether bytes flow or not.
//!
//! Pingora's timeouts begin anew at each read, so a stream that says a word now and then outlives any of them, and an
//! HTTP/2 stream has none. This wrapper drops the whole request when its lease is over: HTTP/1 closes the connection,
//! HTTP/2 resets the stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::{HttpProxy, ProxyHttp, Session};
use pingora::server::ShutdownWatch;

use super::engine::Engine;

tokio::task_local! {
    /// INVARIANT: Pingora runs all callbacks of one request in the task that called `process_new_http`.
    static LEASE: Mutex<Option<End>>;
}

/// When a lease is over.
enum End {
    /// After this; no timer is made of it unless there is something to wait for.
    After(Duration),
    When(BoxFuture<'static, ()>),
}

impl End {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::After(span) = *self {
            *self = Self::When(Box::pin(tokio::time::sleep(span)));
        }
        let Self::When(end) = self else { return Poll::Pending };
        end.as_mut().poll(cx)
    }
}

/// Who ends the request that a callback belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Lease<'a> {
    /// Its own task.
    Own,
    /// The request that it runs within.
    Lent(&'a Lent),
}

impl<'a> Lease<'a> {
    pub(crate) fn of(lent: Option<&'a Lent>) -> Self {
        lent.map_or(Self::Own, Self::Lent)
    }

    /// The request ends after `span`, whatever it is doing then.
    pub(crate) fn ends_after(self, span: Duration) {
        self.ends(End::After(span));
    }

    /// As [`Self::ends_after`], when `over` comes to pass.
    pub(crate) fn ends_when(self, over: impl Future<Output = ()> + Send + 'static) {
        self.ends(End::When(Box::pin(over)));
    }

    fn ends(self, end: End) {
        match self {
            // Without a scope there is nobody who could end it; every request has one.
            Self::Own => drop(LEASE.try_with(|lease| *lease.lock() = Some(end))),
            Self::Lent(lent) => {
                *lent.0.end.lock() = Some(end);
                lent.0.waker.wake();
            }
        }
    }
}

/// The end of a request, in the hands of the one that runs within it, in a task of its own.
#[derive(Clone)]
pub(crate) struct Lent(Arc<Loan>);

struct Loan {
    end: Mutex<Option<End>>,
    waker: AtomicWaker,
}

/// Puts the end of the current request into other hands.
pub(crate) fn lend() -> Lent {
    let loan = Arc::new(Loan { end: Mutex::new(None), waker: AtomicWaker::new() });
    let lent = Lent(Arc::clone(&loan));
    Lease::Own.ends_when(poll_fn(move |cx| {
        loan.waker.register(cx.waker());
        loan.end.lock().as_mut().map_or(Poll::Pending, |end| end.poll(cx))
    }));
    lent
}

fn is_over(cx: &mut Context<'_>) -> bool {
    LEASE.with(|lease| lease.lock().as_mut().is_some_and(|end| end.poll(cx).is_ready()))
}

/// Serves a request until its lease is over. INVARIANT: every request is served within this.
///
/// `served` is pinned where it comes from: its state would be held, and moved, twice.
pub(crate) async fn bounded<T>(mut served: Pin<&mut (impl Future<Output = Option<T>> + ?Sized)>) -> Option<T> {
    let bounded = poll_fn(move |cx| {
        // First, because a busy stream may leave its task no budget for a clock; and again, to be woken by a
        // lease that was granted just now.
        if is_over(cx) {
            return Poll::Ready(None);
        }
        match served.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending if is_over(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    LEASE.scope(Mutex::new(None), bounded).await
}

/// Pingora's engine, each request under a lease.
pub(crate) struct Leased<P>(Arc<HttpProxy<P>>);

impl<P> Leased<P> {
    pub(crate) fn new(engine: HttpProxy<P>) -> Self {
        Self(Arc::new(engine))
    }
}

#[async_trait]
impl<P> HttpServerApp for Leased<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        bounded(self.0.process_new_http(session, shutdown).as_mut()).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.0.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.0.server_options()
    }

    async fn http_cleanup(&self) {
        self.0.http_cleanup().await;
    }
}

#[async_trait]
impl<P> Engine for Leased<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn serve(&self, session: Session, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        bounded(self.0.process_new_http(*session.downstream_session, shutdown).as_mut()).await
    }
}
