//! Chosen by name, replaced without a restart, kept when the new one is broken.

use std::sync::Arc;

use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{client, connect, leaf, shown, two};

#[tokio::test(flavor = "multi_thread")]
async fn the_name_asked_for_chooses() {
    let two = two().await;
    let (address, first) = (two.site.address(), leaf(&two.site.files.read("certs/app.pem")));
    for (name, expected) in [
        ("app.test", &first),
        ("APP.test", &first),
        ("127.0.0.1", &first),
        ("other.test", &two.second),
        ("OTHER.TEST", &two.second),
        ("a.wild.test", &two.second),
    ] {
        assert_eq!(&shown(address, name, &two.ca).await.unwrap(), expected, "{name}");
    }
    for stranger in ["wild.test", "a.b.wild.test", "nobody.test"] {
        assert!(shown(address, stranger, &two.ca).await.is_err(), "{stranger} gets the default, which is not its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_shown_without_a_restart() {
    let site = Setup::new().route("all", "GET /{*rest}", "public", "").start().await;
    let mut old = site.h1().await;
    assert_eq!(old.get("/a", &[]).await.status, 200);
    let before = shown(site.address(), "app.test", site.ca()).await.unwrap();
    site.issue("app", &["app.test"]);
    let after = leaf(&site.files.read("certs/app.pem"));
    assert_ne!(before, after);
    within("the new certificate", async {
        while shown(site.address(), "app.test", site.ca()).await.unwrap_or(before.clone()) != after {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(old.get("/b", &[]).await.status, 200, "the old connection lives on");
    assert_eq!(site.h2().await.get("/c", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_certificate_keeps_the_old_and_is_reported() {
    let site = Setup::new().route("all", "GET /{*rest}", "public", "").start().await;
    let good = site.files.read("certs/app.pem");
    for broken in ["", "no PEM at all", &good.replace("MII", "XXX")] {
        site.files.write("certs/app.pem", broken);
        let errors = site.gateway.reload().await.unwrap_err();
        assert!(errors.iter().any(|error| error.to_string().contains("certs/app.pem")), "{errors:?}");
        assert_eq!(shown(site.address(), "app.test", site.ca()).await.unwrap(), leaf(&good));
    }
    // The key of another certificate.
    site.issue("stranger", &["app.test"]);
    site.files.write("certs/app.pem", &good);
    let key = site.files.read("certs/app.key");
    site.files.write("certs/app.key", site.files.read("certs/stranger.key"));
    site.gateway.reload().await.unwrap_err();
    let authorization = format!("Bearer {}", site.admin_key());
    let status = site.admin().await.get("/v1/status", &[("authorization", &authorization)]).await.json();
    let pending = status["config"]["pending_errors"].to_string();
    assert!(pending.contains("certs/app.key"), "{status:#}");
    assert_eq!(site.h1().await.get("/a", &[]).await.status, 200);
    site.files.write("certs/app.key", key);
    site.gateway.reload().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn speaks_the_oldest_version_allowed_and_none_before() {
    let modern =
        Setup::new().route("all", "GET /a", "public", "").section("[tls]\nmin_version = \"1.3\"").start().await;
    connect(modern.address(), "app.test", &client(modern.ca(), &[&TLS12])).await.unwrap_err();
    connect(modern.address(), "app.test", &client(modern.ca(), &[&TLS13])).await.unwrap();
    let usual = Setup::new().route("all", "GET /a", "public", "").start().await;
    connect(usual.address(), "app.test", &client(usual.ca(), &[&TLS12])).await.unwrap();
    connect(usual.address(), "app.test", &client(usual.ca(), &[&TLS13])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_returns_resumes_its_session() {
    let site = Setup::new().route("all", "GET /a", "public", "").start().await;
    for version in [&TLS12, &TLS13] {
        let client = client(site.ca(), &[version]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(visit(&site, &client).await);
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_resumes_at_another_replica_that_shares_the_secret_and_at_no_other() {
    let start = |secret: &'static str| {
        let section = format!("[tls]\nticket_secret = \"{secret}\"");
        async move { Setup::new().route("all", "GET /a", "public", "").section(&section).start().await }
    };
    let shared = "a secret of more than thirty-two letters";
    let (one, other) = (start(shared).await, start(shared).await);
    let stranger = start("another secret, which is as long as that").await;
    let ca = format!("{}{}{}", one.ca(), other.ca(), stranger.ca());
    for version in [&TLS12, &TLS13] {
        let client = client(&ca, &[version]);
        let mut kinds = Vec::new();
        for site in [&one, &other, &stranger] {
            kinds.push(visit(site, &client).await);
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full], "{version:?}");
    }
}

/// One request on a connection of its own; the ticket of TLS 1.3 comes with its answer.
async fn visit(site: &Site, client: &Arc<ClientConfig>) -> HandshakeKind {
    let mut stream = connect(site.address(), "app.test", client).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    stream.get_ref().1.handshake_kind().unwrap()
}
