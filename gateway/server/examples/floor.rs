//! What does Pingora cost by itself? The floor that docs/performance.md compares with: its proxy, its own TLS, no
//! filter of ours.
//!
//! `floor LISTEN UPSTREAM CERT KEY`; one worker.

#![expect(clippy::unwrap_used, reason = "a tool for measuring")]

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::{HttpPeer, Result, Server, http_proxy_service};
use pingora::proxy::{ProxyHttp, Session};
use pingora::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(&self.upstream, false, String::new())))
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().unwrap();
    let (listen, upstream, cert, key) = (word(), word(), word(), word());
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let mut server =
        Server::new_with_opt_and_conf(None, ServerConf { threads: 1, work_stealing: false, ..ServerConf::default() });
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    let mut tls = TlsSettings::intermediate(&cert, &key).unwrap();
    tls.enable_h2();
    service.add_tls_with_settings(&listen, None, tls);
    server.add_service(service);
    server.run_forever();
}
