//! From a TCP connection to Pingora's HTTP engine, with every wait bounded.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as TcpStream;
use pingora::protocols::tls::TlsRef;
use pingora::protocols::tls::server::handshake_with_callback;
use pingora::protocols::{ALPN, GetSocketDigest, Stream};
use pingora::server::ShutdownWatch;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

use super::engine::Engine;
use super::guard::Guard;
use super::head::Facts;
use super::http1;
use super::http2::{self, Refused};
use super::limits::Limits;
use super::tls::TlsPolicy;
use crate::observe::Metrics;

/// The longest `ClientHello` that is read, in bytes.
const LONGEST_HELLO: usize = 64 * 1024;

/// Who may connect, and how.
pub(crate) enum Door {
    /// TLS, by the policy in force when the connection comes.
    Tls(Box<dyn Fn() -> Arc<TlsPolicy> + Send + Sync>),
    /// Plain HTTP, for the peers that may use it: trusted proxies, or anybody where all is redirected.
    Plain(Box<dyn Fn(IpAddr) -> bool + Send + Sync>),
}

/// Sits between Pingora's TCP listener and its HTTP engine `A`.
pub(crate) struct Front<A> {
    inner: Arc<A>,
    door: Door,
    limits: Limits,
    /// Connections that may be open at once, over all listeners.
    connections: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// Told of what Pingora turns away itself.
    refused: Refused,
}

impl<A> Front<A> {
    pub(crate) fn new(
        inner: Arc<A>,
        door: Door,
        limits: Limits,
        connections: Arc<Semaphore>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { inner, door, limits, connections, metrics, refused: Box::new(|_| {}) }
    }

    /// `refused` is told of each HTTP/2 stream that Pingora turns away itself.
    #[must_use]
    pub(crate) fn telling(self, refused: Refused) -> Self {
        Self { refused, ..self }
    }
}

/// What became of a connection before its first request; for metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Accepted,
    /// More HTTP/2 frames that ask for nothing than are read.
    Flooded,
    HandshakeFailed,
    HandshakeTimedOut,
    NotTrusted,
    TooMany,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Flooded => "flooded",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeTimedOut => "handshake_timed_out",
            Self::NotTrusted => "not_trusted",
            Self::TooMany => "too_many",
        }
    }
}

#[async_trait]
impl<A: Engine + Send + Sync + 'static> ServerApp for Front<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let Ok(_open) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.metrics.connection(Outcome::TooMany);
            return None;
        };
        // INVARIANT: the listener knows no TLS, so what Pingora hands over is its plain TCP stream.
        let tcp = *stream.into_any().downcast::<TcpStream>().ok()?;
        let stream = match &self.door {
            Door::Tls(policy) => {
                // Boxed, so that the connection does not carry its state for as long as it lives.
                let handshake = Box::pin(handshake(tcp, policy()));
                match tokio::time::timeout(self.limits.handshake_timeout, handshake).await {
                    Ok(Some(stream)) => stream,
                    Ok(None) => {
                        self.metrics.connection(Outcome::HandshakeFailed);
                        return None;
                    }
                    Err(_) => {
                        self.metrics.connection(Outcome::HandshakeTimedOut);
                        return None;
                    }
                }
            }
            Door::Plain(trusted) => {
                if !peer_address(&tcp).is_some_and(trusted) {
                    self.metrics.connection(Outcome::NotTrusted);
                    return None;
                }
                Box::new(tcp)
            }
        };
        self.metrics.connection(Outcome::Accepted);
        let http2 = stream.selected_alpn_proto() == Some(ALPN::H2);
        let flooded = Arc::new(AtomicBool::new(false));
        let guarded = Guard::wrap(stream, &self.limits, &flooded);
        if !http2 {
            http1::serve(&self.inner, guarded, self.limits.keepalive_timeout, shutdown).await;
            return None;
        }
        Box::pin(http2::serve(&self.inner, guarded, shutdown, &self.refused)).await;
        if flooded.load(Ordering::Relaxed) {
            self.metrics.connection(Outcome::Flooded);
        }
        None
    }

    async fn cleanup(&self) {
        self.inner.http_cleanup().await;
    }
}

fn peer_address(stream: &TcpStream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    digest.peer_addr()?.as_inet().map(|address| address.ip().to_canonical())
}

/// `None`: whatever went wrong, the client is told by TLS itself and nothing is kept.
async fn handshake(mut tcp: TcpStream, policy: Arc<TlsPolicy>) -> Option<Stream> {
    let server_name = peek_server_name(&mut tcp).await?;
    let chosen = policy.choose(server_name.as_deref());
    let acceptor = Acceptor::from_server_config(policy.config(chosen)?);
    let facts = Facts { policy, chosen, certificate: None };
    let tls = handshake_with_callback(&acceptor, tcp, &Remember(facts)).await.ok()?;
    Some(Box::new(tls))
}

/// Leaves what the handshake settled where a request finds it again.
struct Remember(Facts);

#[async_trait]
impl TlsAccept for Remember {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        let mut facts = self.0.clone();
        let shown = facts.policy.clients(facts.chosen).zip(tls.peer_certificate_der());
        facts.certificate = shown.and_then(|(clients, der)| clients.read(der)).map(Arc::new);
        Some(Arc::new(facts))
    }
}

/// Reads the `ClientHello` and puts its bytes back. Outer `None`: not TLS.
async fn peek_server_name(tcp: &mut TcpStream) -> Option<Option<String>> {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut seen = Vec::with_capacity(2048);
    loop {
        let before = seen.len();
        if tcp.read_buf(&mut seen).await.ok()? == 0 || seen.len() > LONGEST_HELLO {
            return None;
        }
        let mut fresh = seen.get(before..)?;
        while !fresh.is_empty() {
            acceptor.read_tls(&mut fresh).ok()?;
        }
        match acceptor.accept() {
            Ok(Some(hello)) => {
                let name = hello.client_hello().server_name().map(str::to_owned);
                tcp.rewind(&seen);
                return Some(name);
            }
            Ok(None) => {}
            // Put back too: the real handshake fails on the same bytes and sends the alert.
            Err(_) => {
                tcp.rewind(&seen);
                return Some(None);
            }
        }
    }
}
