//! From files to something that can be published. The same code for start, reload and `check`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_core::config::{
    ClientCertificatesConfig, ConfigError, ControlSource, Listener, Machine, Source, Terms, TlsConfig, TlsVersion,
    UpstreamConfig, load, load_under,
};
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use portcullis_core::snapshot::{self, Built, Snapshot, Texts};

use super::Published;
use super::asked::{Asked, Noting};
use super::overlay::Overlay;
use crate::accept::TlsPolicy;
use crate::accept::tls::{Material, Oldest, clients};
use crate::forward::{Peers, Upstream};
use crate::world::{self, Tickets};

/// How a fault of an upstream's `ca` is mended.
const AUTHORITIES: &str =
    "name a PEM file with the certificates of those who vouch for the targets, relative to the root";

/// A configuration that compiled, with what its operator should know.
pub(crate) struct Compiled {
    pub(crate) published: Published,
    /// What of it is this machine's own.
    pub(crate) machine: Machine,
    pub(crate) warnings: Vec<ConfigError>,
    /// What it depends on.
    pub(crate) asked: Arc<Asked>,
}

/// What it takes to compile the files of this machine.
pub(crate) struct Compiler {
    /// The main file.
    pub(crate) entry: PathBuf,
    pub(crate) source: Box<dyn Source + Send + Sync>,
    pub(crate) tickets: Tickets,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a gateway begins with.
pub(crate) enum First {
    /// Its files decide.
    Compiled(Box<Compiled>),
    /// The store decides, and the files say what is this machine's own.
    Machine(Box<Machine>),
}

impl First {
    pub(crate) fn machine(&self) -> &Machine {
        match self {
            Self::Compiled(compiled) => &compiled.machine,
            Self::Machine(machine) => machine,
        }
    }
}

impl Compiler {
    /// Compiles the files if they decide. Blocks.
    pub(crate) fn first(&self) -> Result<First, Vec<ConfigError>> {
        let (noting, now) = (Noting::of(&*self.source), self.clock.now().wall);
        let first = roomy(|| {
            let by_files = |machine: &Machine| machine.control().source == ControlSource::Files;
            let built = snapshot::compile_if(&self.entry, &noting, by_files);
            let built = built.map_err(|errors| and_ours(errors, (&self.entry, Terms::Own), &noting, &self.tickets))?;
            Ok::<_, Vec<ConfigError>>(match built {
                Ok(built) => First::Compiled(Box::new(whole(built, &self.entry, &noting, (&self.tickets, now))?)),
                Err(machine) => First::Machine(Box::new(machine)),
            })
        })?;
        Ok(match first {
            First::Compiled(compiled) => {
                First::Compiled(Box::new(Compiled { asked: Arc::new(noting.asked()), ..*compiled }))
            }
            First::Machine(machine) => First::Machine(machine),
        })
    }

    /// Reads, compiles and warms. All errors at once; blocks for as long as it takes.
    pub(crate) fn compile(&self) -> Result<Compiled, Vec<ConfigError>> {
        compile(&self.entry, &*self.source, &self.tickets, self.clock.now().wall)
    }

    /// Whether whoever asked this of the files would be told the same now. Blocks.
    pub(crate) fn holds(&self, asked: &Asked) -> bool {
        asked.holds(&*self.source)
    }

    /// What is this machine's own, whatever the rest of its files says.
    pub(crate) fn machine(&self) -> Result<Machine, Vec<ConfigError>> {
        load(&self.entry, &*self.source).map(|loaded| loaded.machine())
    }

    /// As [`Self::compile`], with the texts of a revision in the place of the machine's own.
    pub(crate) fn compile_texts(
        &self,
        texts: &Texts,
        machine: &Machine,
        text: Text,
    ) -> Result<Compiled, Vec<ConfigError>> {
        let main = Texts::name(machine.root(), &self.entry);
        if texts.main != main {
            let message =
                format!("the main file of the revision is `{}`, and that of this gateway is `{main}`", texts.main);
            return Err(vec![ConfigError::of_file(&self.entry, message)]);
        }
        let noting = Noting::of(&*self.source);
        let overlay = Overlay { texts, machine, below: &noting };
        let (terms, now) = (text.terms(machine), self.clock.now().wall);
        let mut compiled = roomy(|| compile_here(&self.entry, &overlay, &self.tickets, (now, terms)))?;
        compiled.asked = Arc::new(noting.asked());
        let read = &compiled.published.texts.files;
        let mut errors = Vec::new();
        let mut refuse = |path: &String, message: &str, help: &str| {
            let mut error = ConfigError::of_file(&machine.root().join(path), message);
            error.help = Some(help.to_owned());
            errors.push(error);
        };
        for path in read.keys().filter(|path| !texts.files.contains_key(*path)) {
            refuse(path, "is not among the files of the revision", "a revision holds every text that it is made of");
        }
        for path in texts.files.keys().filter(|path| text == Text::Sent && !read.contains_key(*path)) {
            refuse(path, "nothing refers to this file", "leave it out, or name it in the configuration");
        }
        if errors.is_empty() { Ok(compiled) } else { Err(errors) }
    }
}

/// Where texts come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Text {
    /// The store: they were applied before.
    Kept,
    /// Whoever wants to apply them.
    Sent,
}

