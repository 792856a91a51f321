//! What asks others on our behalf? HTTP clients for issuers, providers and applications.
//!
//! They follow no redirect. What they may ask, how long and how much of an answer they read is said where they are used.

use std::error::Error;

use pingora::tls::{RootCertStore, load_platform_certs_incl_env_into_store};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

#[derive(Clone)]
pub(crate) struct Clients {
    /// For loopback, which no proxy of the environment can reach.
    direct: Client,
    outside: Client,
}

impl Clients {
    /// `bounds` sets what they may take.
    ///
    /// # Errors
    /// Why none can be made, which is about this machine.
    pub(crate) fn new(bounds: impl Fn(ClientBuilder) -> ClientBuilder) -> Result<Self, String> {
        super::install_crypto();
        let agent = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
        let builder = || bounds(Client::builder().user_agent(agent).redirect(Policy::none()));
        Ok(Self { direct: build(|| builder().no_proxy())?, outside: build(builder)? })
    }

    /// The one that asks `url`: plain HTTP is spoken on loopback only.
    pub(crate) fn to(&self, url: &str) -> &Client {
        if url.starts_with("http:") { &self.direct } else { &self.outside }
    }

    /// The one that uses no proxy of the environment.
    pub(crate) fn direct(self) -> Client {
        self.direct
    }
}

/// Where the machine trusts no certificate authority, neither does the client: what it asks over HTTPS fails then, and
/// what asks nobody goes on.
fn build(builder: impl Fn() -> ClientBuilder) -> Result<Client, String> {
    let trusts_nobody = |_| builder().tls_certs_only([]).build();
    builder().build().or_else(trusts_nobody).map_err(|fault: reqwest::Error| chain(&fault))
}

/// Looks at the certificate authorities this machine trusts, before Pingora does, which ends the process when they
/// cannot be read. Says so where there are none.
///
/// # Errors
/// What cannot be read, and what names it.
pub(crate) fn look_at_authorities() -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    load_platform_certs_incl_env_into_store(&mut roots).map_err(|fault| {
        let why = fault.root_cause();
        format!("the certificate authorities of this machine cannot be read: {why}\nhelp: mend what SSL_CERT_FILE and SSL_CERT_DIR name, or the package ca-certificates")
    })?;
    if roots.is_empty() {
        let help = "install the package ca-certificates, or point SSL_CERT_FILE at a bundle in PEM";
        tracing::warn!(help, "this machine trusts no certificate authority: nothing outside can be asked over HTTPS");
    }
    Ok(())
}

/// A fault with all that led to it.
pub(crate) fn chain(fault: &dyn Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(fault) = cause {
        text.push_str(": ");
        text.push_str(&fault.to_string());
        cause = fault.source();
    }
    text
}
