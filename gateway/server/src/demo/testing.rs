//! A server under test, spoken to in raw bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(super) struct Running {
    runtime: Runtime,
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<bool>>,
}

/// An answer, its head in lower case.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
    written: String,
}

impl Answer {
    /// The head as it was written.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.written.lines()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Running {
    /// Starts what `serve` makes of a listener on a free port and a signal to stop.
    pub(super) fn start<S>(serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) -> S) -> Self
    where
        S: Future<Output = bool> + Send + 'static,
    {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = runtime.spawn(serve(listener, stopped));
        Self { runtime, address, stop: Some(stop), served: Some(served) }
    }

    pub(super) fn connect(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request).unwrap();
        stream
    }

    /// Sends `request` as it is, and reads until the server closes.
    pub(super) fn raw(&self, request: &[u8]) -> Answer {
        let mut bytes = Vec::new();
        self.connect(request).read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned(), written: head.to_owned() }
    }

    /// `fields` are whole lines, each ended by CR LF.
    pub(super) fn send(&self, line: &str, fields: &str, body: &str) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}{length}\r\n{body}");
        self.raw(request.as_bytes())
    }

    /// Tells the server to stop and waits for it; whether it ended well.
    pub(super) fn stop(&mut self) -> bool {
        drop(self.stop.take());
        self.runtime.block_on(self.served.take().unwrap()).unwrap()
    }
}
