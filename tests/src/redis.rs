//! What if the shared store is slow, gone or back? A real `redis-server` that can be stopped at will.

use std::net::TcpListener;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::within;

/// One server with a folder of its own; ends when dropped.
pub struct Redis {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Redis {
    pub async fn start() -> Self {
        // Redis cannot be asked for any free port, and another process may take the one found here first.
        for _ in 0..8 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut redis = Self { port, folder: tempfile::tempdir().unwrap(), process: None };
            if redis.spawn().await {
                return redis;
            }
        }
        panic!("redis-server found no free port in 8 attempts");
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

    /// Starts again on the same port, empty.
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
        let mut process = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("`redis-server` on the PATH");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let up = within("redis-server to be ready", async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("eady to accept connections") {
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
