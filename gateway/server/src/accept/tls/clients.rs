//! Who vouches for clients, and what does a client's certificate say?

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::config::{CertificateName, Demand};
use portcullis_core::moment::Moment;
use portcullis_core::request::ClientCertificate;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::TlsFault;

/// What is asked of clients, as read from its files.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    /// Each with its name.
    pub(crate) authorities: Vec<(String, Vec<u8>)>,
    pub(crate) revocations: Vec<(String, Vec<u8>)>,
    pub(crate) demand: Demand,
    pub(crate) name: CertificateName,
}

/// What is asked of clients, in the form in which two of them are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Clients {
    /// Over everything that decides who is let in.
    hash: [u8; 32],
    name: CertificateName,
}

impl Material {
    /// Verifies certificates by these authorities and revocation lists.
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsFault> {
        let fault = |file: &str, message: String, help: &str| TlsFault {
            file: file.to_owned(),
            message,
            help: help.to_owned(),
        };
        let mut roots = RootCertStore::empty();
        for (file, pem) in &self.authorities {
            let help = "give the certificates of the authorities that vouch for clients, in PEM";
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|error| fault(file, format!("not readable as PEM: {error}"), help))?;
                roots.add(certificate).map_err(|error| fault(file, format!("not an authority: {error}"), help))?;
            }
            if roots.len() == before {
                return Err(fault(file, "holds no certificate".to_owned(), help));
            }
        }
        let mut lists = Vec::new();
        for (file, pem) in &self.revocations {
            let help = "give the authorities' revocation lists in PEM (`X509 CRL`)";
            let before = lists.len();
            for list in CertificateRevocationListDer::pem_slice_iter(pem) {
                lists.push(list.map_err(|error| fault(file, format!("not readable as PEM: {error}"), help))?);
            }
            if lists.len() == before {
                return Err(fault(file, "holds no revocation list".to_owned(), help));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if !lists.is_empty() {
            // A list that nobody renews says nothing of what was revoked since.
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        if self.demand == Demand::Optional {
            builder = builder.allow_unauthenticated();
        }
        let file = self.revocations.first().or(self.authorities.first()).map_or("", |(file, _)| file.as_str());
        let built = builder.build();
        built.map(|verifier| verifier as _).map_err(|error| fault(file, format!("cannot be used: {error}"), "renew it"))
    }

    pub(super) fn settings(&self) -> Clients {
        let mut whole = Context::new(&SHA256);
        whole.update(if self.demand == Demand::Required { b"required" } else { b"optional" });
        for (kind, files) in [(&b"ca"[..], &self.authorities), (&b"crl"[..], &self.revocations)] {
            for (_, content) in files {
                whole.update(kind);
                whole.update(digest(&SHA256, content).as_ref());
            }
        }
        Clients { hash: array(whole.finish().as_ref()), name: self.name }
    }
}

impl Clients {
    /// What a verified certificate says. `None`: it cannot be read, though it was verified.
    pub(crate) fn read(self, der: &[u8]) -> Option<ClientCertificate> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let spki = array(digest(&SHA256, certificate.public_key().raw).as_ref());
        let names = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(shown).collect::<Vec<Box<str>>>(),
            Ok(None) => Vec::new(),
            Err(_) => return None,
        };
        let of = |kind: &str| names.iter().map(AsRef::as_ref).find_map(|name: &str| name.strip_prefix(kind));
        let name = match self.name {
            CertificateName::San => of("uri:").or_else(|| of("dns:")).or_else(|| of("email:")).map(Arc::from),
            CertificateName::Spki => Some(Arc::from(URL_SAFE_NO_PAD.encode(spki))),
        };
        Some(ClientCertificate {
            name,
            subject: certificate.subject().to_string().into(),
            issuer: certificate.issuer().to_string().into(),
            serial: certificate.raw_serial_as_string().replace(':', "").into(),
            sans: names,
            spki,
            thumbprint: array(digest(&SHA256, der).as_ref()),
            not_after: Moment::from_seconds(certificate.validity().not_after.timestamp()),
        })
    }
}

/// A subject alternative name with its kind; `None` for kinds that name nobody.
fn shown(name: &GeneralName<'_>) -> Option<Box<str>> {
    let text = match name {
        GeneralName::DNSName(name) => format!("dns:{}", name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let address: std::net::IpAddr = match <[u8; 4]>::try_from(*bytes) {
                Ok(four) => four.into(),
                Err(_) => <[u8; 16]>::try_from(*bytes).ok()?.into(),
            };
            format!("ip:{address}")
        }
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::URI(name) => format!("uri:{name}"),
        _ => return None,
    };
    Some(text.into())
}

/// SHA-256 is 32 bytes long; zeros would match nothing.
fn array(hash: &[u8]) -> [u8; 32] {
    hash.try_into().unwrap_or([0; 32])
}
