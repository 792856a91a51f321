//! Who asks? Clients that say exactly what a test wants said.

mod raw;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use raw::{Ended, Raw, RawAnswer};

use crate::holders::Holder;
use crate::within;

pub type Sending = BoxBody<Bytes, io::Error>;

/// One connection, with or without TLS.
pub struct Client {
    /// What `Host` or `:authority` says.
    pub authority: String,
    scheme: &'static str,
    sender: Sender,
}

enum Sender {
    H1(http1::SendRequest<Sending>),
    H2(http2::SendRequest<Sending>),
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Client {
    /// HTTP/1.1 over TLS. `ca` is PEM; `sni` is what the certificate must say.
    pub async fn h1(address: SocketAddr, sni: &str, ca: &str) -> io::Result<Self> {
        let stream = tls(address, sni, ca, &[b"http/1.1"]).await?;
        Self::over_h1(stream, "https", format!("{sni}:{}", address.port())).await
    }

    /// The same, by somebody with a certificate.
    pub async fn h1_as(holder: &Holder, address: SocketAddr, sni: &str, ca: &str) -> io::Result<Self> {
        let stream = tls_as(Some(holder), address, sni, ca, &[b"http/1.1"]).await?;
        Self::over_h1(stream, "https", sni.to_owned()).await
    }

    /// HTTP/2, by somebody with a certificate.
    pub async fn h2_as(holder: &Holder, address: SocketAddr, sni: &str, ca: &str) -> io::Result<Self> {
        let stream = tls_as(Some(holder), address, sni, ca, &[b"h2"]).await?;
        Self::over_h2(stream, "https", sni.to_owned()).await
    }

    /// HTTP/2 over TLS.
    pub async fn h2(address: SocketAddr, sni: &str, ca: &str) -> io::Result<Self> {
        let stream = tls(address, sni, ca, &[b"h2"]).await?;
        Self::over_h2(stream, "https", format!("{sni}:{}", address.port())).await
    }

    /// HTTP/1.1 without TLS.
    pub async fn plain(address: SocketAddr) -> io::Result<Self> {
        Self::over_h1(tcp(address).await?, "http", address.to_string()).await
    }

    /// HTTP/2 without TLS, with prior knowledge.
    pub async fn h2c(address: SocketAddr) -> io::Result<Self> {
        Self::over_h2(tcp(address).await?, "http", address.to_string()).await
    }

    async fn over_h1(stream: impl Transport, scheme: &'static str, authority: String) -> io::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Self { authority, scheme, sender: Sender::H1(sender) })
    }

    async fn over_h2(stream: impl Transport, scheme: &'static str, authority: String) -> io::Result<Self> {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { authority, scheme, sender: Sender::H2(sender) })
    }

    pub async fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", target, fields, "").await
    }

    pub async fn post_json(&mut self, target: &str, fields: &[(&str, &str)], body: &serde_json::Value) -> Answer {
        let fields = [&[("content-type", "application/json")], fields].concat();
        self.send("POST", target, &fields, body.to_string()).await
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn send(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = self.request(method, target, fields, body);
        let answer =
            async { Answer::read(self.open(request).await.expect("an answer")).await.expect("a whole answer") };
        within(&format!("an answer to {method} {target}"), answer).await
    }

    /// A request as this connection wants it; `Host` is added on HTTP/1 unless `fields` has one.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Request<Sending> {
        let mut request = Request::new(Full::new(body.into()).map_err(|impossible| match impossible {}).boxed());
        *request.method_mut() = method.parse().unwrap();
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value);
        }
        *request.uri_mut() = match self.sender {
            Sender::H1(_) => {
                let authority = HeaderValue::from_str(&self.authority).unwrap();
                request.headers_mut().entry(HOST).or_insert(authority);
                target.parse().unwrap()
            }
            Sender::H2(_) => Uri::builder()
                .scheme(self.scheme)
                .authority(self.authority.as_str())
                .path_and_query(target)
                .build()
                .unwrap(),
        };
        request
    }

    /// Sends any request and gives the answer while its body is still coming.
    pub async fn open(&mut self, request: Request<Sending>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::H1(sender) => sender.is_closed(),
            Sender::H2(sender) => sender.is_closed(),
        }
    }
}

impl Answer {
    pub async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok(Self { status: head.status, version: head.version, headers: head.headers, body: body.to_bytes(), trailers })
    }

    /// The only value of a field; `None` when it is absent, a panic when it is repeated or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        assert!(values.next().is_none(), "`{name}` is repeated: {self:#?}");
        Some(first.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }

    /// Status and `code` of a problem document: `(403, "forbidden")`.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:#?}");
        (self.status.as_u16(), self.json()["code"].as_str().expect("a `code`").to_owned())
    }
}

/// Any byte stream.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A TLS connection that trusts `ca` (PEM) alone and offers `protocols` by ALPN.
pub async fn tls(address: SocketAddr, sni: &str, ca: &str, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    tls_as(None, address, sni, ca, protocols).await
}

/// The same, by somebody with a certificate.
pub async fn tls_as(
    holder: Option<&Holder>,
    address: SocketAddr,
    sni: &str,
    ca: &str,
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.expect("a CA in PEM")).expect("a usable CA");
    }
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut config = match holder {
        None => builder.with_no_client_auth(),
        Some(holder) => builder.with_client_auth_cert(holder.chain(), holder.key()).expect("a usable certificate"),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(sni.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp(address).await?).await
}
