//! From what Pingora read to the request the journey travels with.

use std::sync::Arc;

use http::{Version, header};
use pingora::proxy::Session;
use portcullis_core::framing::{Connection, Head, RawFacts, Stream};
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::request::{ClientCertificate, Request, Scheme};
use portcullis_core::snapshot::Snapshot;

use super::guard::Guard;
use super::tls::TlsPolicy;

/// What the handshake settled.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) policy: Arc<TlsPolicy>,
    pub(super) chosen: usize,
    /// The client's, verified.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

/// Whether anything may follow the head.
pub(crate) fn ends(session: &mut Session) -> Stream {
    if session.is_body_empty() { Stream::Ended } else { Stream::Open }
}

/// Judges the head: framing first, then whether this connection was made for that host.
///
/// `current`: the TLS settings in force. `ends`: whether the head ended an HTTP/2 stream, which only a mutable session tells.
pub(crate) fn request<'a>(
    session: &'a Session,
    ends: Stream,
    snapshot: &Snapshot,
    current: &TlsPolicy,
) -> Result<Request<'a>, Refusal> {
    let received = session.req_header();
    let http2 = received.version == Version::HTTP_2;
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    // Doubt refuses: without an address neither lists nor limits mean anything.
    let peer = peer.ok_or_else(|| Refusal::new(Code::InternalError).because("the peer has no address"))?;
    let tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
    let head = Head {
        method: &received.method,
        target: received.raw_path(),
        authority: if http2 { received.uri.authority().map(http::uri::Authority::as_str) } else { None },
        scheme: if http2 { received.uri.scheme_str() } else { None },
        version: received.version,
        headers: &received.headers,
        raw: Guard::of(session.stream()).map_or_else(RawFacts::default, Guard::facts),
        stream: ends,
    };
    let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
    let mut request = snapshot.framing.check(&head, &Connection { peer, scheme })?;
    let Some(facts) = tls.and_then(|tls| tls.extension.get::<Facts>()) else { return Ok(request) };
    if facts.policy.choose(Some(&request.host)) != facts.chosen {
        let host = if received.headers.contains_key(header::HOST) { "`Host`" } else { "`:authority`" };
        return Err(Refusal::new(Code::MisdirectedRequest)
            .because(format!("{host} names a server with another certificate than this connection was made with")));
    }
    // Authorities and revocation lists may have changed since: whoever came by the old ones comes again.
    if current.clients(current.choose(Some(&request.host))) != facts.policy.clients(facts.chosen) {
        return Err(Refusal::new(Code::MisdirectedRequest)
            .because("what is asked of client certificates has changed since the connection was made"));
    }
    request.certificate = facts.certificate.as_deref();
    Ok(request)
}
