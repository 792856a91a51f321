//! The admin listener's certificate: the first of the configuration, replaced with it.

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;

use crate::accept::TlsPolicy;

/// Where the certificate in use is kept. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct TlsSlot {
    config: RustlsConfig,
}

impl TlsSlot {
    /// `None` when the policy holds no certificate at all.
    pub(crate) fn new(policy: &TlsPolicy) -> Option<Self> {
        Some(Self { config: RustlsConfig::from_config(http1(policy)?) })
    }

    pub(crate) fn replace(&self, policy: &TlsPolicy) {
        if let Some(config) = http1(policy) {
            self.config.reload_from_config(config);
        }
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }
}

/// The first certificate, for HTTP/1.1: see `bounds`.
fn http1(policy: &TlsPolicy) -> Option<Arc<ServerConfig>> {
    let mut config = ServerConfig::clone(&*policy.config(0)?);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(config))
}
