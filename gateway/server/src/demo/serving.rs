//! Serving until told to stop, and not much longer.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long open requests may take to end once told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Tells long answers that the server is ending.
#[derive(Clone)]
pub(super) struct Ending(watch::Receiver<()>);

impl Ending {
    /// Waits until the server is told to stop.
    pub(super) async fn begun(&mut self) {
        // Nothing is ever sent: the sender's end is the message.
        while self.0.changed().await.is_ok() {}
    }
}

/// Serves what `router` makes until `shutdown`, then at most two seconds longer for what is under way.
pub(super) async fn serve_until(
    listener: TcpListener,
    router: impl FnOnce(Ending) -> Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (alive, ended) = watch::channel(());
    let mut ending = Ending(ended);
    let stop = async move {
        shutdown.await;
        drop(alive);
    };
    let serving = axum::serve(listener, router(ending.clone())).with_graceful_shutdown(stop);
    let too_long = async {
        ending.begun().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = async { serving.await } => served,
        () = too_long => Ok(()),
    }
}
