//! `init`: a project that works, begun here. It asks little, and overwrites nothing.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use portcullis_certs::DevCa;
use portcullis_core::config::render;
use portcullis_core::openapi::{Artefacts, Imported};
use portcullis_core::snapshot;

use super::{FINE, WRONG, import};
use crate::world::clock::system_time;
use crate::world::files::Disk;

const USUAL: &str = "http://127.0.0.1:3000";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An OpenAPI document to make routes, schemas and policies of.
    #[arg(long)]
    openapi: Option<PathBuf>,
    /// Where the app listens. Default: asked on a terminal; the document's first server; `http://127.0.0.1:3000`.
    #[arg(long)]
    upstream: Option<String>,
    /// Where to begin it.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

const CONFIG: &str = r#"# Begun by `portcullis init`; every key stands in docs/configuration.md.
INCLUDE
[server]
https = "127.0.0.1:8443"                  # "0.0.0.0:8443" lets others in
admin = "127.0.0.1:9443"
public_url = "https://localhost:8443"     # the name they will use

# Made for this machine, to try with. Put a certificate of a real authority here before strangers come.
[[tls.certificates]]
cert = "certs/server.pem"
key = "certs/server.key"

[store]
url = "sqlite:data/portcullis.db"

[upstreams.app]
targets = [UPSTREAM]

# Bearer tokens of your identity provider; then write "jwt" beside "api_key" below.
# [tokens.company]
# issuer = "https://idp.example.com"
# audiences = ["https://app.example.com"]
"#;

const ROUTES: &str = r#"
# What is not listed does not exist: every other path is 404.

[[routes]]
name = "home"
match = "GET /"
upstream = "app"
authenticate = ["api_key"]
action_groups = ["reading"]

[[routes]]
name = "read"
match = "GET /{*rest}"
upstream = "app"
authenticate = ["api_key"]
action_groups = ["reading"]

[[routes]]
name = "write"
match = "POST|PUT|PATCH|DELETE /{*rest}"
upstream = "app"
authenticate = ["api_key"]
action_groups = ["writing"]
limits = [{ by = "principal", rate = "60/min" }]
"#;

const ACTIONS: &str = include_str!("init/actions.cedarschema");

const POLICIES: &str = include_str!("init/app.cedar");

const CASES: &str = include_str!("init/app.json");

pub(super) fn init(args: &Args) -> u8 {
    match begin(args) {
        Ok(code) => code,
        Err(message) => super::complain(&message),
    }
}

fn begin(args: &Args) -> Result<u8, String> {
    let at = |path: &str| args.dir.join(path);
    for path in ["config", "policies", "certs/server.key"] {
        if at(path).exists() {
            return Err(format!(
                "`{}` is there already, and nothing is overwritten: begin in another folder",
                at(path).display()
            ));
        }
    }
    let document = match &args.openapi {
        Some(path) => Some((import::read(path).map_err(|message| format!("{}: {message}", path.display()))?, path)),
        None => None,
    };
    let served = document.as_ref().and_then(|(document, _)| document.server()).and_then(|url| origin(&url));
    let upstream = match &args.upstream {
        Some(upstream) => upstream.clone(),
        None => ask(served.as_deref().unwrap_or(USUAL))?,
    };
    let include = if document.is_some() { "\ninclude = [\"routes/*.toml\"]\n" } else { "" };
    let quoted = serde_json::Value::from(upstream.replace("${", "$${")).to_string();
    let mut config = CONFIG.replace("INCLUDE\n", include).replace("UPSTREAM", &quoted);
    let mut schema = import::SCHEMA.to_owned();
    if document.is_none() {
        config.push_str(ROUTES);
        schema = format!("{schema}\n{ACTIONS}");
        put(&at("policies/app.cedar"), POLICIES)?;
        put(&at("policies/tests/app.json"), CASES)?;
    } else {
        // An include must find something while the document is read.
        put(&at("config/routes/own.toml"), "# Routes of your own.\n")?;
    }
    put(&at("config/portcullis.toml"), &config)?;
    put(&at("policies/schema.cedarschema"), &schema)?;
    let now = system_time();
    certificates(&at("certs"), now)?;
    if !at(".gitignore").exists() {
        put(&at(".gitignore"), "certs/\ndata/\n")?;
    }
    let entry = at("config/portcullis.toml");
    let mut role = "writers".to_owned();
    if let Some((document, path)) = document {
        let project = import::Project::of(&entry)?;
        let name = import::name_of(path, &document, None)?;
        role = format!("{name}-writers");
        let wishes = project.wishes(name, Some("app"), None)?;
        let imported = Imported::of(&document, &wishes);
        let artefacts = Artefacts::of(&imported, &wishes);
        project.write(&artefacts, &project.elsewhere(&artefacts))?;
        for note in imported.refused.iter().chain(&imported.notes) {
            say_line!("note: `{}` (#{}): {}", note.operation, note.at, note.message);
        }
        say_line!("{}: {} routes", wishes.name, imported.operations.len());
    }
    if let Err(errors) = snapshot::compile(&entry, &Disk::default()) {
        eprint!("{}", render(&errors));
        return Ok(WRONG);
    }
    say_line!("In front of {upstream}. Next:\n");
    say_line!("  portcullis check");
    say_line!("  portcullis run");
    say_line!("  portcullis keys create --name me --owner me@example.com --role {role}");
    Ok(FINE)
}

/// Scheme and authority of a server's address; `None` for a relative one.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().filter(|authority| !authority.is_empty())?;
    matches!(scheme, "http" | "https").then(|| format!("{scheme}://{authority}"))
}

/// Asks on a terminal; elsewhere the usual answer will do.
fn ask(usual: &str) -> Result<String, String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(usual.to_owned());
    }
    eprint!("Where does your app listen? [{usual}] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    input.lock().read_line(&mut line).map_err(|error| format!("no answer: {error}"))?;
    let line = line.trim();
    Ok(if line.is_empty() { usual.to_owned() } else { line.to_owned() })
}

fn certificates(folder: &Path, now: std::time::SystemTime) -> Result<(), String> {
    let ca = DevCa::create(folder, now).map_err(|error| error.to_string())?;
    ca.server(&["localhost", "127.0.0.1", "::1"], now).map_err(|error| error.to_string())?;
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| std::fs::write(path, text));
    written.map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
}
