//! How does an HTTP/1 connection wait for its next request? Without Pingora, whose state of one request weighs 60 KiB
//! even while there is none: its engine begins when a head is there to be read.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pingora::apps::HttpPersistentSettings;
use pingora::modules::http::HttpModules;
use pingora::protocols::Stream;
use pingora::proxy::Session;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, ReadBuf};

use super::engine::Engine;
use super::guard::Guard;

/// No module is added to Pingora's own work.
static NO_MODULES: LazyLock<HttpModules> = LazyLock::new(HttpModules::new);

/// One request after the other, until the client, the engine or a stop ends it. `idle`: the longest wait for the next.
///
/// The wait for the first request is bounded by the [`Guard`], which answers a client that says nothing.
pub(super) async fn serve<A>(inner: &Arc<A>, guarded: Stream, idle: Duration, shutdown: &ShutdownWatch)
where
    A: Engine + Send + Sync + 'static,
{
    let mut stop = shutdown.clone();
    // Both live as long as the connection: to begin and forget them for each request costs more than to look at them.
    let mut stopping = pin!(async move { stop.wait_for(|stop| *stop).await.is_ok() });
    let mut silence = pin!(tokio::time::sleep(idle));
    let mut next: (Stream, Option<HttpPersistentSettings>) = (guarded, None);
    loop {
        let (mut stream, settings) = next;
        tokio::select! {
            biased;
            ready = head(&mut stream) => if ready == Ready::Never { return },
            () = &mut silence, if settings.is_some() => return,
            _ = &mut stopping => return,
        }
        let mut session = Session::new_h1_with_modules(stream, &NO_MODULES);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        } else {
            session.set_keepalive(Some(idle.as_secs().max(1)));
            let most = inner.server_options().and_then(|options| options.keepalive_request_limit);
            session.set_keepalive_reuses_remaining(most);
        }
        match inner.serve(session, shutdown).await {
            Some(reused) => {
                next = reused.consume();
                silence.as_mut().reset(tokio::time::sleep(idle).deadline());
            }
            None => return,
        }
    }
}

/// Whether there is anything for Pingora to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ready {
    Head,
    Never,
}

/// Waits until the guard holds a whole head, or what stands in for one.
async fn head(stream: &mut Stream) -> Ready {
    let waits = |stream: &Stream| Guard::of(Some(stream)).is_some_and(Guard::waits_for_head);
    if waits(stream) {
        // The guard reads on its own account; nothing is taken from it.
        let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut []))).await;
        if read.is_err() || waits(stream) {
            return Ready::Never;
        }
    }
    Ready::Head
}
