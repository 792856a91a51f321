//! What serves the requests of a connection?

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::proxy::Session;
use pingora::server::ShutdownWatch;

/// Pingora's application, and what may come before it.
#[async_trait]
pub(crate) trait Engine: HttpServerApp {
    /// Serves one request of an HTTP/1 connection, whose head the guard holds. `None`: nothing may follow it.
    async fn serve(&self, session: Session, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream>;
}
