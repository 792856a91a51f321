//! From files to a snapshot: a pure function of what the source says. All errors at once.

mod governance;
mod hierarchy;
mod policies;
mod route;
mod schemas;
mod texts;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Own, Snapshot};
use crate::authorize::Hands;
use crate::config::{ConfigError, ContentHash, Loaded, Machine, PathPart, Source, Terms, load_under};
use crate::framing::{Framing, Limits};
use crate::identify::{Bearer, Certificates, Judges, Providers};
use crate::route::Table;

pub use policies::{Folder, cedar_files, policy_folder};
use texts::Reader;
pub use texts::{Texts, gathered};

/// A snapshot, and what its operator should know of it.
#[derive(Debug)]
pub struct Built {
    pub snapshot: Arc<Snapshot>,
    /// What it was made of.
    pub texts: Texts,
    /// What of it belongs to this machine.
    pub machine: Machine,
    pub warnings: Vec<ConfigError>,
}

/// Reads and compiles the configuration whose main file is `entry`.
pub fn compile(entry: &Path, source: &dyn Source) -> Result<Built, Vec<ConfigError>> {
    compile_under(entry, source, Terms::Own)
}

/// As [`compile`], on these terms.
pub fn compile_under(entry: &Path, source: &dyn Source, terms: Terms<'_>) -> Result<Built, Vec<ConfigError>> {
    let reader = Reader::of(source);
    let loaded = load_under(entry, &reader, terms)?;
    compile_loaded(loaded, entry, &reader, Hands::One)
}

/// As [`compile`] before anything is served, where what belongs to this machine makes it `wanted`; else that alone.
pub fn compile_if(
    entry: &Path,
    source: &dyn Source,
    wanted: impl FnOnce(&Machine) -> bool,
) -> Result<Result<Built, Machine>, Vec<ConfigError>> {
    let reader = Reader::of(source);
    let loaded = load_under(entry, &reader, Terms::Own)?;
    let machine = loaded.machine();
    if wanted(&machine) { compile_loaded(loaded, entry, &reader, Hands::Two).map(Ok) } else { Ok(Err(machine)) }
}

fn compile_loaded(loaded: Loaded, entry: &Path, reader: &Reader<'_>, hands: Hands) -> Result<Built, Vec<ConfigError>> {
    let source: &dyn Source = reader;
    let (read, certificates) = (Vec::new(), Vec::new());
    let mut work = Work { loaded: &loaded, errors: Vec::new(), warnings: Vec::new(), read, certificates };

    let things = things(&mut work, source);
    let policies = policies::compile(&mut work, source, hands);
    let shadow = policies::compile_shadow(&mut work, source);
    let judges = judges(&mut work);
    let Some(judges) = judges else { return Err(work.into_errors()) };
    let judges = Arc::new(judges);
    let governance = governance::compile(&mut work, source, &judges);

    let own =
        Own::compile(&loaded.config, &judges).map_err(|(key, message)| work.refuse(&[key.into()], message, "")).ok();

    let hierarchy =
        hierarchy::compile(&mut work, &things, [policies.as_ref().map(|compiled| &compiled.policies), shadow.as_ref()]);
    let mut entries = Vec::new();
    let mut rules = Vec::new();
    for index in 0..loaded.config.routes.len() {
        let compiled = route::compile(
            &mut work,
            index,
            (policies.as_ref().map(|compiled| &compiled.policies), shadow.as_ref()),
            (&things, &hierarchy),
            &judges,
        );
        if let Some((entry, rule)) = compiled {
            entries.push(entry);
            rules.push(rule);
        }
    }
    let table = if work.errors.is_empty() { table(&mut work, entries) } else { None };
    clashes(&mut work, &rules);
    note_certificates(&mut work, source);
    let (Some(policies), Some(governance), Some(own), Some(table), true) =
        (policies, governance, own, table, work.errors.is_empty())
    else {
        return Err(work.into_errors());
    };

    let Work { mut read, certificates, mut warnings, .. } = work;
    warnings.sort();
    let texts = reader.texts(&loaded, entry, read.iter().map(|(path, _)| path.as_path()));
    read.extend(certificates);
    let version = version(&loaded, &read);
    let server = &loaded.config.server;
    let trusted = server.trusted_proxies.iter().map(|network| network.0).collect();
    let limits = Limits {
        target: usize::try_from(server.max_target_bytes.0).unwrap_or(usize::MAX),
        header_bytes: usize::try_from(server.max_header_bytes.0).unwrap_or(usize::MAX),
        header_fields: usize::try_from(server.max_header_fields).unwrap_or(usize::MAX),
    };
    let by_name: HashMap<Arc<str>, usize> =
        rules.iter().enumerate().map(|(at, rules)| (Arc::clone(&rules.name), at)).collect();
    let machine = loaded.machine();
    let Loaded { config, files, root, .. } = loaded;
    let public_url = config.server.public_url.as_ref().map_or("", crate::config::Origin::as_str).into();
    let files = files.into_iter().map(|file| file.path).chain(read.into_iter().map(|(path, _)| path)).collect();
    let snapshot = Snapshot {
        version,
        framing: Framing::new(limits, trusted),
        table,
        rules: rules.into_iter().map(Arc::new).collect(),
        by_name,
        policies: policies.policies,
        governance,
        judges,
        own,
        config,
        public_url,
        entry: entry.to_owned(),
        root,
        files,
    };
    Ok(Built { snapshot: Arc::new(snapshot), texts, machine, warnings })
}

