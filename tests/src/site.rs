//! A whole gateway with its own files, certificates, keys and application, on ports that were free.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_core::ports::Clock;
use portcullis_server::app::{Gateway, Options, StartError};
use portcullis_server::world::clock::SystemClock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Raw};
use crate::keys::{Algorithm, Signer, jwks};
use crate::upstream::Upstream;

/// The issuer and the audience of every site's tokens.
pub const ISSUER: &str = "https://idp.test";
pub const AUDIENCE: &str = "https://app.test";

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
entity Group;
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
    actions: String,
    extra_policies: String,
    groups: BTreeSet<String>,
    tokens: Option<String>,
    variables: HashMap<String, String>,
    target: Option<String>,
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
            actions: String::new(),
            extra_policies: String::new(),
            groups: BTreeSet::new(),
            tokens: None,
            variables: HashMap::new(),
            target: None,
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
        let target = self.target.clone().unwrap_or_else(|| format!("\"{}\"", upstream.url()));
        files.write("config/portcullis.toml", self.config(&target));
        files.write("policies/schema.cedarschema", format!("{ENTITIES}{}", self.actions));
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

/// The files of a site.
pub struct Files {
    root: PathBuf,
}

impl Files {
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        // Replaced in one stroke, as editors and deployments do: a reload never reads half a file.
        let half = path.with_extension("half");
        std::fs::write(&half, content).expect("a file");
        std::fs::rename(half, path).expect("a file in its place");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Rewrites a file by replacing `from` with `to`; panics when `from` is not there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.write(name, text.replace(from, to));
    }
}

/// Everything around a gateway that was not started.
pub struct Ground {
    pub upstream: Upstream,
    pub signer: Signer,
    pub authority: Authority,
    pub files: Files,
    pub folder: TempDir,
}

/// A gateway that serves, and everything around it.
pub struct Site {
    pub gateway: Gateway,
    pub upstream: Upstream,
    /// Signs what the site's one token source believes.
    pub signer: Signer,
    pub authority: Authority,
    pub files: Files,
    options: Options,
    clock: Arc<dyn Clock>,
    _folder: TempDir,
}

impl Site {
    /// Stops the gateway, does `change` while none runs, and starts another on the same files and free ports.
    pub async fn restart(self, change: impl FnOnce(&Files)) -> Result<Self, (StartError, TempDir)> {
        let Self { gateway, upstream, signer, authority, files, options, clock, _folder: folder } = self;
        gateway.stop().await;
        change(&files);
        match Gateway::start_by(Arc::clone(&clock), options.clone()).await {
            Ok(gateway) => Ok(Self { gateway, upstream, signer, authority, files, options, clock, _folder: folder }),
            Err(error) => Err((error, folder)),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.https.expect("an https listener")
    }

    /// The authority's certificate, PEM.
    pub fn ca(&self) -> &str {
        self.authority.pem()
    }

    /// A connection of HTTP/1.1 made for `app.test`.
    pub async fn h1(&self) -> Client {
        let mut client = Client::h1(self.address(), "app.test", self.ca()).await.expect("a connection");
        "app.test".clone_into(&mut client.authority);
        client
    }

    /// A connection of HTTP/2 made for `app.test`.
    pub async fn h2(&self) -> Client {
        let mut client = Client::h2(self.address(), "app.test", self.ca()).await.expect("a connection");
        "app.test".clone_into(&mut client.authority);
        client
    }

    /// A connection on which any bytes may be said.
    pub async fn raw(&self) -> Raw {
        Raw::tls(self.address(), "app.test", self.ca()).await.expect("a connection")
    }

    /// The claims of a good token for `user` in `groups`.
    pub fn claims(&self, user: &str, groups: &[&str]) -> Value {
        let now = self.gateway.now().seconds();
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + 600, "groups": groups })
    }

    /// `Authorization`'s value for `user` in `groups`.
    pub fn bearer(&self, user: &str, groups: &[&str]) -> String {
        format!("Bearer {}", self.signer.sign(&self.claims(user, groups)))
    }

    /// A writer's `Authorization`.
    pub fn writer(&self) -> String {
        self.bearer("wanda", &["writers"])
    }

    /// A reader's `Authorization`.
    pub fn reader(&self) -> String {
        self.bearer("rita", &["readers"])
    }

    /// Adds a certificate for `names` to the site's files as `certs/NAME.pem` and `.key`.
    pub fn issue(&self, name: &str, names: &[&str]) {
        issue(&self.files, &self.authority, name, names);
    }

    /// The admin key.
    pub fn admin_key(&self) -> String {
        std::fs::read_to_string(&self.gateway.admin_key_file).expect("the admin key").trim().to_owned()
    }

    /// A connection to the admin listener.
    pub async fn admin(&self) -> Client {
        let address = self.gateway.admin.expect("an admin listener");
        let mut client = Client::h1(address, "localhost", self.ca()).await.expect("a connection");
        client.authority = format!("localhost:{}", address.port());
        client
    }

    /// The metrics in text form, once every request that was answered is counted.
    pub async fn metrics(&self) -> String {
        self.gateway.idle().await;
        String::from_utf8_lossy(&self.admin().await.get("/metrics", &[]).await.body).into_owned()
    }

    /// Stops the gateway, so that all lines are written, and answers the lines of a log.
    pub async fn log(self, name: &str) -> Vec<Value> {
        let Self { gateway, files, _folder, .. } = self;
        gateway.stop().await;
        lines(&files, name)
    }

    /// As [`Self::log`]: the access lines and the decision records.
    pub async fn logs(self) -> (Vec<Value>, Vec<Value>) {
        let Self { gateway, files, _folder, .. } = self;
        gateway.stop().await;
        (lines(&files, "logs/access.jsonl"), lines(&files, "logs/decisions.jsonl"))
    }
}

fn lines(files: &Files, log: &str) -> Vec<Value> {
    files.read(log).lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn validity() -> Validity {
    let day = Duration::from_hours(24);
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = SystemTime::now();
    Validity { from: now - day, until: now + 30 * day }
}

fn issue(files: &Files, authority: &Authority, name: &str, names: &[&str]) {
    let leaf = Leaf {
        subject: name.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        purposes: vec![Purpose::Server],
        valid: validity(),
    };
    let issued = authority.issue(&leaf).expect("a certificate");
    files.write(&format!("certs/{name}.pem"), format!("{}{}", issued.pem, authority.pem()));
    files.write(&format!("certs/{name}.key"), issued.key.pem());
}
