//! Which way does a request go? Straight, in a request of its own, by Pingora, or no further.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use http::Version;
use pingora::proxy::Session;
use portcullis_core::journey::Turned;
use portcullis_core::refusal::{Code, Refusal};

use super::{Ctx, Passage, answered, body, straight};

/// Where a request goes when it was judged.
pub(super) enum Way {
    /// In a request of its own (`again`).
    Again,
    /// Pingora forwards it.
    Pingora,
    /// `straight` does.
    Straight,
    /// Nowhere.
    Turned(Turned),
}

impl Passage {
    /// What Pingora is to do otherwise with this request than it would.
    pub(super) fn prepare(&self, session: &mut Session) {
        if !session.is_upgrade_req() {
            session.set_read_timeout(Some(self.shared.body_timeout));
        }
        if session.is_http2() {
            // A client who never widens a stream's window; who does not read the connection, the guard cuts off.
            session.set_write_timeout(Some(self.shared.body_timeout));
        }
        if session.req_header().version == Version::HTTP_10 {
            // RFC 9110 §15.2: it would take an interim answer for the answer.
            session.set_ignore_info_resp(true);
        }
        // Pingora keeps a connection for ever after its first request unless told otherwise.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.shared.keepalive.as_secs().max(1)));
        }
    }

    /// Judges it. A panic would drop the connection and leave no line; here it becomes a 500.
    pub(super) async fn way(&self, session: &mut Session, ctx: &mut Ctx) -> Way {
        let travelled = {
            let mut travel = pin!(self.travel(session, ctx));
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| travel.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(panicked) => Poll::Ready(Err(panicked)),
            })
            .await
        };
        match travelled {
            Ok(Ok(())) if straight::fits(session, ctx) => Way::Straight,
            Ok(Ok(())) if answered::holds(ctx) => Way::Again,
            Ok(Ok(())) if ctx.ours && ctx.came.is_some() => Way::Again,
            Ok(Ok(())) if !ctx.ours && ctx.replay != body::Replay::InPlace => Way::Again,
            Ok(Ok(())) => Way::Pingora,
            Ok(Err(turned)) => Way::Turned(turned),
            Err(_) => Way::Turned(Refusal::new(Code::InternalError).because("a stage panicked").into()),
        }
    }
}
