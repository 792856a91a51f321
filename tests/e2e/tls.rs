//! Which certificate, for whom, and which requests may travel under it?

mod certificates;
mod misdirected;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_tests::site::{Setup, Site};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The site's own certificate is the first; the second is for `other.test` and everything below `wild.test`.
const SECOND: &str = "[[tls.certificates]]\ncert = \"certs/other.pem\"\nkey = \"certs/other.key\"\n";

struct Two {
    site: Site,
    /// Both authorities, PEM.
    ca: String,
    second: CertificateDer<'static>,
}

async fn two() -> Two {
    let issuer = authority();
    let (pem, key) = issue(&issuer, &["other.test", "*.wild.test"]);
    let second = leaf(&pem);
    let site = Setup::new()
        .route("all", "GET /{*rest}", "public", "")
        .section(SECOND)
        .file("certs/other.pem", pem)
        .file("certs/other.key", key)
        .start()
        .await;
    let ca = format!("{}{}", site.ca(), issuer.pem());
    Two { site, ca, second }
}

fn validity() -> Validity {
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = std::time::SystemTime::now();
    let day = Duration::from_hours(24);
    Validity { from: now - day, until: now + day }
}

fn authority() -> Authority {
    Authority::generate("another authority", validity()).unwrap()
}

/// Certificate and key, PEM.
fn issue(authority: &Authority, names: &[&str]) -> (String, String) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = Leaf { subject: "other".to_owned(), names, purposes: vec![Purpose::Server], valid: validity() };
    let issued = authority.issue(&leaf).unwrap();
    (issued.pem.clone(), issued.key.pem().clone())
}

fn leaf(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A client that speaks `versions`.
fn client(ca: &str, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

async fn connect(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await
}

/// What is shown to a client that asks for `name`.
async fn shown(address: SocketAddr, name: &str, ca: &str) -> std::io::Result<CertificateDer<'static>> {
    let stream = connect(address, name, &client(ca, rustls::ALL_VERSIONS)).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone())
}