impl Text {
    fn terms(self, machine: &Machine) -> Terms<'_> {
        match self {
            Self::Kept => Terms::Revision(machine),
            Self::Sent => Terms::Applying(machine),
        }
    }
}

/// The stack that compiling has: policies are taken apart by recursion, and a worker's stack is small.
const STACK: usize = 64 * 1024 * 1024;

/// Reads, compiles and warms. All errors at once.
pub(crate) fn compile(
    entry: &Path,
    source: &(dyn Source + Send + Sync),
    tickets: &Tickets,
    now: Moment,
) -> Result<Compiled, Vec<ConfigError>> {
    let noting = Noting::of(source);
    let mut compiled = roomy(|| compile_here(entry, &noting, tickets, (now, Terms::Own)))?;
    compiled.asked = Arc::new(noting.asked());
    Ok(compiled)
}

/// Does it on a thread with room enough for policies, and waits.
pub(crate) fn roomy<T: Send>(work: impl Fn() -> T + Sync + Send) -> T {
    std::thread::scope(|scope| {
        let roomy = std::thread::Builder::new().name("compile".to_owned()).stack_size(STACK);
        match roomy.spawn_scoped(scope, &work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread to be had: the bounds of what is read hold here too.
            Err(_) => work(),
        }
    })
}

fn compile_here(
    entry: &Path,
    source: &dyn Source,
    tickets: &Tickets,
    (now, terms): (Moment, Terms<'_>),
) -> Result<Compiled, Vec<ConfigError>> {
    let built = snapshot::compile_under(entry, source, terms)
        .map_err(|errors| and_ours(errors, (entry, terms), source, tickets))?;
    whole(built, entry, source, (tickets, now))
}

/// With what the core leaves to whoever serves.
fn whole(
    built: Built,
    entry: &Path,
    source: &dyn Source,
    (tickets, now): (&Tickets, Moment),
) -> Result<Compiled, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let snapshot = &built.snapshot;
    let asked = snapshot.server().admin_client_certificates.as_ref();
    let tls = tls((snapshot.tls(), asked), snapshot.root(), source, tickets, &mut errors);
    let peers = peers(snapshot.upstreams(), snapshot.root(), entry, source, &mut errors);
    match (tls, peers) {
        (Some(tls), Some(peers)) if errors.is_empty() => {
            let mut warnings = built.warnings;
            warnings.extend(expired(&tls, &built.snapshot, now));
            warnings.extend(nameless(&tls, &built.snapshot, entry));
            let hash = built.texts.hash().to_string();
            let (snapshot, texts, tls) = (built.snapshot, built.texts, Arc::new(tls));
            let (revision, lapsed) = (None, None);
            let published = Published { snapshot, texts, hash, revision, lapsed, tls, peers, since: now };
            Ok(Compiled { published, machine: built.machine, warnings, asked: Arc::default() })
        }
        _ => {
            errors.sort();
            Err(errors)
        }
    }
}

