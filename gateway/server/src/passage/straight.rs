//! How does a request go whose body is known? Straight to its application, and the answer straight back.
//!
//! Pingora is made for bodies that stream both ways at once: two halves and a pipe between them, for each request. Where
//! there is no body, or all of it was read and judged, one after the other is enough, and costs less. Its parts are used
//! as they are: its connector, its HTTP/1 to the application, its session with the client. What it decides about
//! failures is decided where it asks for it too (`may_connect_again`, `may_ask_again`).

use bytes::Bytes;
use futures::FutureExt;
use http::{Method, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::v1::client::HttpSession as Client;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use portcullis_core::mode::Mode;
use portcullis_core::snapshot::Rules;

use super::{Ctx, Passage, answered, outgoing, spans};
use crate::forward::{Upstream, Wire, head};

/// Pieces of an answer that are sent in one go.
const TOGETHER: usize = 4;

/// Whether the requests of a route go this way to `upstream` whose bodies are known.
pub(super) fn leads_to(upstream: &Upstream, rules: &Rules) -> bool {
    let holds = rules.validate.answers().is_some_and(|answers| answers.mode == Mode::Enforce);
    upstream.is_http1() && !rules.streams() && !holds
}

/// Whether this one does.
pub(super) fn fits(session: &mut Session, ctx: &Ctx) -> bool {
    let (Some(permit), Some(upstream)) = (&ctx.permit, &ctx.upstream) else { return false };
    leads_to(upstream, permit.rules()) && (ctx.body.is_some() || session.is_body_done())
}

impl Passage {
    /// Forwards, and passes the answer on; again where that is allowed.
    pub(super) async fn straight(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        loop {
            match self.attempt(session, ctx).await {
                Err(e) if e.retry() => {}
                ended => return ended,
            }
        }
    }

    async fn attempt(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        let now = self.shared.world.clock.steady();
        let Some(upstream) = ctx.upstream.clone().filter(|_| ctx.permit.is_some()) else {
            return Error::e_explain(ErrorType::InternalError, "no permit");
        };
        let target = Self::choose(&upstream, ctx, now)?;
        let silence = spans::silence(target.options(), ctx, now, false);
        let (stream, reused) = match target.waiting(now) {
            Some(stream) => (stream, true),
            // Boxed, because few requests need one.
            None => match Box::pin(target.connect(&self.connector)).await {
                Ok(stream) => (stream, false),
                Err(mut e) => {
                    e.as_up();
                    let again = self.may_connect_again(ctx, &e);
                    e.set_retry(again);
                    return Err(e);
                }
            },
        };
        let mut client = Client::new(stream);
        Wire::limit_silence(client.stream(), silence);
        client.write_timeout = target.options().write_timeout;
        match self.exchange_with(&mut client, session, ctx).await {
            Ok(sent) => {
                let now = self.shared.world.clock.steady();
                ctx.ended = Some(now);
                if sent && client.resp_header().is_some_and(is_whole) {
                    client.respect_keepalive();
                    if let Some(stream) = client.reuse().await {
                        target.keep(stream, now);
                    }
                }
                Ok(())
            }
            Err(mut e) => {
                if Wire::was_silent(client.stream()) {
                    e.etype = ErrorType::ReadTimedout;
                }
                let again = self.may_ask_again(session, ctx, &e, reused);
                e.set_retry(again);
                Err(e)
            }
        }
    }

    /// `false`: the application did not take the whole request, so nothing may follow it.
    async fn exchange_with(&self, client: &mut Client, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let head = Box::new(outgoing::dressed(session.req_header(), ctx, &self.shared)?);
        let body = ctx.body.clone();
        let (mut task, sent) = watching(session, ask(client, head, body)).await?;
        loop {
            let (mut tasks, mut failed) = (Vec::with_capacity(TOGETHER), None);
            let end = loop {
                let end = task.is_end();
                tasks.push(self.pass(task, session, ctx)?);
                if end || tasks.len() == TOGETHER {
                    break end;
                }
                // What is there already goes with it. What has no budget left might seem not to be there.
                match tokio::task::unconstrained(next(client)).now_or_never() {
                    Some(Ok(next)) => task = next,
                    Some(Err(e)) => {
                        failed = Some(e);
                        break true;
                    }
                    None => break false,
                }
            };
            send(session, tasks).await?;
            if let Some(e) = failed {
                return Err(e.into_up());
            }
            if end {
                break;
            }
            task = watching(session, next(client).map(|task| task.map_err(Error::into_up))).await?;
        }
        if session.as_mut().finish_body().await.is_err() {
            session.set_keepalive(None);
        }
        Ok(sent)
    }

    /// A piece of the answer as the client gets it.
    fn pass(&self, task: HttpTask, session: &mut Session, ctx: &mut Ctx) -> Result<HttpTask> {
        match task {
            HttpTask::Header(mut head, end) => {
                if !end {
                    delimit(&session.req_header().method, &mut head)?;
                }
                self.answer_head(session, &mut head, ctx)?;
                Ok(HttpTask::Header(head, end))
            }
            HttpTask::Body(mut body, end) => {
                super::count(body.as_ref(), ctx);
                answered::piece(&mut body, end, ctx, &self.shared)?;
                Ok(HttpTask::Body(body, end))
            }
            other => Ok(other),
        }
    }
}

/// Whether nothing of an answer can still be on its way: one that may have no body and speaks of one (RFC 9112 §6.3) may
/// yet send it, to whoever asks next.
fn is_whole(head: &ResponseHeader) -> bool {
    let coded = head.headers.contains_key(header::TRANSFER_ENCODING);
    match head.status {
        StatusCode::NO_CONTENT => !coded && head.headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0"),
        // Its length is that of what was not sent.
        StatusCode::NOT_MODIFIED => !coded,
        _ => true,
    }
}

/// Asks, and waits for the head of the answer. The answer counts even where the application did not take all of the
/// body: it may have known enough.
async fn ask(client: &mut Client, head: Box<RequestHeader>, body: Option<Bytes>) -> Result<(HttpTask, bool)> {
    Wire::hold(client.stream(), body.is_some());
    client.write_request_header(head).await.map_err(Error::into_up)?;
    let sent = give(client, body).await;
    match (next(client).await, sent) {
        (Ok(task), sent) => Ok((task, sent.is_ok())),
        (Err(_), Err(e)) | (Err(e), Ok(())) => Err(e.into_up()),
    }
}

async fn give(client: &mut Client, body: Option<Bytes>) -> Result<()> {
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        client.write_body(&body).await?;
    }
    Wire::hold(client.stream(), false);
    client.finish_body().await.map(drop)
}

