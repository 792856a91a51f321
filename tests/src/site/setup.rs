//! What a test wants of its site, and how it is laid.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use portcullis_certs::Authority;
use portcullis_core::ports::Clock;
use portcullis_server::app::{Gateway, Options, StartError};
use portcullis_server::world::clock::SystemClock;
use tempfile::TempDir;

use super::files::{issue, validity};
use super::{AUDIENCE, Files, Ground, ISSUER, Site};
use crate::keys::{Algorithm, Signer, jwks};
use crate::upstream::Upstream;

/// Policies under which the tests' routes mean something: readers read, writers write. Each is there only when some
/// route is in its group, for a policy that can never apply is an error.
const POLICIES: [(&str, &str); 3] = [
    (
        "read",
        r#"@id("read") permit (principal, action in Action::"read", resource) when { principal in
        [Group::"test|readers", Group::"test|writers", Group::"keys|readers", Group::"keys|writers"] };"#,
    ),
    (
        "write",
        r#"@id("write") permit (principal, action in Action::"write", resource)
        when { principal in [Group::"test|writers", Group::"keys|writers"] };"#,
    ),
    ("public", r#"@id("public") permit (principal == Anonymous::"anonymous", action in Action::"public", resource);"#),
];

const ENTITIES: &str = r#"
entity User in [Group] { email?: String, level?: Long, suspended?: Bool };
entity Client in [Group];
entity ApiKey in [Group];
entity Certificate { subject: String, sans: Set<String>, spki: String };
entity Anonymous enum ["anonymous"];
entity App;
entity Thing;
action "read", "write", "public";
"#;

/// What a test wants of its site; everything has a default.
pub struct Setup {
    files: Vec<(String, Vec<u8>)>,
    /// TOML that goes before the routes, below the sections every site has.
    sections: String,
    server: String,
    certificate: String,
    upstream: String,
    routes: String,
    /// The declaration of groups.
    group: &'static str,
    actions: String,
    extra_policies: String,
    groups: BTreeSet<String>,
    tokens: Option<String>,
    variables: HashMap<String, String>,
    target: Option<String>,
    beside: String,
    clock: Option<Arc<dyn Clock>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    pub fn new() -> Self {
        Self {
            files: Vec::new(),
            sections: String::new(),
            server: String::new(),
            certificate: String::new(),
            upstream: String::new(),
            routes: String::new(),
            group: "entity Group;",
            actions: String::new(),
            extra_policies: String::new(),
            groups: BTreeSet::new(),
            tokens: None,
            variables: HashMap::new(),
            target: None,
            beside: String::new(),
            clock: None,
        }
    }

    /// A route, and its Cedar action in the group `group` (`read`, `write` or `public`). `more` is TOML.
    #[must_use]
    pub fn route(mut self, name: &str, pattern: &str, group: &str, more: &str) -> Self {
        let authenticate = match (more.contains("authenticate"), group) {
            (true, _) => "",
            (false, "public") => "authenticate = \"public\"\n",
            (false, _) => "authenticate = [\"jwt\", \"api_key\"]\n",
        };
        let _ = write!(
            self.routes,
            "\n[[routes]]\nname = \"{name}\"\nmatch = \"{pattern}\"\nupstream = \"app\"\n{authenticate}{more}\n"
        );
        self.groups.insert(group.to_owned());
        let principals = if more.contains("optional") {
            "User, Client, ApiKey, Anonymous"
        } else if group == "public" {
            "Anonymous"
        } else if more.contains("mtls") {
            "User, Client, ApiKey, Certificate"
        } else {
            "User, Client, ApiKey"
        };
        let _ = writeln!(
            self.actions,
            "action {name:?} in [{group:?}] appliesTo {{ principal: [{principals}], resource: [App, Thing] }};"
        );
        self
    }

    /// More TOML: whole sections, as `[guard]\nrate = "1/s"`.
    #[must_use]
    pub fn section(mut self, toml: &str) -> Self {
        let _ = writeln!(self.sections, "{toml}");
        self
    }

    /// More keys of `[server]`.
    #[must_use]
    pub fn server(mut self, toml: &str) -> Self {
        let _ = writeln!(self.server, "{toml}");
        self
    }

    /// More keys of the first of `[[tls.certificates]]`.
    #[must_use]
    pub fn certificate(mut self, toml: &str) -> Self {
        let _ = writeln!(self.certificate, "{toml}");
        self
    }

    /// More keys of `[upstreams.app]`.
    #[must_use]
    pub fn upstream(mut self, toml: &str) -> Self {
        let _ = writeln!(self.upstream, "{toml}");
        self
    }

