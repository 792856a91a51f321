//! Which proxies do people have already? Debian's nginx and Caddy, as they are configured in the documentation.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::{binary, within};

/// Another proxy in front. Killed when dropped.
pub struct Proxy {
    address: SocketAddr,
    _process: Child,
}

impl Proxy {
    /// A free address to be written into a configuration.
    pub fn place() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], binary::free_ports(1)))
    }

    /// nginx with these `server` blocks, keeping its files in `folder`.
    pub async fn nginx(address: SocketAddr, servers: &str, folder: &Path) -> Self {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()));
        let config = format!(
            "daemon off; master_process off; pid {pid}; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n{}{servers}\n}}\n",
            temporary.concat(),
            pid = folder.join("nginx.pid").display()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(&file);
        Self::start(command, address, folder, "nginx").await
    }

    /// Caddy with these sites.
    pub async fn caddy(address: SocketAddr, sites: &str, folder: &Path) -> Self {
        let file = folder.join("Caddyfile");
        std::fs::write(&file, format!("{{\n    admin off\n    auto_https off\n}}\n{sites}\n")).unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        Self::start(command, address, folder, "caddy").await
    }

    async fn start(mut command: Command, address: SocketAddr, folder: &Path, package: &str) -> Self {
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        let log = std::fs::File::create(folder.join("proxy.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut process =
            command.spawn().unwrap_or_else(|error| panic!("{package}: {error}; apt-get install {package}"));
        // Nothing tells when another process listens, so it is tried.
        let mut tries = tokio::time::interval(Duration::from_millis(20));
        within(package, async {
            while TcpStream::connect(address).await.is_err() {
                if let Some(status) = process.try_wait().unwrap() {
                    let log = std::fs::read_to_string(folder.join("proxy.log")).unwrap_or_default();
                    panic!("{package} ended with {status}: {log}");
                }
                tries.tick().await;
            }
        })
        .await;
        Self { address, _process: process }
    }

    /// A connection to it, made for `app.test`.
    pub async fn client(&self) -> Client {
        let mut client = Client::plain(self.address).await.expect("a connection");
        client.authority = format!("app.test:{}", self.address.port());
        client
    }
}
