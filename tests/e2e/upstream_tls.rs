//! Is an https application the one it claims to be?

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::Upstream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn validity() -> Validity {
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = SystemTime::now();
    Validity { from: now - Duration::from_hours(1), until: now + Duration::from_hours(1) }
}

/// An application that proves to be `orders.test` by `authority`.
async fn secure(authority: &Authority, protocols: &[&[u8]]) -> Upstream {
    portcullis_server::world::install_crypto();
    let leaf = Leaf {
        subject: "orders".to_owned(),
        names: ["orders.test".to_owned()].into(),
        purposes: vec![Purpose::Server],
        valid: validity(),
    };
    let issued = authority.issue(&leaf).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.pem().as_bytes()).unwrap();
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Upstream::recording_tls(Arc::new(config)).await
}

async fn site(target: &Upstream, authority: &Authority, upstream: &str) -> Site {
    // The same application once more, without the authority that vouches for it.
    let other = format!(
        "[upstreams.other]\ntargets = [\"{}\"]\nsni = \"orders.test\"\n[[routes]]\nname = \"other\"\nmatch = \"GET /other\"\nupstream = \"other\"\nauthenticate = \"public\"\n",
        target.url()
    );
    Setup::new()
        .targets(&format!("\"{}\"", target.url()))
        .upstream(upstream)
        .section(&other)
        .schema("action \"other\" in [\"public\"] appliesTo { principal: [Anonymous], resource: [App] };")
        .file("certs/upstream-ca.pem", authority.pem())
        .route("page", "GET /", "public", "")
        .start()
        .await
}

const TRUSTED: &str = "ca = \"certs/upstream-ca.pem\"\nsni = \"orders.test\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_and_a_wrong_name_are_502() {
    let authority = Authority::generate("upstream authority", validity()).unwrap();
    let target = secure(&authority, &[]).await;
    for upstream in [
        "sni = \"orders.test\"",
        "ca = \"certs/upstream-ca.pem\"\nsni = \"other.test\"",
        "ca = \"certs/upstream-ca.pem\"",
    ] {
        let site = site(&target, &authority, upstream).await;
        assert_eq!(site.h1().await.get("/", &[]).await.problem(), (502, "upstream_failed".to_owned()), "{upstream}");
    }
    assert_eq!(target.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upstreams_authority_vouches_for_no_other() {
    let authority = Authority::generate("upstream authority", validity()).unwrap();
    let target = secure(&authority, &[]).await;
    let site = site(&target, &authority, TRUSTED).await;
    let mut client = site.h1().await;
    for _ in 0..2 {
        assert_eq!(client.get("/", &[]).await.status, 200);
    }
    assert_eq!(target.connections(), 1, "the trusted connection is kept");
    assert_eq!(client.get("/other", &[]).await.problem(), (502, "upstream_failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_both_want_it() {
    let authority = Authority::generate("upstream authority", validity()).unwrap();
    let target = secure(&authority, &[b"h2", b"http/1.1"]).await;
    for (more, version) in [("", hyper::Version::HTTP_11), ("http2 = true\n", hyper::Version::HTTP_2)] {
        let site = site(&target, &authority, &format!("{TRUSTED}{more}")).await;
        assert_eq!(site.h2().await.get("/", &[]).await.status, 200);
        assert_eq!(target.requests().last().unwrap().version, version);
    }
}
