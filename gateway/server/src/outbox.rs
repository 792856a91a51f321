//! What is written in pieces goes out as one: one TLS record, one call of the kernel.
//!
//! Pingora writes the head of a message and then its body, and flushes where something has to be seen. In between it
//! waits here. Kept as short as a TLS record is (RFC 8446 §5.1), and given back when it is empty: a connection that waits
//! for its next request holds none.

#[cfg(test)]
mod tests;

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Bytes that wait, at most.
pub(crate) const MOST: usize = 16 * 1024;

/// Bytes that wait to be flushed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    given: usize,
}

impl Outbox {
    /// Takes of `bytes` what there is room for. 0: it must be emptied first, or is not the place for so much.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        if self.bytes.is_empty() && bytes.len() >= MOST {
            return 0;
        }
        let some = bytes.get(..MOST.saturating_sub(self.bytes.len())).unwrap_or(bytes);
        self.bytes.extend_from_slice(some);
        some.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes all that waits.
    pub(crate) fn poll_empty<W>(&mut self, mut to: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        W: AsyncWrite + ?Sized,
    {
        while let Some(rest) = self.bytes.get(self.given..).filter(|rest| !rest.is_empty()) {
            let written = ready!(to.as_mut().poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.given = self.given.saturating_add(written);
        }
        *self = Self::default();
        Poll::Ready(Ok(()))
    }
}
