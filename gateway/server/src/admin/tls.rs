//! Who is at the door? The admin listener's certificate, as it is in force now, and the certificate that is shown there.

use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use futures::future::BoxFuture;
use portcullis_core::request::ClientCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer as _;

use super::problem::Refused;
use crate::accept::tls::clients::Clients;
use crate::control::Published;
use crate::shared::Shared;

/// What a connection was made with.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    asked: Option<Clients>,
    shown: Option<Arc<ClientCertificate>>,
}

impl Visitor {
    /// The certificate of the connection that a request came over.
    ///
    /// # Errors
    /// 421 where another is asked for by now: an open connection must not outlive what its certificate was verified by.
    pub(super) fn certificate(parts: &Parts, published: &Published) -> Result<Option<Arc<ClientCertificate>>, Refused> {
        let Some(visitor) = parts.extensions.get::<Self>() else { return Ok(None) };
        if visitor.asked != published.tls.admin().and_then(|door| door.clients) {
            let detail = "what is asked of clients here has changed since this connection was made: make another";
            return Err(Refused::new(StatusCode::MISDIRECTED_REQUEST, "misdirected_request", detail));
        }
        Ok(visitor.shown.clone())
    }
}

/// Makes the handshakes of the admin listener, each under the configuration in force.
#[derive(Clone)]
pub(super) struct Doorkeeper(pub(super) Arc<Shared>);

impl<I, S> Accept<I, S> for Doorkeeper
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Send + 'static,
{
    type Stream = <RustlsAcceptor as Accept<I, S>>::Stream;
    type Service = AddExtension<S, Visitor>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let published = self.0.current();
        Box::pin(async move {
            let door = published.tls.admin().ok_or_else(|| io::Error::other("no certificate to answer with"))?;
            let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::clone(&door.config)));
            let (stream, service) = acceptor.accept(stream, service).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let shown = match door.clients.zip(shown) {
                None => None,
                // It was verified, so whoever showed it must not pass for somebody who showed none.
                Some((clients, der)) => {
                    let read = clients.read(der).ok_or_else(|| io::Error::other("a certificate that cannot be read"));
                    Some(Arc::new(read?))
                }
            };
            let visitor = Visitor { asked: door.clients, shown };
            Ok((stream, Extension(visitor).layer(service)))
        })
    }
}
