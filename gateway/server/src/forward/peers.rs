//! Which target? Round robin over the healthy ones, another one for each retry.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderName;
use pingora::connectors::TransportConnector;
use pingora::protocols::{ALPN, Stream};
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use pingora::utils::tls::{WrappedX509, parse_x509};
use pingora::{Error, ErrorType, Result as Done};
use portcullis_core::config::{TargetScheme, TargetUrl, UpstreamConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::head;
use super::health::{Failed, Health};
use super::identity::IdentityNames;
use super::kept::Kept;
use super::tunnel::{Patience, Tunnels};
use super::wire::Wire;

/// Streams on one HTTP/2 connection to an upstream.
const STREAMS: usize = 100;

/// All upstreams of one configuration, by index.
pub(crate) struct Peers {
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    /// Every name under which some application learns who is calling, less those that are ours anyway: no client may
    /// say any of them to any.
    pub(crate) identity_names: Vec<HeaderName>,
}

impl Peers {
    pub(crate) fn new(upstreams: Vec<Arc<Upstream>>) -> Self {
        let mut identity_names: Vec<HeaderName> = Vec::new();
        for name in upstreams.iter().flat_map(|upstream| upstream.names.all()) {
            if !head::is_ours(name) && !identity_names.contains(name) {
                identity_names.push(name.clone());
            }
        }
        Self { upstreams, identity_names }
    }
}

/// One application, at one or more addresses.
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) spec: UpstreamConfig,
    pub(crate) names: IdentityNames,
    targets: Vec<Target>,
    turn: AtomicUsize,
    places: Arc<Semaphore>,
}

/// One address of an application.
pub(crate) struct Target {
    pub(crate) label: Arc<str>,
    url: TargetUrl,
    template: HttpPeer,
    address: ArcSwapOption<SocketAddr>,
    health: Health,
    kept: Kept,
}

/// What is wrong with an upstream's own files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PeerFault {
    pub(crate) upstream: String,
    pub(crate) message: String,
}

impl Upstream {
    /// `ca`: the PEM text of the authorities that may vouch for its targets.
    pub(crate) fn compile(name: &str, spec: &UpstreamConfig, ca: Option<&[u8]>) -> Result<Self, PeerFault> {
        let fault = |message: String| PeerFault { upstream: name.to_owned(), message };
        let authorities = match ca {
            None => None,
            Some(pem) => {
                let ders: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
                    .collect::<Result<_, _>>()
                    .map_err(|e| fault(format!("`ca` is not readable as PEM: {e}")))?;
                if ders.is_empty() {
                    return Err(fault("`ca` holds no certificate".to_owned()));
                }
                for der in &ders {
                    x509_parser::parse_x509_certificate(der)
                        .map_err(|e| fault(format!("`ca` holds something that is not a certificate: {e}")))?;
                }
                Some(ders)
            }
        };
        let targets = spec.targets.iter().map(|url| Target::new(url, spec, authorities.as_deref())).collect();
        Ok(Self {
            name: name.into(),
            names: IdentityNames::of(&spec.identity_headers),
            spec: spec.clone(),
            targets,
            turn: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(usize::try_from(spec.max_connections).unwrap_or(Semaphore::MAX_PERMITS))),
        })
    }

    /// A place among the requests this upstream may have at once; `None` when all are taken.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The next healthy target that is not `not`; failing that, one that at least took connections, `not` last.
    /// `None`: every target is gone or has no address.
    pub(crate) fn choose(&self, not: Option<usize>, now: Duration) -> Option<(usize, &Target)> {
        let count = self.targets.len();
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let order = (0..count).map(|step| (start.wrapping_add(step)) % count);
        let (mut unwell, mut again) = (None, None);
        for index in order {
            let Some(target) = self.targets.get(index) else { continue };
            if target.address.load().is_none() {
                continue;
            }
            if Some(index) == not {
                again = Some((index, target));
            } else if target.health.usable(now) {
                return Some((index, target));
            } else if !target.health.gone() {
                unwell = unwell.or(Some((index, target)));
            }
        }
        unwell.or(again.filter(|(_, target)| !target.health.gone()))
    }

    /// Whether a second attempt would go to another target than the first.
    pub(crate) fn has_another(&self) -> bool {
        self.targets.len() > 1
    }

    pub(crate) fn target(&self, index: usize) -> Option<&Target> {
        self.targets.get(index)
    }

    /// How many targets may be tried now, of how many.
    pub(crate) fn healthy(&self) -> (usize, usize) {
        let usable = self.targets.iter().filter(|t| !t.health.away() && t.address.load().is_some()).count();
        (usable, self.targets.len())
    }

    /// Whether its targets speak HTTP/1 and nothing else.
    pub(crate) fn is_http1(&self) -> bool {
        self.targets.iter().all(|target| target.template.options.alpn == ALPN::H1)
    }

    /// Closes connections that wait in vain.
    pub(crate) fn sweep(&self, now: Duration) {
        for target in &self.targets {
            target.kept.sweep(now);
        }
    }

    /// Looks up the addresses again. Blocks; for background tasks and for loading.
    pub(crate) fn resolve(&self) {
        for target in &self.targets {
            target.resolve();
        }
    }
}

