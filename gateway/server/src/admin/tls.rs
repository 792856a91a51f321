//! The admin listener's certificate: the first of the configuration, replaced with it.

use axum_server::tls_rustls::RustlsConfig;

use crate::accept::TlsPolicy;

/// Where the certificate in use is kept. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct TlsSlot {
    config: RustlsConfig,
}

impl TlsSlot {
    /// `None` when the policy holds no certificate at all.
    pub(crate) fn new(policy: &TlsPolicy) -> Option<Self> {
        Some(Self { config: RustlsConfig::from_config(policy.config(0)?) })
    }

    pub(crate) fn replace(&self, policy: &TlsPolicy) {
        if let Some(config) = policy.config(0) {
            self.config.reload_from_config(config);
        }
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }
}
