//! Which gateways, told to do which job?

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Rung;
use crate::ground::{AUDIENCE, Ground, ISSUER};
use crate::process::Process;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Peer {
    Portcullis,
    /// What Pingora costs by itself: the example `floor` of the gateway.
    Pingora,
    Nginx,
    Haproxy,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Portcullis, Self::Pingora, Self::Nginx, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portcullis => "Portcullis",
            Self::Pingora => "bare Pingora",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::Portcullis => profile().join("portcullis"),
            Self::Pingora => profile().join("examples/floor"),
            Self::Nginx => "nginx".into(),
            Self::Haproxy => "haproxy".into(),
        }
    }

    /// Says so where it is not.
    pub(crate) fn is_there(self) -> bool {
        let there = Command::new(self.program()).arg("-v").output().is_ok();
        if !there {
            eprintln!("{} is not there: {} is left out", self.program().display(), self.name());
        }
        there
    }

    /// Debian's nginx reads no tokens, and `HAProxy` knows no JSON Schema.
    pub(crate) fn can(self, rung: Rung) -> bool {
        match self {
            Self::Portcullis => true,
            Self::Pingora | Self::Nginx => rung == Rung::Forward,
            Self::Haproxy => rung != Rung::Schema,
        }
    }

    pub(crate) async fn start(self, ground: &Ground, rung: Rung) -> Process {
        let folder = ground.path(self.name()).join(rung.name().replace(' ', ""));
        std::fs::create_dir_all(&folder).unwrap();
        let (program, file) = (self.program().display().to_string(), folder.join("config"));
        let config = file.display().to_string();
        let write = |text: String| std::fs::write(&file, text).unwrap();
        let (cert, key) = (ground.path("tls.crt").display().to_string(), ground.path("tls.key").display().to_string());
        let (listen, upstream) = (format!("127.0.0.1:{}", ground.port), format!("127.0.0.1:{}", ground.upstream));
        let command: Vec<&str> = match self {
            Self::Portcullis => {
                lay(ground, &folder, rung);
                vec![&program, "run", "--config", &config]
            }
            Self::Pingora => vec![&program, &listen, &upstream, &cert, &key],
            Self::Nginx => {
                write(nginx(ground, &folder));
                vec![&program, "-e", "stderr", "-c", &config]
            }
            Self::Haproxy => {
                write(haproxy(ground, rung));
                vec![&program, "-f", &config]
            }
        };
        Process::start(&folder, &command, ground.port).await
    }
}

/// The folder of the profile that this was built with.
fn profile() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.parent().and_then(Path::parent).unwrap().to_owned()
}

