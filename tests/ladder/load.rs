//! Who asks? Connections that each wait for an answer before they ask again.

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Rung;
use crate::ground::{Ground, message};
use crate::process::Process;

const CONNECTIONS: usize = 16;

/// Connections that made one request and stay open.
const IDLE: u32 = 2000;

pub(crate) struct Load {
    requests: Rc<Vec<Vec<u8>>>,
    status: String,
    connections: Vec<Rc<Mutex<TlsStream<TcpStream>>>>,
}

impl Load {
    pub(crate) async fn connect(ground: &Ground, rung: Rung) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Rc::new(Mutex::new(connect(ground).await)));
        }
        let load = Self {
            requests: Rc::new(requests(ground, rung)),
            status: format!("HTTP/1.1 {}", rung.status()),
            connections,
        };
        if rung == Rung::Refused429 {
            // The first one is still let through.
            exchange(&load.connections[0], &load.requests[0]).await;
        }
        load
    }

    /// So many requests, over all connections.
    pub(crate) async fn run(&self, count: u32) {
        let left = Rc::new(Cell::new(count));
        let asking = self.connections.iter().map(|connection| {
            let left = Rc::clone(&left);
            async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let request = &self.requests[left.get() as usize % self.requests.len()];
                    let answer = exchange(connection, request).await;
                    assert!(answer.starts_with(self.status.as_bytes()), "{}", String::from_utf8_lossy(&answer));
                }
            }
        });
        futures::future::join_all(asking).await;
    }
}

/// KiB of memory for each connection that is open and silent.
pub(crate) async fn idle(ground: &Ground, process: &Process) -> f64 {
    let request = &requests(ground, Rung::Forward)[0];
    let before = process.memory();
    let mut open = Vec::new();
    for _ in 0..IDLE {
        let connection = Rc::new(Mutex::new(connect(ground).await));
        exchange(&connection, request).await;
        open.push(connection);
    }
    (process.memory() - before) / f64::from(IDLE)
}

async fn connect(ground: &Ground) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(("127.0.0.1", ground.port)).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(&ground.client)).connect(name, tcp).await.unwrap()
}

async fn exchange(connection: &Mutex<TlsStream<TcpStream>>, request: &[u8]) -> Vec<u8> {
    let mut connection = connection.lock().await;
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::with_capacity(2048);
    while message(&answer).is_none() {
        let read = connection.read_buf(&mut answer).await.unwrap();
        assert!(read > 0, "closed after {}", String::from_utf8_lossy(&answer));
    }
    answer
}

/// What is asked in rotation.
fn requests(ground: &Ground, rung: Rung) -> Vec<Vec<u8>> {
    let ask = |method: &str, token: Option<&String>, body: Option<&str>| {
        let mut text = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(token) = token {
            let _ = write!(text, "Authorization: Bearer {token}\r\n");
        }
        if body.is_some() {
            text.push_str("Content-Type: application/json\r\n");
        }
        if method == "POST" {
            let _ = write!(text, "Content-Length: {}\r\n", body.map_or(0, str::len));
        }
        text.push_str("\r\n");
        text.push_str(body.unwrap_or_default());
        text.into_bytes()
    };
    let all = |method: &str, body: Option<&str>| -> Vec<Vec<u8>> {
        ground.writers.iter().map(|token| ask(method, Some(token), body)).collect()
    };
    match rung {
        Rung::Forward | Rung::Refused401 => vec![ask("GET", None, None)],
        Rung::Token | Rung::Limit => all("GET", None),
        Rung::Role => all("POST", None),
        Rung::Schema => all("POST", Some(&order())),
        Rung::Refused403 => vec![ask("POST", Some(&ground.reader), None)],
        Rung::Refused429 => vec![ask("GET", Some(&ground.reader), None)],
    }
}

/// An order of 1 KiB.
fn order() -> String {
    let items: Vec<String> =
        (0..10).map(|at| format!(r#"{{"sku":"A-{at:04}","quantity":{},"gift":false}}"#, at + 1)).collect();
    let start = format!(r#"{{"id":"order-1","items":[{}],"notes":""#, items.join(","));
    format!("{start}{}\"}}", "n".repeat(1024 - start.len() - 2))
}
