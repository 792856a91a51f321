//! From files to something that can be published. The same code for start, reload and `check`.

use std::path::Path;
use std::sync::Arc;

use portcullis_core::config::{ConfigError, Source, TlsVersion};
use portcullis_core::moment::Moment;
use portcullis_core::snapshot::{self, Snapshot};
use rustls::server::ProducesTickets;

use super::Published;
use crate::accept::TlsPolicy;
use crate::accept::tls::{Material, Oldest};
use crate::forward::{Peers, Upstream};

/// A configuration that compiled, with what its operator should know.
pub(crate) struct Compiled {
    pub(crate) published: Published,
    pub(crate) warnings: Vec<ConfigError>,
}

/// Reads, compiles and warms. All errors at once.
pub(crate) fn compile(
    entry: &Path,
    source: &dyn Source,
    tickets: &Arc<dyn ProducesTickets>,
    now: Moment,
) -> Result<Compiled, Vec<ConfigError>> {
    let built = snapshot::compile(entry, source)?;
    let mut errors = Vec::new();
    let tls = tls(&built.snapshot, source, tickets, &mut errors);
    let peers = peers(&built.snapshot, source, &mut errors);
    match (tls, peers) {
        (Some(tls), Some(peers)) if errors.is_empty() => Ok(Compiled {
            published: Published { snapshot: built.snapshot, tls: Arc::new(tls), peers, since: now },
            warnings: built.warnings,
        }),
        _ => {
            errors.sort();
            Err(errors)
        }
    }
}

fn tls(
    snapshot: &Snapshot,
    source: &dyn Source,
    tickets: &Arc<dyn ProducesTickets>,
    errors: &mut Vec<ConfigError>,
) -> Option<TlsPolicy> {
    let config = snapshot.tls();
    let mut read = |path: &Path| match source.read(&snapshot.root().join(path)) {
        Ok(bytes) => Some(bytes),
        Err(fault) => {
            let mut error = ConfigError::of_file(&snapshot.root().join(path), fault.to_string());
            error.help = Some("name an existing PEM file in `[[tls.certificates]]`, relative to the root".to_owned());
            errors.push(error);
            None
        }
    };
    let materials: Vec<Option<Material>> = config
        .certificates
        .iter()
        .map(|pair| {
            let (cert, key) = (read(&pair.cert), read(&pair.key));
            Some(Material {
                cert_file: pair.cert.display().to_string(),
                cert: cert?,
                key_file: pair.key.display().to_string(),
                key: key?,
            })
        })
        .collect();
    let materials: Vec<Material> = materials.into_iter().collect::<Option<_>>()?;
    let oldest = match config.min_version {
        TlsVersion::V12 => Oldest::Tls12,
        TlsVersion::V13 => Oldest::Tls13,
    };
    match TlsPolicy::compile(&materials, oldest, tickets) {
        Ok(policy) => Some(policy),
        Err(faults) => {
            errors.extend(faults.into_iter().map(|fault| {
                let mut error = ConfigError::of_file(&snapshot.root().join(&fault.file), fault.message);
                error.help = Some(fault.help);
                error
            }));
            None
        }
    }
}

fn peers(snapshot: &Snapshot, source: &dyn Source, errors: &mut Vec<ConfigError>) -> Option<Peers> {
    let mut upstreams = Vec::new();
    for (name, config) in snapshot.upstreams() {
        let authorities = match &config.ca {
            None => None,
            Some(path) => match source.read(&snapshot.root().join(path)) {
                Ok(pem) => Some(pem),
                Err(fault) => {
                    errors.push(ConfigError::of_file(&snapshot.root().join(path), fault.to_string()));
                    continue;
                }
            },
        };
        match Upstream::compile(name, config, authorities.as_deref()) {
            Ok(upstream) => {
                // Warm: an address that is not found now is looked for again in the background.
                upstream.resolve();
                upstreams.push(Arc::new(upstream));
            }
            Err(fault) => {
                let file =
                    config.ca.as_ref().map_or_else(|| snapshot.entry().to_owned(), |ca| snapshot.root().join(ca));
                errors.push(ConfigError::of_file(&file, format!("upstream `{}`: {}", fault.upstream, fault.message)));
            }
        }
    }
    errors.is_empty().then_some(Peers { upstreams })
}
