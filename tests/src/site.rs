//! A whole gateway with its own files, certificates, keys and application, on ports that were free.

mod files;
mod setup;

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_certs::Authority;
use portcullis_core::ports::Clock;
use portcullis_server::app::{Gateway, Options, StartError};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use files::Files;
pub use setup::Setup;

use crate::binary::{self, Ran};
use crate::client::{Client, Raw};
use crate::keys::Signer;
use crate::upstream::Upstream;
use files::{issue, lines};

/// The issuer and the audience of every site's tokens.
pub const ISSUER: &str = "https://idp.test";
pub const AUDIENCE: &str = "https://app.test";

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

    /// Another gateway on the same files and the same store, on ports of its own.
    pub async fn replica(&self) -> Gateway {
        let replica = Gateway::start_by(Arc::clone(&self.clock), self.options.clone()).await.expect("a second gateway");
        replica.warm().await;
        replica
    }

    /// As [`Self::replica`], where these variables are set instead of the site's.
    pub async fn replica_with(&self, variables: &[(&str, &str)]) -> Result<Gateway, StartError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let replica = Gateway::start_by(Arc::clone(&self.clock), Options { variables, ..self.options.clone() }).await?;
        replica.warm().await;
        Ok(replica)
    }

    /// Writes `config/client.toml`: the configuration, with the port that the admin listener got.
    pub fn name_admin(&self) {
        let admin = self.gateway.admin.expect("an admin listener").to_string();
        let config = self.files.read("config/portcullis.toml");
        self.files
            .write("config/client.toml", config.replace("admin = \"127.0.0.1:0\"", &format!("admin = {admin:?}")));
    }

    /// Runs the program by `config/client.toml`.
    pub async fn command(&self, arguments: &[&str]) -> Ran {
        binary::run(self.files.root(), &[arguments, &["--config", "config/client.toml"]].concat()).await
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
