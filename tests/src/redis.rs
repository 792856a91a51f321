//! What if the shared store is slow, gone or back? A real `redis-server` that can be stopped at will.

pub mod topology;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::within;

/// One server with a folder of its own; ends when dropped.
pub struct Redis {
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    process: Option<Child>,
}

/// A certificate for this machine, its key, and who vouches for it: authority, certificate, key.
pub fn certificates(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = std::time::SystemTime::now();
    let ca = portcullis_certs::DevCa::create(folder, now).expect("an authority");
    let pair = ca.server(&[], now).expect("a certificate");
    (ca.path(), pair.cert, pair.key)
}

/// Any port that is free now; another process may take it first.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Redis {
    /// Keeps nothing on disk.
    pub async fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// Keeps everything on disk that it acknowledges.
    pub async fn durable() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// With settings as on the command line. `{port}` stands for another free port.
    pub async fn start_with(settings: &[&str]) -> Self {
        // Redis cannot be asked for any free port, and another process may take the one found here first.
        for _ in 0..8 {
            let settings = settings.iter().map(|setting| setting.replace("{port}", &free_port().to_string())).collect();
            let mut redis = Self { port: free_port(), folder: tempfile::tempdir().unwrap(), settings, process: None };
            if redis.spawn().await {
                return redis;
            }
        }
        panic!("redis-server found no free port in 8 attempts");
    }

    /// A Sentinel with this configuration.
    pub async fn sentinel(configuration: &str) -> Self {
        for _ in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("sentinel.conf");
            std::fs::write(&file, configuration).unwrap();
            let settings = vec!["--sentinel".to_owned()];
            let mut redis = Self { port: free_port(), folder, settings, process: None };
            if redis.spawn().await {
                return redis;
            }
        }
        panic!("the Sentinel found no free port in 8 attempts");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of `--tls-port`.
    pub fn tls_port(&self) -> u16 {
        let given = self.settings.iter().skip_while(|word| *word != "--tls-port").nth(1);
        given.and_then(|port| port.parse().ok()).expect("a server with TLS")
    }

    /// A connection to look behind whoever uses it.
    pub async fn behind(&self) -> MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// `redis://127.0.0.1:PORT`: the same after a restart.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As a power cut would: nothing is saved.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("a running redis-server");
        process.kill().await.unwrap();
    }

    /// Starts again on the same port, with what is on its disk.
    pub async fn restart(&mut self) {
        if self.process.is_some() {
            self.kill().await;
        }
        assert!(self.spawn().await, "redis-server did not start again on port {}", self.port);
    }

    /// Connections stay open and nothing is answered, until [`Self::resume`].
    pub async fn pause(&self) {
        self.signal("-STOP").await;
    }

    pub async fn resume(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.as_ref().and_then(Child::id).expect("a running redis-server");
        let status = Command::new("kill").args([signal, &id.to_string()]).status().await.unwrap();
        assert!(status.success(), "kill {signal} {id}: {status}");
    }

    /// Whether it came up.
    async fn spawn(&mut self) -> bool {
        let port = self.port.to_string();
        let mut process = Command::new("redis-server");
        let file = self.folder.path().join("sentinel.conf");
        if file.exists() {
            process.arg(file);
        }
        let mut process = process
            .args(["--port", &port, "--bind", "127.0.0.1", "--dir"])
            .arg(self.folder.path())
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("`redis-server` on the PATH");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let up = within("redis-server to be ready", async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("eady to accept connections") || line.contains("Sentinel ID is") {
                    return true;
                }
            }
            false
        })
        .await;
        // Read on, so that it never waits for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.process = up.then_some(process);
        up
    }
}
