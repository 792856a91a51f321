//! What is in force? The compiled configuration: immutable, loaded once per request, swapped whole.

mod compile;
mod effects;
mod own;
mod question;
mod rules;
mod tools;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Method;

pub use compile::{Built, Folder, Texts, cedar_files, compile, compile_if, compile_under, gathered, policy_folder};
pub use effects::{Effects, RouteChange, RouteSummary};
pub use own::Own;
pub use question::{Described, Question, Wanted};
pub use rules::{Modes, Rules};

use crate::authorize::Policies;
use crate::config::{
    AdminConfig, Config, ControlConfig, CountersConfig, ObserveConfig, RouteConfig, ServerConfig, StoreConfig,
    TlsConfig, TokenSourceConfig, UpstreamConfig,
};
use crate::framing::Framing;
use crate::govern::Governance;
use crate::identify::jwks::{KeyOrigin, SourceSpec};
use crate::identify::{IntrospectionConfig, Judges, Providers, SessionsConfig};
use crate::mode::Mode;
use crate::refusal::{Code, Refusal};
use crate::request::CanonicalPath;
use crate::route::{Explanation, Table};

/// Everything that decides, of one version of the files.
#[derive(Debug)]
pub struct Snapshot {
    /// The first 16 hexadecimal digits of a hash over every file that was read.
    pub version: Arc<str>,
    pub framing: Framing,
    pub table: Table,
    rules: Vec<Arc<Rules>>,
    by_name: HashMap<Arc<str>, usize>,
    policies: Policies,
    governance: Governance,
    judges: Arc<Judges>,
    own: Own,
    config: Config,
    public_url: Arc<str>,
    entry: PathBuf,
    root: PathBuf,
    /// Every file, for the watcher.
    files: Vec<PathBuf>,
}

impl Snapshot {
    /// The rules of a route the table found.
    pub fn rules(&self, route: usize) -> Result<&Arc<Rules>, Refusal> {
        // INVARIANT: the table holds indices into this very list.
        self.rules
            .get(route)
            .ok_or_else(|| Refusal::new(Code::InternalError).because("the table names a route that is not there"))
    }

    pub fn rules_named(&self, name: &str) -> Option<&Rules> {
        self.rules.get(*self.by_name.get(name)?).map(|rules| &**rules)
    }

    /// What the operator wrote of a route.
    pub fn written(&self, name: &str) -> Option<&RouteConfig> {
        self.config.routes.iter().find(|route| route.name == name)
    }

    /// All routes, in the order of the files.
    pub fn routes(&self) -> impl Iterator<Item = &Rules> {
        self.rules.iter().map(|rules| &**rules)
    }

    /// Routes whose policies do not refuse: `authorize` is off or in shadow.
    pub fn unguarded(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rules| rules.modes.authorize != Mode::Enforce).map(|rules| &*rules.name)
    }

    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Who may run this gateway.
    pub fn governance(&self) -> &Governance {
        &self.governance
    }

    /// What holds of our own pages, which are on no route.
    pub fn own(&self) -> &Own {
        &self.own
    }

    pub fn admin(&self) -> &AdminConfig {
        &self.config.admin
    }

    /// Whether keys may name this as their plan.
    pub fn has_plan(&self, name: &str) -> bool {
        self.config.plans.contains_key(name)
    }

    /// Whether this peer's `X-Forwarded-*` are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.framing.trusts(peer)
    }

    /// The origin clients know us by; empty when none is configured.
    pub fn public_url(&self) -> &Arc<str> {
        &self.public_url
    }

    /// The token issuers of this configuration.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.config.tokens.values().map(|source| source.issuer.as_str())
    }

    /// Which key sets the world must provide.
    pub fn token_sources(&self) -> Vec<SourceSpec> {
        let bearer = self.judges.bearer();
        bearer.key_sources().chain(self.judges.providers().key_sources(bearer)).cloned().collect()
    }

    /// Where people log in.
    pub fn providers(&self) -> &Providers {
        self.judges.providers()
    }

    pub fn sessions(&self) -> &SessionsConfig {
        &self.config.sessions
    }

    /// Whom the world must be able to ask about opaque tokens, by alias.
    pub fn introspecting(&self) -> impl Iterator<Item = (&Arc<str>, &IntrospectionConfig)> {
        self.judges.bearer().introspecting()
    }

    /// Every scope that some route demands.
    pub fn scopes(&self) -> BTreeSet<&str> {
        self.config.routes.iter().flat_map(|route| &route.scopes).map(String::as_str).collect()
    }

    /// The token sources as they were written, by alias.
    pub fn tokens(&self) -> impl Iterator<Item = (&str, &TokenSourceConfig)> {
        self.config.tokens.iter().map(|(alias, source)| (alias.as_str(), source))
    }

    /// The upstreams, in the order in which [`Rules::upstream`] counts them.
    pub fn upstreams(&self) -> impl Iterator<Item = (&String, &UpstreamConfig)> {
        self.config.upstreams.iter()
    }

    pub fn server(&self) -> &ServerConfig {
        &self.config.server
    }

    pub fn tls(&self) -> &TlsConfig {
        &self.config.tls
    }

    pub fn store(&self) -> &StoreConfig {
        &self.config.store
    }

    pub fn control(&self) -> &ControlConfig {
        &self.config.control
    }

    pub fn counters(&self) -> &CountersConfig {
        &self.config.counters
    }

    pub fn observe(&self) -> &ObserveConfig {
        &self.config.observe
    }

    /// The file of the embedded store; `None` where the store is another.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        Some(self.root.join(self.config.store.file()?))
    }

    /// The folder of the embedded store, where everything else that is kept lies too.
    pub fn data_dir(&self) -> PathBuf {
        self.config.store.folder(&self.root)
    }

    /// The configuration's main file.
    pub fn entry(&self) -> &Path {
        &self.entry
    }

    /// What most relative paths are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the policies.
    pub fn policy_folder(&self) -> PathBuf {
        self.root.join(&self.config.policies.dir)
    }

    /// The folders whose changes concern us.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let folder = |path: &PathBuf| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut folders: BTreeSet<PathBuf> = self.files.iter().map(folder).collect();
        folders.insert(self.policy_folder());
        folders.extend(self.config.policies.shadow.iter().map(|folder| self.root.join(folder)));
        folders.extend(self.key_files().iter().map(folder));
        folders
    }

    /// The names of the files that concern us, without their folders.
    pub fn file_names(&self) -> BTreeSet<OsString> {
        let key_files = self.key_files();
        self.files.iter().chain(&key_files).filter_map(|path| path.file_name()).map(OsString::from).collect()
    }

    /// Key sets that an operator keeps in files.
    fn key_files(&self) -> Vec<PathBuf> {
        let file = |source: &SourceSpec| match &source.origin {
            KeyOrigin::Discovery | KeyOrigin::Url(_) => None,
            KeyOrigin::File(path) => Some(self.root.join(path)),
        };
        self.judges.bearer().key_sources().filter_map(file).collect()
    }

    /// Why `method` and `path` get what they get; for `portcullis route`.
    pub fn explain(&self, host: &str, method: &Method, path: CanonicalPath<'_>) -> Explanation {
        self.table.explain(host, method, path)
    }
}
