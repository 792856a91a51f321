//! Is this our gateway? It shows the very certificate that the configuration names, and proves to hold its key.
//!
//! Names, dates and authorities say nothing here: the admin listener is asked by its address, while its certificate is
//! the application's, often self-signed.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

#[derive(Debug)]
struct Pinned {
    trusted: Trusted,
    provider: Arc<CryptoProvider>,
}

/// Whose answers are believed.
#[derive(Debug)]
pub(super) enum Trusted {
    /// For whoever tells no secret and asks for none.
    Anybody,
    /// Whoever shows one of these certificates.
    These(Vec<CertificateDer<'static>>),
}

/// A certificate and its key, from one file in PEM.
pub(super) struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Own {
    /// # Errors
    /// In an operator's words.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let wrong = |what: String| format!("`{}` {what}", file.display());
        let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        let key = PrivateKeyDer::from_pem_slice(&pem).ok();
        match (chain.is_empty(), key) {
            (false, Some(key)) => Ok(Self { chain, key }),
            (true, _) => Err(wrong("holds no certificate in PEM".to_owned())),
            (false, None) => Err(wrong("holds no private key in PEM beside its certificate".to_owned())),
        }
    }
}

/// A client that trusts these and no others, and shows `own` to whoever asks.
pub(super) fn client(trusted: Trusted, own: Option<Own>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned { trusted, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match own {
        None => Ok(config.with_no_client_auth()),
        Some(Own { chain, key }) => config.with_client_auth_cert(chain, key),
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ours = match &self.trusted {
            Trusted::Anybody => true,
            Trusted::These(leaves) => leaves.iter().any(|leaf| leaf == shown),
        };
        if ours {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