/// The next piece of the answer. As Pingora's own, less a copy of the head as it was spelt.
async fn next(client: &mut Client) -> Result<HttpTask> {
    if client.resp_header().is_some_and(|head| !outgoing::is_interim(head)) {
        return client.read_response_task().await;
    }
    client.read_response().await?;
    let end = client.is_body_done();
    let came = client.resp_header().ok_or_else(|| Error::new(ErrorType::InternalError))?;
    Ok(HttpTask::Header(Box::new(head::copy(came)), end))
}

/// Waits for the application as long as the client does.
async fn watching<T>(session: &mut Session, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        done = work => done,
        Err(gone) = session.as_mut().read_body_or_idle(true) => Err(gone.into_down()),
    }
}

/// An answer without a length that comes over a connection which stays open (RFC 9112 §6.3).
fn delimit(method: &Method, head: &mut ResponseHeader) -> Result<()> {
    let bodiless = *method == Method::HEAD || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let delimited =
        head.headers.contains_key(header::TRANSFER_ENCODING) || head.headers.contains_key(header::CONTENT_LENGTH);
    if bodiless || delimited || head.status.is_informational() {
        return Ok(());
    }
    head.set_version(Version::HTTP_11);
    head.insert_header(header::TRANSFER_ENCODING, "chunked")
}

#[expect(clippy::disallowed_methods, reason = "passes on what the application answered")]
async fn send(session: &mut Session, tasks: Vec<HttpTask>) -> Result<bool> {
    session.write_response_tasks(tasks).await
}

#[cfg(test)]
mod tests {
    use pingora::http::ResponseHeader;

    use super::is_whole;

    #[test]
    fn knows_an_answer_that_may_still_say_something() {
        for (status, field, whole) in [
            (200, ("content-length", "5"), true),
            (204, ("content-length", "0"), true),
            (204, ("x-a", "b"), true),
            (204, ("content-length", "54"), false),
            (204, ("transfer-encoding", "chunked"), false),
            (304, ("content-length", "54"), true),
            (304, ("transfer-encoding", "chunked"), false),
        ] {
            let mut head = ResponseHeader::build(status, None).unwrap();
            head.insert_header(field.0, field.1).unwrap();
            assert_eq!(is_whole(&head), whole, "{status} {field:?}");
        }
    }
}
