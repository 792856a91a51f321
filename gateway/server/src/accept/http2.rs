//! How are the streams of one HTTP/2 connection served?
//!
//! As Pingora does it, but for one thing: what Pingora turns away itself (no authority, two of them, user information,
//! a target of control characters, lengths that contradict each other) it answers before any callback of ours, so that
//! no line would tell of it. Here each of them is told to `refused`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, HttpSession, handshake};
use pingora::protocols::{Digest, Stream};
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

/// Streams turned away after which the whole connection is: Pingora's own bound.
const MOST_REFUSED: u32 = 32;

/// Told of each stream that Pingora has turned away.
pub(crate) type Refused = Box<dyn Fn(Option<IpAddr>) + Send + Sync>;

/// Serves until the client leaves, is idle for too long, or the process stops.
pub(super) async fn serve<A>(app: &Arc<A>, stream: Stream, shutdown: &ShutdownWatch, refused: &Refused)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let peer = digest.socket_digest.as_ref().and_then(|socket| socket.peer_addr()).and_then(|peer| peer.as_inet());
    let peer = peer.map(|peer| peer.ip().to_canonical());
    let Ok(mut connection) = handshake(stream, app.h2_options()).await else { return };
    let idle = app.server_options().and_then(|options| options.h2_idle_timeout);
    let under_way = Arc::new(watch::Sender::new(0_u32));
    let mut stopping = shutdown.clone();
    let mut ending = false;
    let mut turned_away = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.changed(), if !ending => {
                connection.graceful_shutdown();
                ending = true;
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => accepted,
            () = quiet(&under_way, idle), if !ending => return,
        };
        match accepted {
            Err(_) | Ok(None) => return,
            Ok(Some(H2Accept::Rejected)) => {
                refused(peer);
                turned_away += 1;
                if turned_away >= MOST_REFUSED {
                    return;
                }
            }
            Ok(Some(H2Accept::Session(session))) => {
                let place = Place::take(&under_way);
                let (app, shutdown) = (Arc::clone(app), shutdown.clone());
                tokio::spawn(async move {
                    let _place = place;
                    app.process_new_http(ServerSession::new_http2(session), &shutdown).await;
                });
            }
        }
    }
}

/// Over once nothing has been under way for `idle`; never where there is no such bound.
async fn quiet(under_way: &watch::Sender<u32>, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    let mut requests = under_way.subscribe();
    // The sender outlives this.
    let _ = requests.wait_for(|requests| *requests == 0).await;
    tokio::time::sleep(idle).await;
}

/// One of the requests under way, until dropped.
struct Place(Arc<watch::Sender<u32>>);

impl Place {
    fn take(under_way: &Arc<watch::Sender<u32>>) -> Self {
        under_way.send_modify(|requests| *requests += 1);
        Self(Arc::clone(under_way))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests = requests.saturating_sub(1));
    }
}
