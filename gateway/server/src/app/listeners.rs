//! Sockets: bound by us before anything serves, so that a port in use stops the start, then Pingora's.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::apps::ServerApp;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::Fds;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use portcullis_core::config::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Every socket of `[server]`, by its key.
pub(super) struct Bound {
    sockets: HashMap<&'static str, TcpListener>,
}

impl Bound {
    pub(super) fn bind(server: &ServerConfig) -> Result<Self, String> {
        let wanted = [
            ("https", server.https),
            ("http", server.http),
            ("plain", server.plain),
            ("admin", server.admin),
            ("probes", server.probes),
        ];
        let mut sockets = HashMap::new();
        for (name, listener) in wanted {
            let Some(address) = listener.address() else { continue };
            let socket = TcpListener::bind(address).map_err(|error| {
                format!("`server.{name}` = `{address}` cannot be listened on: {error}; stop what holds it, or choose another address")
            })?;
            socket.set_nonblocking(true).map_err(|error| error.to_string())?;
            sockets.insert(name, socket);
        }
        Ok(Self { sockets })
    }

    /// Where it really listens: the port may have been 0.
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.sockets.get(name)?.local_addr().ok()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<TcpListener> {
        self.sockets.remove(name)
    }
}

/// No buffer below TLS, which reads into one of its own, and none below the guard, which does too: Pingora's 64 KiB
/// would be held for as long as a client is connected.
const READ_BUFFER: usize = 0;
/// Bytes of an answer that are written at once, below TLS.
const WRITE_BUFFER: usize = 1460;

/// Lets Pingora accept on `socket` until `stopped` changes.
pub(super) fn spawn<A>(name: &str, app: A, socket: TcpListener, stopped: &watch::Receiver<bool>) -> JoinHandle<()>
where
    A: ServerApp + Send + Sync + 'static,
{
    let address = socket.local_addr().map_or_else(|_| name.to_owned(), |address| address.to_string());
    let mut fds = Fds::new();
    fds.add(address.clone(), socket.into_raw_fd());
    let mut service = Service::new(name.to_owned(), app);
    service.add_listener(ListenerConfig::tcp(&address).l4_buffer(L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER)));
    let stopped = stopped.clone();
    tokio::spawn(async move { service.start_service(Some(Arc::new(Mutex::new(fds))), stopped, 1).await })
}