    /// The target instead of the recording application; or several, each in quotes, with commas.
    #[must_use]
    pub fn targets(mut self, list: &str) -> Self {
        self.target = Some(list.to_owned());
        self
    }

    /// Another target beside the recording application.
    #[must_use]
    pub fn beside(mut self, url: &str) -> Self {
        self.beside = format!(", \"{url}\"");
        self
    }

    /// The token sources instead of the usual one.
    #[must_use]
    pub fn tokens(mut self, toml: &str) -> Self {
        self.tokens = Some(toml.to_owned());
        self
    }

    /// More Cedar.
    #[must_use]
    pub fn policies(mut self, cedar: &str) -> Self {
        self.extra_policies.push_str(cedar);
        self
    }

    /// More Cedar schema.
    #[must_use]
    pub fn schema(mut self, cedar: &str) -> Self {
        self.actions.push_str(cedar);
        self
    }

    /// The schema lets groups be in groups.
    #[must_use]
    pub fn groups_in_groups(mut self) -> Self {
        self.group = "entity Group in [Group];";
        self
    }

    /// A file below the site's root: `config/schemas/x.json`.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The time, instead of the system's.
    #[must_use]
    pub fn clock(mut self, clock: &Arc<impl Clock + 'static>) -> Self {
        self.clock = Some(Arc::clone(clock) as Arc<dyn Clock>);
        self
    }

    /// Writes everything and starts; panics when the gateway does not.
    pub async fn start(self) -> Site {
        self.try_start().await.unwrap_or_else(|(error, _)| panic!("{error}"))
    }

    /// Writes everything and starts.
    pub async fn try_start(self) -> Result<Site, (StartError, TempDir)> {
        let variables = self.variables.clone();
        let clock: Arc<dyn Clock> = match &self.clock {
            Some(clock) => Arc::clone(clock),
            None => Arc::new(SystemClock::start()),
        };
        let Ground { upstream, signer, authority, files, folder } = self.lay().await;
        let options = Options { config: files.path("config/portcullis.toml"), variables };
        let gateway = match Gateway::start_by(Arc::clone(&clock), options.clone()).await {
            Ok(gateway) => gateway,
            Err(error) => return Err((error, folder)),
        };
        gateway.warm().await;
        Ok(Site { gateway, upstream, signer, authority, files, options, clock, _folder: folder })
    }

    /// Writes everything and starts nothing: for the program itself.
    pub async fn lay(self) -> Ground {
        portcullis_server::world::install_crypto();
        let folder = TempDir::new().expect("a temporary folder");
        let upstream = Upstream::recording().await;
        let signer = Signer::new(Algorithm::Es256, "test-key");
        let authority = Authority::generate("test authority", validity()).expect("an authority");
        let files = Files { root: folder.path().to_owned() };
        issue(&files, &authority, "app", &["app.test", "localhost", "127.0.0.1"]);
        files.write("certs/jwks.json", jwks([&signer]).to_string());
        let target = self.target.clone().unwrap_or_else(|| format!("\"{}\"{}", upstream.url(), self.beside));
        files.write("config/portcullis.toml", self.config(&target));
        files.write("policies/schema.cedarschema", format!("{}{ENTITIES}{}", self.group, self.actions));
        let usual = POLICIES.iter().filter(|(group, _)| self.groups.contains(*group)).map(|(_, policy)| *policy);
        let usual = usual.collect::<Vec<_>>().join("\n");
        files.write("policies/test.cedar", format!("{usual}\n{}", self.extra_policies));
        for (path, content) in &self.files {
            files.write(path, content);
        }
        Ground { upstream, signer, authority, files, folder }
    }

    fn config(&self, target: &str) -> String {
        let tokens = self.tokens.clone().unwrap_or_else(|| {
            format!(
                "[tokens.test]\nissuer = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\njwks = \"file:certs/jwks.json\"\n"
            )
        });
        format!(
            r#"[server]
https = "127.0.0.1:0"
admin = "127.0.0.1:0"
public_url = "{AUDIENCE}"
grace_period = "5s"
{server}
[[tls.certificates]]
cert = "certs/app.pem"
key = "certs/app.key"
{certificate}
[store]
url = "sqlite:data/portcullis.db"

[observe]
access_log = "file:logs/access.jsonl"
decision_log = "file:logs/decisions.jsonl"

{tokens}
[upstreams.app]
targets = [{target}]
{upstream}
{sections}
{routes}"#,
            server = self.server,
            certificate = self.certificate,
            upstream = self.upstream,
            sections = self.sections,
            routes = self.routes,
        )
    }
}
