//! An application that does not speak HTTP properly: it writes the bytes it was given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers every head it reads with the same bytes: interim responses, bent framing, half an answer.
pub struct RawUpstream {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
    _listening: JoinSet<()>,
}

impl RawUpstream {
    /// Writes `answer` after each head and closes the connection.
    pub async fn closing(answer: impl Into<Bytes>) -> Self {
        Self::start(answer.into(), After::Close).await
    }

    /// Writes `answer` after each head and keeps the connection open.
    pub async fn keeping(answer: impl Into<Bytes>) -> Self {
        Self::start(answer.into(), After::Keep).await
    }

    async fn start(answer: Bytes, after: After) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::default();
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, answer, after, Arc::clone(&heads)));
        Self { address, heads, _listening: listening }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was read up to the answer, per head.
    pub fn heads(&self) -> Vec<Vec<u8>> {
        self.heads.lock().unwrap().clone()
    }
}

#[derive(Clone, Copy)]
enum After {
    Close,
    Keep,
}

async fn listen(listener: TcpListener, answer: Bytes, after: After, heads: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, answer.clone(), after, Arc::clone(&heads)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, answer: Bytes, after: After, heads: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut read = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut read).await {
        if !read.windows(4).any(|end| end == b"\r\n\r\n") {
            continue;
        }
        heads.lock().unwrap().push(std::mem::take(&mut read));
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        match after {
            After::Close => return,
            After::Keep => {}
        }
    }
}