/// What else is wrong, so that nobody has to mend one half to hear of the other.
fn and_ours(
    mut errors: Vec<ConfigError>,
    (entry, terms): (&Path, Terms<'_>),
    source: &dyn Source,
    tickets: &Tickets,
) -> Vec<ConfigError> {
    if let Ok(loaded) = load_under(entry, source, terms) {
        let asked = loaded.config.server.admin_client_certificates.as_ref();
        tls((&loaded.config.tls, asked), &loaded.root, source, tickets, &mut errors);
        peers(loaded.config.upstreams.iter(), &loaded.root, entry, source, &mut errors);
        errors.sort();
    }
    errors
}

/// Not an error: a gateway that starts again after an outage must not stay away because a renewal is late.
fn expired(tls: &TlsPolicy, snapshot: &Snapshot, now: Moment) -> Vec<ConfigError> {
    let late = tls.expiries.iter().filter(|(_, expiry)| *expiry <= now.seconds());
    late.map(|(file, _)| {
        let mut warning =
            ConfigError::of_file(&snapshot.root().join(file), "the certificate has expired: clients will refuse it");
        warning.help = Some("renew it; the new file is picked up without a restart".to_owned());
        warning
    })
    .collect()
}

/// Logins come under `public_url` alone: a browser that meets another's certificate there never gets so far. Whoever has
/// a proxy before the gateway answers for the name there.
fn nameless(tls: &TlsPolicy, snapshot: &Snapshot, entry: &Path) -> Option<ConfigError> {
    let server = snapshot.server();
    let ours = !snapshot.providers().is_empty() && server.trusted_proxies.is_empty() && server.https != Listener::Off;
    let authority = snapshot.public_url().strip_prefix("https://").filter(|_| ours)?;
    let host = authority.parse::<http::uri::Authority>().ok()?.host().to_ascii_lowercase();
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    if is_address || tls.names(&host) {
        return None;
    }
    let message = format!("no certificate is for `{host}`, the host of `public_url`, where people log in");
    let mut warning = ConfigError::of_file(entry, message);
    warning.help = Some("add one to `[[tls.certificates]]`, or mend `public_url`".to_owned());
    Some(warning)
}

fn tls(
    (config, administrators): (&TlsConfig, Option<&ClientCertificatesConfig>),
    root: &Path,
    source: &dyn Source,
    tickets: &Tickets,
    errors: &mut Vec<ConfigError>,
) -> Option<TlsPolicy> {
    let mut read_at = |path: &Path, place: &str| match source.read(&root.join(path)) {
        Ok(bytes) => Some(bytes),
        Err(fault) => {
            let mut error = ConfigError::of_file(&root.join(path), fault.to_string());
            error.help = Some(format!("name an existing PEM file in `{place}`, relative to the root"));
            errors.push(error);
            None
        }
    };
    let mut read = |path: &Path| read_at(path, "[[tls.certificates]]");
    let materials: Vec<Option<Material>> = config
        .certificates
        .iter()
        .map(|pair| {
            let (cert, key) = (read(&pair.cert), read(&pair.key));
            let clients = match &pair.client_certificates {
                None => Some(None),
                Some(config) => clients(config, &mut read).map(Some),
            };
            Some(Material {
                cert_file: pair.cert.display().to_string(),
                cert: cert?,
                key_file: pair.key.display().to_string(),
                key: key?,
                hosts: pair.hosts.clone(),
                clients: clients?,
            })
        })
        .collect();
    let administrators = match administrators {
        None => Some(None),
        Some(config) => clients(config, &mut |path: &Path| read_at(path, "server.admin_client_certificates")).map(Some),
    };
    let (materials, administrators) = (materials.into_iter().collect::<Option<Vec<_>>>()?, administrators?);
    let oldest = match config.min_version {
        TlsVersion::V12 => Oldest::Tls12,
        TlsVersion::V13 => Oldest::Tls13,
    };
    let shared = config.ticket_secret.as_ref().map(world::shared_tickets).transpose();
    let tickets = match shared.and_then(|shared| shared.map_or_else(|| tickets.get().cloned(), Ok)) {
        Ok(tickets) => tickets,
        Err(message) => {
            errors.push(ConfigError::of_file(root, message));
            return None;
        }
    };
    match TlsPolicy::compile(&materials, administrators, oldest, &tickets) {
        Ok(policy) => Some(policy),
        Err(faults) => {
            errors.extend(faults.into_iter().map(|fault| {
                let mut error = ConfigError::of_file(&root.join(&fault.file), fault.message);
                error.help = Some(fault.help);
                error
            }));
            None
        }
    }
}

/// Reads what is asked of clients; all of its files are tried, so that all faults are told.
fn clients(
    config: &ClientCertificatesConfig,
    read: &mut impl FnMut(&Path) -> Option<Vec<u8>>,
) -> Option<clients::Material> {
    let mut all = |paths: &[PathBuf]| {
        let read: Vec<_> = paths.iter().map(|path| Some((path.display().to_string(), read(path)?))).collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    };
    let (authorities, revocations) = (all(&config.ca), all(&config.crl));
    Some(clients::Material {
        authorities: authorities?,
        revocations: revocations?,
        demand: config.demand,
        name: config.name,
    })
}

fn peers<'a>(
    configs: impl Iterator<Item = (&'a String, &'a UpstreamConfig)>,
    root: &Path,
    entry: &Path,
    source: &dyn Source,
    errors: &mut Vec<ConfigError>,
) -> Option<Peers> {
    let mut upstreams = Vec::new();
    for (name, config) in configs {
        let authorities = match &config.ca {
            None => None,
            Some(path) => match source.read(&root.join(path)) {
                Ok(pem) => Some(pem),
                Err(fault) => {
                    let mut error = ConfigError::of_file(&root.join(path), format!("upstream `{name}`: `ca` {fault}"));
                    error.help = Some(AUTHORITIES.to_owned());
                    errors.push(error);
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
                let file = config.ca.as_ref().map_or_else(|| entry.to_owned(), |ca| root.join(ca));
                let message = format!("upstream `{}`: {}", fault.upstream, fault.message);
                let mut error = ConfigError::of_file(&file, message);
                error.help = config.ca.is_some().then(|| AUTHORITIES.to_owned());
                errors.push(error);
            }
        }
    }
    errors.is_empty().then_some(Peers::new(upstreams))
}
