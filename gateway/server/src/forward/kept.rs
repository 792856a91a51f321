//! Which connection to an application is free? The one that was used last, if it is still good.
//!
//! Pingora's own pool gives each waiting connection a task, a timer and a place in three lists, anew for each request. Here
//! they lie on a stack: whoever takes one looks whether it was closed meanwhile, and what lies too long is swept away.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt;

/// Connections that wait, to one target; what is more is closed.
const MOST: usize = 256;

/// Connections that wait for their next request.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<Waiting>>);

#[derive(Debug)]
struct Waiting {
    stream: Stream,
    /// By the steady clock.
    until: Duration,
}

impl Kept {
    /// A connection that is good as far as can be seen.
    pub(super) fn take(&self, now: Duration) -> Option<Stream> {
        loop {
            let mut waiting = self.0.lock().pop()?;
            if waiting.until > now && is_quiet(&mut waiting.stream) {
                return Some(waiting.stream);
            }
        }
    }

    pub(super) fn put(&self, stream: Stream, until: Duration) {
        let mut all = self.0.lock();
        if all.len() < MOST {
            all.push(Waiting { stream, until });
        }
    }

    /// Closes what waited too long, and what the application has closed.
    pub(super) fn sweep(&self, now: Duration) {
        self.0.lock().retain_mut(|waiting| waiting.until > now && is_quiet(&mut waiting.stream));
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// Nothing is said on a connection where nothing was asked: neither a byte nor a goodbye.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    // What has no budget left might look quiet.
    tokio::task::unconstrained(stream.read(&mut byte)).now_or_never().is_none()
}
