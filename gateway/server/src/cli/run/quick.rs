//! `run --upstream URL`: what is the least that is right? Everything needs an API key; nothing else is decided.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use portcullis_certs::DevCa;

const CONFIG: &str = r#"# Written by `portcullis run --upstream`, and again at each such start: copy this folder to make it your own.

[server]
https = "${PORTCULLIS_HTTPS:-0.0.0.0:8443}"
admin = "${PORTCULLIS_ADMIN:-127.0.0.1:9443}"
public_url = "${PORTCULLIS_PUBLIC_URL:-https://localhost:8443}"

[[tls.certificates]]
cert = "tls/server.pem"
key = "tls/server.key"

[store]
url = "sqlite:portcullis.db"

[upstreams.app]
targets = [UPSTREAM]

[[routes]]
name = "home"
match = "ANY /"
upstream = "app"
authenticate = ["api_key"]

[[routes]]
name = "everything"
match = "ANY /{*rest}"
upstream = "app"
authenticate = ["api_key"]
"#;

const SCHEMA: &str = include_str!("quick/schema.cedarschema");

const POLICY: &str = include_str!("quick/app.cedar");

/// Writes certificate, configuration and policies below `data`; answers the configuration's path.
pub(super) fn lay(data: &Path, upstream: &str, now: SystemTime) -> Result<PathBuf, String> {
    // A TOML basic string, in which `${` would ask for a variable.
    let upstream = serde_json::Value::from(upstream.replace("${", "$${")).to_string();
    let write = |name: &str, text: &str| {
        let path = data.join(name);
        let folder = path.parent().unwrap_or(data);
        let written = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let written = written.and_then(|()| std::fs::write(&path, text));
        written.map(|()| path.clone()).map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
    };
    let config = write("config/portcullis.toml", &CONFIG.replace("UPSTREAM", &upstream))?;
    write("policies/schema.cedarschema", SCHEMA)?;
    write("policies/app.cedar", POLICY)?;
    let ca = DevCa::create(&data.join("tls"), now).map_err(|error| error.to_string())?;
    ca.server(&["localhost", "127.0.0.1", "::1"], now).map_err(|error| error.to_string())?;
    Ok(config)
}
