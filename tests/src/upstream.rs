//! What reached the application? A real server that records every request and answers as told.

mod behind;
mod raw;
mod recorded;
mod reply;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use raw::RawUpstream;
pub use recorded::Recorded;
pub use reply::{Body, Feed, Release, Reply, Stream};

use crate::within;
use recorded::{Tee, Wire};

type Script = dyn Fn(&Recorded) -> Reply + Send + Sync;

/// An HTTP/1.1 and h2c (or, with TLS, HTTP/2) server on a free port of 127.0.0.1. Ends when dropped.
pub struct Upstream {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    /// Dropping it ends the listener and, with it, every connection.
    _listening: JoinSet<()>,
}

struct State {
    requests: Mutex<Vec<Recorded>>,
    /// Told once each, in order, before `default` is asked.
    queue: Mutex<VecDeque<Reply>>,
    default: Mutex<Arc<Script>>,
    /// Answers what the queue does not, instead of `default`.
    behind: Option<SocketAddr>,
    heads: AtomicUsize,
    /// What came over each connection, as bytes.
    wires: Mutex<Vec<Wire>>,
    changed: Notify,
}

impl Upstream {
    /// Answers 200 with `{"ok":true}` until told otherwise.
    pub async fn recording() -> Self {
        Self::start(None, None).await
    }

    /// Records what passes on its way to the application at `app`, whose answers go back as they are.
    pub async fn before(app: SocketAddr) -> Self {
        Self::start(None, Some(app)).await
    }

    /// The same over TLS; `config` decides about ALPN.
    pub async fn recording_tls(config: Arc<rustls::ServerConfig>) -> Self {
        Self::start(Some(TlsAcceptor::from(config)), None).await
    }

    async fn start(tls: Option<TlsAcceptor>, behind: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let default: Arc<Script> = Arc::new(|_| Reply::ok());
        let state = Arc::new(State {
            requests: Mutex::default(),
            queue: Mutex::default(),
            default: Mutex::new(default),
            behind,
            heads: AtomicUsize::new(0),
            wires: Mutex::default(),
            changed: Notify::new(),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, tls, Arc::clone(&state)));
        Self { address, scheme, state, _listening: listening }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As an upstream's `targets` want it.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Answers the next unanswered request with `reply`; later calls queue behind it.
    pub fn next(&self, reply: Reply) {
        self.state.queue.lock().unwrap().push_back(reply);
    }

    /// Answers whatever the queue does not.
    pub fn always(&self, answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) {
        *self.state.default.lock().unwrap() = Arc::new(answer);
    }

    /// Every request whose body has ended (or broken off), in that order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The only request; a panic when there are none or more.
    pub fn only(&self) -> Recorded {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "requests that reached the upstream: {all:#?}");
        all.remove(0)
    }

    /// How many heads have arrived, with or without their bodies.
    pub fn heads(&self) -> usize {
        self.state.heads.load(Ordering::SeqCst)
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.state.wires.lock().unwrap().len()
    }

    /// Every byte that came over a connection (counted from 0): the exact spelling and order of an HTTP/1 head.
    pub fn wire(&self, connection: usize) -> Vec<u8> {
        self.state.wires.lock().unwrap()[connection].lock().unwrap().clone()
    }

    /// Waits until `count` requests have been recorded.
    pub async fn wait_for(&self, count: usize) -> Vec<Recorded> {
        self.until(&format!("{count} requests at the upstream"), || self.requests().len() >= count).await;
        self.requests()
    }

    /// Waits until `count` heads have arrived.
    pub async fn wait_for_heads(&self, count: usize) {
        self.until(&format!("{count} heads at the upstream"), || self.heads() >= count).await;
    }

    async fn until(&self, what: &str, reached: impl Fn() -> bool) {
        within(what, async {
            loop {
                let mut changed = std::pin::pin!(self.state.changed.notified());
                changed.as_mut().enable();
                if reached() {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, tls.clone(), Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    stream.set_nodelay(true).unwrap();
    let wire = Wire::default();
    let connection = {
        let mut wires = state.wires.lock().unwrap();
        wires.push(Arc::clone(&wire));
        wires.len() - 1
    };
    let service = service_fn(|request| answer(request, connection, Arc::clone(&state)));
    let server = auto::Builder::new(TokioExecutor::new());
    // A connection that ends badly is the test's own doing.
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                let _ = server.serve_connection_with_upgrades(TokioIo::new(Tee::new(stream, wire)), service).await;
            }
        }
        None => {
            let _ = server.serve_connection_with_upgrades(TokioIo::new(Tee::new(stream, wire)), service).await;
        }
    }
}

/// `Err` closes an HTTP/1 connection, or resets an HTTP/2 stream, without a word.
async fn answer(
    mut request: Request<Incoming>,
    connection: usize,
    state: Arc<State>,
) -> Result<Response<reply::Sending>, std::io::Error> {
    state.heads.fetch_add(1, Ordering::SeqCst);
    state.changed.notify_waiters();
    let upgrade = hyper::upgrade::on(&mut request);
    let recorded = Recorded::read(request, connection).await;
    let scripted = state.queue.lock().unwrap().pop_front();
    let default = Arc::clone(&state.default.lock().unwrap());
    let reply = match (scripted, state.behind) {
        (Some(scripted), _) => scripted,
        (None, Some(app)) => behind::ask(app, &recorded).await,
        (None, None) => default(&recorded),
    };
    state.requests.lock().unwrap().push(recorded.clone());
    state.changed.notify_waiters();
    reply.send(&recorded, upgrade).await
}

/// Never an error: a marker for bodies that are at hand.
fn never<T>(impossible: Infallible) -> T {
    match impossible {}
}