impl Target {
    fn new(url: &TargetUrl, spec: &UpstreamConfig, authorities: Option<&[CertificateDer<'static>]>) -> Self {
        let tls = url.scheme == TargetScheme::Https;
        let server_name = spec.sni.clone().unwrap_or_else(|| url.host.clone());
        // The address is set for each request; this one is never used.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut template = HttpPeer::new(nowhere, tls, server_name);
        template.options.connection_timeout = Some(spec.connect_timeout.0);
        template.options.total_connection_timeout = Some(spec.connect_timeout.0);
        template.options.read_timeout = Some(spec.read_timeout.0);
        template.options.write_timeout = Some(spec.write_timeout.0);
        template.options.idle_timeout = Some(spec.idle_timeout.0);
        template.options.max_h2_streams = STREAMS;
        match url.scheme {
            TargetScheme::H2c => template.options.set_http_version(2, 2),
            TargetScheme::Https if spec.http2 => template.options.alpn = ALPN::H2H1,
            TargetScheme::Http | TargetScheme::Https => {}
        }
        if let Some(ders) = authorities {
            let chain: Vec<WrappedX509> = ders.iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509)).collect();
            template.options.ca = Some(Arc::from(chain));
            // The authorities are not part of Pingora's reuse key; without this a connection that another
            // trust configuration made would be reused.
            template.group_key = fingerprint(ders);
        }
        Self {
            label: format!("{}:{}", url.host, url.port).into(),
            url: url.clone(),
            template,
            address: ArcSwapOption::empty(),
            health: Health::default(),
            kept: Kept::default(),
        }
    }

    fn resolve(&self) {
        let found = (self.url.host.trim_matches(['[', ']']), self.url.port).to_socket_addrs();
        if let Ok(mut addresses) = found
            && let Some(address) = addresses.next()
            && self.address.load().as_deref() != Some(&address)
        {
            self.address.store(Some(Arc::new(address)));
            self.kept.clear();
        }
    }

    /// The peer for one attempt.
    pub(crate) fn peer(&self) -> Option<Box<HttpPeer>> {
        let address = self.address.load_full()?;
        let mut peer = Box::new(self.template.clone());
        peer._address = (*address).into();
        Some(peer)
    }

    /// A connection that waits for a request.
    pub(crate) fn waiting(&self, now: Duration) -> Option<Stream> {
        self.kept.take(now)
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self, connector: &TransportConnector) -> Done<Stream> {
        let peer = self.peer().ok_or_else(|| Error::explain(ErrorType::ConnectError, "the target has no address"))?;
        connector.new_stream(&*peer).await.map(Wire::wrap)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep(&self, stream: Stream, now: Duration) {
        let span = self.template.options.idle_timeout.unwrap_or(Duration::MAX);
        // Nothing is said there until it is asked.
        Wire::limit_silence(&stream, None);
        self.kept.put(stream, now.saturating_add(span));
    }

    pub(crate) fn options(&self) -> &PeerOptions {
        &self.template.options
    }

    pub(crate) fn succeeded(&self) {
        self.health.succeeded();
    }

    pub(crate) fn failed(&self, how: Failed, now: Duration) {
        self.health.failed(how, now);
    }
}

/// The peer for a request whose answer may be a stream, over a connection of its own; `patience` is for its head.
pub(crate) fn become_tunnel(peer: &mut HttpPeer, patience: &Arc<Patience>) {
    peer.options.custom_l4 = Some(Arc::new(Tunnels(Arc::clone(patience))));
    // A kept connection that was made otherwise must not be taken for one.
    peer.group_key = !peer.group_key;
    // Nor is one kept: a tunnel is for one request.
    peer.options.idle_timeout = Some(Duration::ZERO);
}

fn fingerprint(ders: &[CertificateDer<'static>]) -> u64 {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for der in ders {
        context.update(der);
    }
    let digest = context.finish();
    let first = digest.as_ref().first_chunk::<8>().copied().unwrap_or([1; 8]);
    u64::from_be_bytes(first).max(1)
}
