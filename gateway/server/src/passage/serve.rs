//! Who serves a request? We, from its head to its end, where we can; else Pingora.
//!
//! Pingora's engine prepares for all that may come of a request: a cache, modules, bodies that stream both ways. Over
//! HTTP/1 most requests need none of it, and are served here with its parts: its session with the client, our way
//! through the stages, the application asked straight. What turns out to need more goes to Pingora from the start: the
//! guard still has the head, and [`CARRIED`] what was judged. INVARIANT: nothing is judged, charged or recorded twice.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::{HttpProxy, Session, SubrequestSpawner};
use pingora::server::ShutdownWatch;

use super::{Ctx, Passage, Way, again};
use crate::accept::{Engine, Guard, lease};

tokio::task_local! {
    /// INVARIANT: Pingora makes the context of a request in the task that called `process_new_http`.
    static CARRIED: Cell<Option<Box<Ctx>>>;
}

/// The context that a request brings to Pingora.
pub(super) fn carried() -> Option<Box<Ctx>> {
    CARRIED.try_with(Cell::take).ok().flatten()
}

/// The gateway: we, and Pingora behind us.
pub(crate) struct Server {
    passage: Passage,
    pingora: Arc<HttpProxy<Passage>>,
}

impl Server {
    /// `pingora` calls `passage` back.
    pub(crate) fn new(passage: Passage, pingora: HttpProxy<Passage>) -> Self {
        Self { passage, pingora: Arc::new(pingora) }
    }

    async fn request(&self, mut session: Session, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        match session.as_downstream_mut().read_request().await {
            Ok(true) if session.req_header().method != Method::CONNECT => {}
            Ok(false) => return None,
            // Pingora has its answers to these.
            Ok(true) | Err(_) => return Box::pin(self.hand_over(session, None, shutdown)).await,
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        self.passage.prepare(&mut session);
        let mut ctx = Box::new(Ctx { ours: true, ..Ctx::default() });
        let served = match self.passage.way(&mut session, &mut ctx).await {
            Way::Straight => self.passage.straight(&mut session, &mut ctx).await,
            Way::Turned(turned) => self.passage.answer(&mut session, &mut ctx, turned).await,
            Way::Pingora => return Box::pin(self.hand_over(session, Some(ctx), shutdown)).await,
            Way::Again => {
                session.subrequest_spawner = Some(SubrequestSpawner::new(Arc::clone(&self.pingora) as _));
                let inner = std::mem::take(&mut ctx);
                ctx.envelope = inner.envelope.clone();
                Box::pin(again::forward(&mut session, inner)).await
            }
        };
        if let Err(e) = served {
            Box::pin(self.passage.fail(&mut session, &e, &mut ctx)).await;
            self.passage.end(&mut session, &mut ctx);
            session.downstream_session.on_proxy_failure(e);
            return None;
        }
        self.passage.end(&mut session, &mut ctx);
        let settings = HttpPersistentSettings::for_session(&session);
        let reused = session.downstream_session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(reused, settings))
    }

    /// Nothing of its body was read yet.
    async fn hand_over(
        &self,
        session: Session,
        ctx: Option<Box<Ctx>>,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let (keepalive, reuses) = (session.get_keepalive(), session.get_keepalive_reuses_remaining());
        let ServerSession::H1(http1) = *session.downstream_session else { return None };
        let mut session = ServerSession::new_http1(Guard::rewound(http1.into_inner())?);
        session.set_keepalive(keepalive);
        session.set_keepalive_reuses_remaining(reuses);
        CARRIED.scope(Cell::new(ctx), self.pingora.process_new_http(session, shutdown)).await
    }
}

#[async_trait]
impl Engine for Server {
    async fn serve(&self, session: Session, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        lease::bounded(pin!(self.request(session, shutdown))).await
    }
}

#[async_trait]
impl HttpServerApp for Server {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        lease::bounded(self.pingora.process_new_http(session, shutdown).as_mut()).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.pingora.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.pingora.server_options()
    }

    async fn http_cleanup(&self) {
        self.pingora.http_cleanup().await;
    }
}