/// The files that tell of resources and of what things are in.
fn things(work: &mut Work<'_>, source: &dyn Source) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let loaded = work.loaded;
    let of_routes = loaded.config.routes.iter().enumerate().filter_map(|(index, route)| {
        let key = ["routes".into(), index.into(), "resource_attributes".into(), "file".into()];
        Some((key.to_vec(), route.resource_attributes.as_ref()?.file.as_ref()?))
    });
    let of_kinds = loaded.config.hierarchy.iter().filter_map(|(kind, config)| {
        let key = ["hierarchy".into(), kind.as_str().into(), "file".into()];
        Some((key.to_vec(), config.file.as_ref()?))
    });
    for (key, path) in of_routes.chain(of_kinds).collect::<Vec<(Vec<PathPart<'_>>, &PathBuf)>>() {
        let place = loaded.from_root(path);
        match source.read(&place) {
            Ok(bytes) => {
                work.read.push((place, ContentHash::of(&bytes)));
                found.insert(path.clone(), bytes);
            }
            Err(fault) => {
                work.refuse(&key, format!("`{}` {fault}", place.display()), "");
            }
        }
    }
    found
}

/// What compiling works on.
struct Work<'a> {
    loaded: &'a Loaded,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
    /// Texts read beyond those of the configuration itself.
    read: Vec<(PathBuf, ContentHash)>,
    /// Certificates and their keys.
    certificates: Vec<(PathBuf, ContentHash)>,
}

impl Work<'_> {
    fn refuse(&mut self, path: &[PathPart<'_>], message: impl Into<String>, help: impl Into<String>) {
        let help = Some(help.into()).filter(|help: &String| !help.is_empty());
        self.errors.push(self.loaded.error(path, message, help));
    }

    fn warn(&mut self, path: &[PathPart<'_>], message: impl Into<String>) {
        self.warnings.push(self.loaded.error(path, message, None));
    }

    fn into_errors(mut self) -> Vec<ConfigError> {
        self.errors.sort();
        self.errors.dedup();
        self.errors
    }
}

fn judges(work: &mut Work<'_>) -> Option<Judges> {
    let asked = work.loaded.config.tls.certificates.iter().any(|pair| pair.client_certificates.is_some());
    let certificates = if asked { Certificates::Asked } else { Certificates::NeverAsked };
    let config = &work.loaded.config;
    let public_url = config.server.public_url.as_ref().map_or("", |url| url.as_str());
    let (bearer, providers) = (Bearer::compile(&config.tokens), Providers::compile(&config.providers));
    match (bearer, providers) {
        (Ok(bearer), Ok(providers)) => {
            let judges = Judges::new(bearer, certificates).with_plans(config.plans.clone());
            Some(judges.with_logins(providers, &config.sessions.cookie, public_url))
        }
        (bearer, providers) => {
            let mistakes = bearer.err().into_iter().chain(providers.err()).flatten();
            for mistake in mistakes {
                let path: Vec<PathPart<'_>> = mistake.key.split('.').map(PathPart::Key).collect();
                work.refuse(&path, mistake.message.clone(), "");
            }
            None
        }
    }
}

fn table(work: &mut Work<'_>, entries: Vec<crate::route::Entry>) -> Option<Table> {
    match Table::compile(entries) {
        Ok(table) => Some(table),
        Err(conflicts) => {
            for conflict in conflicts {
                work.refuse(&["routes".into(), conflict.routes.1.into(), "match".into()], conflict.message, "");
            }
            None
        }
    }
}

/// Certificates and their keys are of the version too, or nobody would notice that one was renewed. Whether they can be
/// read and used is for whoever serves TLS to say.
fn note_certificates(work: &mut Work<'_>, source: &dyn Source) {
    let config = &work.loaded.config;
    let pairs = config.tls.certificates.iter().flat_map(|pair| [&pair.cert, &pair.key]);
    let authorities = config.upstreams.values().filter_map(|upstream| upstream.ca.as_ref());
    let clients = config.tls.certificates.iter().filter_map(|pair| pair.client_certificates.as_ref());
    let clients = clients.chain(&config.server.admin_client_certificates);
    let clients = clients.flat_map(|clients| clients.ca.iter().chain(&clients.crl));
    for path in pairs.chain(authorities).chain(clients).map(|path| work.loaded.from_root(path)) {
        if let Ok(bytes) = source.read(&path) {
            work.certificates.push((path, ContentHash::of(&bytes)));
        }
    }
}

/// Two routes that name the same limit must mean the same limit.
fn clashes(work: &mut Work<'_>, rules: &[super::Rules]) {
    let sharing: Vec<_> = rules.iter().enumerate().filter(|(_, rules)| rules.limit.may_share()).collect();
    for (nth, &(at, one)) in sharing.iter().enumerate() {
        for (_, other) in sharing.iter().take(nth) {
            if let Some(name) = one.limit.clash(&other.limit) {
                let message = format!("limit `{name}` says something else in route `{}`", other.name);
                let help = "limits of one name are one counter: make them equal, or name them apart";
                work.refuse(&["routes".into(), at.into(), "limits".into()], message, help);
            }
        }
    }
}

/// The same files give the same version, whatever order they are read in.
fn version(loaded: &Loaded, read: &[(PathBuf, ContentHash)]) -> Arc<str> {
    let mut hashes: Vec<String> = loaded
        .files
        .iter()
        .map(|file| (&file.path, &file.hash))
        .chain(read.iter().map(|(path, hash)| (path, hash)))
        .map(|(path, hash)| format!("{}={hash}\n", path.display()))
        .collect();
    hashes.sort();
    let whole = ContentHash::of(hashes.concat().as_bytes()).to_string();
    whole.chars().take(16).collect::<String>().into()
}