/// Configuration, policies and schema of ours.
fn lay(ground: &Ground, folder: &Path, rung: Rung) {
    let (cert, key, jwks) = (ground.path("tls.crt"), ground.path("tls.key"), ground.path("jwks.json"));
    let authenticate = if rung == Rung::Forward { r#""public""# } else { r#"["jwt"]"# };
    let limit = match rung {
        Rung::Forward | Rung::Token | Rung::Refused401 => "",
        Rung::Limit | Rung::Role | Rung::Schema | Rung::Refused403 => {
            r#"limits = [{ by = "principal", rate = "1000000/s", store = "memory" }]"#
        }
        Rung::Refused429 => r#"limits = [{ by = "principal", rate = "1/h", store = "memory" }]"#,
    };
    let schema = if rung == Rung::Schema { r#"body_schema = "order.json""# } else { "" };
    let tokens = if rung == Rung::Forward {
        String::new()
    } else {
        format!(
            "[tokens.ladder]\nissuer = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\njwks = \"file:{}\"\ngroups_claim = \"roles\"\n",
            jwks.display()
        )
    };
    let config = format!(
        r#"
[server]
https = "127.0.0.1:{port}"
admin = "off"
threads = 1
max_requests_per_connection = 1000000
[tls]
min_version = "1.3"
[[tls.certificates]]
cert = "{cert}"
key = "{key}"
[store]
url = "sqlite:{data}/portcullis.db"
[observe]
access_log = "off"
decision_log = "off"
[policies]
dir = "{folder}/policies"
[guard]
mode = "off"
{tokens}
[upstreams.back]
targets = ["http://127.0.0.1:{upstream}"]
[[routes]]
name = "read"
match = "GET /"
upstream = "back"
authenticate = {authenticate}
{limit}
[[routes]]
name = "write"
match = "POST /"
upstream = "back"
authenticate = {authenticate}
{limit}
{schema}
"#,
        port = ground.port,
        cert = cert.display(),
        key = key.display(),
        data = folder.display(),
        folder = folder.display(),
        upstream = ground.upstream,
    );
    let policies = match rung {
        Rung::Role | Rung::Schema | Rung::Refused403 => {
            r#"permit (principal, action == Action::"read", resource);
               permit (principal in Group::"ladder|writer", action == Action::"write", resource);"#
        }
        Rung::Forward | Rung::Token | Rung::Limit | Rung::Refused401 | Rung::Refused429 => {
            "permit (principal, action, resource);"
        }
    };
    let entities = "entity Group; entity User in [Group]; entity Client in [Group]; entity ApiKey in [Group];
        entity Anonymous enum [\"anonymous\"]; entity App;
        action \"read\", \"write\" appliesTo { principal: [User, Client, Anonymous], resource: [App] };";
    let schema = r#"{"type": "object", "additionalProperties": false, "required": ["id", "items"], "properties": {
        "id": {"type": "string", "maxLength": 40}, "notes": {"type": "string", "maxLength": 1000},
        "items": {"type": "array", "maxItems": 50, "items": {"type": "object", "additionalProperties": false,
            "required": ["sku", "quantity"], "properties": {"sku": {"type": "string", "pattern": "^A-[0-9]{4}$"},
            "quantity": {"type": "integer", "minimum": 1, "maximum": 100}, "gift": {"type": "boolean"}}}}}}"#;
    let write = |name: &str, text: &str| ground.write(&folder.join(name).display().to_string(), text);
    write("config", &config);
    write("policies/ladder.cedar", policies);
    write("policies/schema.cedarschema", entities);
    write("order.json", schema);
}

fn nginx(ground: &Ground, folder: &Path) -> String {
    format!(
        r#"
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  upstream back {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    location / {{
      proxy_pass http://back;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"#,
        folder = folder.display(),
        upstream = ground.upstream,
        port = ground.port,
        cert = ground.path("tls.crt").display(),
        key = ground.path("tls.key").display(),
    )
}

fn haproxy(ground: &Ground, rung: Rung) -> String {
    let token = format!(
        r#"
  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request set-var(txn.sub) var(txn.token),jwt_payload_query('$.sub')
  http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {ISSUER} }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str {AUDIENCE} }}
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{key}") 1 }}
  http-request set-header X-Sub %[var(txn.sub)]"#,
        key = ground.path("es.pem").display()
    );
    let limit = |most: u32| {
        format!(
            r"
  stick-table type string len 64 size 100k expire 60s store http_req_rate(60s)
  http-request track-sc0 var(txn.sub)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {most} }}"
        )
    };
    let role = r"
  http-request deny deny_status 403 if METH_POST !{ var(txn.token),jwt_payload_query('$.roles') -m sub writer }";
    let job = match rung {
        Rung::Forward => String::new(),
        Rung::Token | Rung::Refused401 => token,
        Rung::Limit => token + &limit(1_000_000),
        Rung::Role | Rung::Schema | Rung::Refused403 => token + &limit(1_000_000) + role,
        Rung::Refused429 => token + &limit(1),
    };
    format!(
        r"
global
  nbthread 1
  maxconn 20000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port} ssl crt {both} alpn http/1.1 ssl-min-ver TLSv1.3
  option forwardfor
{job}
  default_backend back
backend back
  http-reuse always
  server app 127.0.0.1:{upstream}
",
        port = ground.port,
        both = ground.path("tls.both").display(),
        upstream = ground.upstream,
    )
}
