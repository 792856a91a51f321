//! Which certificate, under which settings? Chosen by the client's SNI, replaced without a restart.

pub(crate) mod clients;

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use clients::Clients;

/// One certificate of the configuration, as read from its files.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    pub(crate) cert_file: String,
    pub(crate) cert: Vec<u8>,
    pub(crate) key_file: String,
    pub(crate) key: Vec<u8>,
    /// In the place of the certificate's own names; empty: those.
    pub(crate) hosts: Vec<String>,
    pub(crate) clients: Option<clients::Material>,
}

/// What is wrong with one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TlsFault {
    pub(crate) file: String,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// All certificates in force. The first is for clients that name no known server.
pub(crate) struct TlsPolicy {
    configs: Vec<Arc<ServerConfig>>,
    by_name: HashMap<String, usize>,
    /// What each asks of its clients.
    clients: Vec<Option<Clients>>,
    admin: Option<Door>,
    /// Seconds since the epoch, with the file's name; for the expiry metric.
    pub(crate) expiries: Vec<(String, i64)>,
}

/// The admin listener: the first certificate, and who vouches for administrators. What the application asks of its own
/// clients is not asked there.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) config: Arc<ServerConfig>,
    /// What is asked of clients; `None`: nothing.
    pub(crate) clients: Option<Clients>,
}

/// The oldest TLS version that is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Oldest {
    Tls12,
    Tls13,
}

impl TlsPolicy {
    /// Compiles all certificates, or says everything that is wrong with them.
    pub(crate) fn compile(
        materials: &[Material],
        administrators: Option<clients::Material>,
        oldest: Oldest,
        tickets: &Arc<dyn ProducesTickets>,
    ) -> Result<Self, Vec<TlsFault>> {
        let (configs, by_name, clients, expiries) = (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        let mut policy = Self { configs, by_name, clients, admin: None, expiries };
        let mut faults = Vec::new();
        for material in materials {
            match one(material, oldest, tickets) {
                Ok((config, clients, names, expiry)) => {
                    let index = policy.configs.len();
                    policy.configs.push(Arc::new(config));
                    policy.clients.push(clients);
                    policy.expiries.push((material.cert_file.clone(), expiry));
                    for name in names {
                        policy.by_name.entry(name).or_insert(index);
                    }
                }
                Err(fault) => faults.push(fault),
            }
        }
        if let Some(first) = materials.first() {
            match one(&Material { clients: administrators, ..first.clone() }, oldest, tickets) {
                Ok((mut config, clients, ..)) => {
                    // See `admin::bounds`.
                    config.alpn_protocols = vec![b"http/1.1".to_vec()];
                    policy.admin = Some(Door { config: Arc::new(config), clients });
                }
                Err(fault) if !faults.contains(&fault) => faults.push(fault),
                Err(_) => {}
            }
        }
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }

    /// `None` where there is no certificate at all.
    pub(crate) fn admin(&self) -> Option<&Door> {
        self.admin.as_ref()
    }

    /// Which settings a name selects: exact, then one-label wildcard, then the first.
    pub(crate) fn choose(&self, name: Option<&str>) -> usize {
        if self.configs.len() < 2 {
            return 0;
        }
        let Some(name) = name else { return 0 };
        let exact = self.by_name.get(name).or_else(|| self.by_name.get(name.to_ascii_lowercase().as_str()));
        let found = exact.or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(format!("*.{}", parent.to_ascii_lowercase()).as_str())
        });
        found.copied().unwrap_or(0)
    }

    /// Whether some certificate is for this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        self.by_name.contains_key(name) || wildcard.is_some_and(|wildcard| self.by_name.contains_key(&wildcard))
    }

    /// What is asked of clients there; `None`: nothing.
    pub(crate) fn clients(&self, index: usize) -> Option<Clients> {
        self.clients.get(index).copied().flatten()
    }

    pub(crate) fn config(&self, index: usize) -> Option<Arc<ServerConfig>> {
        self.configs.get(index).cloned()
    }
}

type Compiled = (ServerConfig, Option<Clients>, Vec<String>, i64);

fn one(material: &Material, oldest: Oldest, tickets: &Arc<dyn ProducesTickets>) -> Result<Compiled, TlsFault> {
    let cert_fault =
        |message: String, help: &str| TlsFault { file: material.cert_file.clone(), message, help: help.to_owned() };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&material.cert).collect::<Result<_, _>>().map_err(|e| {
            cert_fault(format!("not readable as PEM: {e}"), "give the certificate chain in PEM, leaf first")
        })?;
    let leaf = chain.first().ok_or_else(|| {
        cert_fault("holds no certificate".to_owned(), "give the certificate chain in PEM, leaf first")
    })?;
    let (_, parsed) = X509Certificate::from_der(leaf)
        .map_err(|e| cert_fault(format!("not a certificate: {e}"), "give an X.509 certificate"))?;
    let names = if material.hosts.is_empty() { dns_names(&parsed) } else { material.hosts.clone() };
    let expiry = parsed.validity().not_after.timestamp();
    let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(|e| TlsFault {
        file: material.key_file.clone(),
        message: match e {
            PemError::NoItemsFound => "holds no private key".to_owned(),
            other => format!("not readable as a private key: {other}"),
        },
        help: "give the unencrypted key in PEM (PKCS#8, SEC1 or PKCS#1)".to_owned(),
    })?;
    let versions: &[&rustls::SupportedProtocolVersion] = match oldest {
        Oldest::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        Oldest::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_protocol_versions(versions);
    let (builder, clients) = match &material.clients {
        None => (builder.with_no_client_auth(), None),
        Some(clients) => (builder.with_client_cert_verifier(clients.verifier()?), Some(clients.settings())),
    };
    let mut config = builder.with_single_cert(chain.clone(), key).map_err(|e| TlsFault {
        file: material.key_file.clone(),
        message: match e {
            rustls::Error::InconsistentKeys(_) => format!("does not belong to `{}`", material.cert_file),
            other => format!("cannot be used with `{}`: {other}", material.cert_file),
        },
        help: "give the key that the certificate was issued for".to_owned(),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    if clients.is_some() {
        // A resumed session is not asked again whether its certificate was revoked since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Arc::clone(tickets);
        config.send_tls13_tickets = 1;
    }
    Ok((config, clients, names, expiry))
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
