//! How do we answer on our own behalf? The only code that writes a response of the gateway.

mod page;
#[cfg(test)]
mod tests;
mod way_in;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use portcullis_core::limit::headers::{RATE_LIMIT, RATE_LIMIT_POLICY, rate_limit, rate_limit_policy, retry_after};
use portcullis_core::refusal::{ADMIN_ONLY, Challenge, Code, LoginOffer, LoginStyle, Refusal, Scheme};

pub(crate) use page::{escape, frame};
pub(crate) use way_in::query;

use crate::observe::Id;

/// What every answer of ours carries, whatever it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) decision: Id,
    pub(crate) request_id: Id,
    /// CORS fields, where the route grants the origin.
    pub(crate) cors: Vec<(HeaderName, HeaderValue)>,
    /// `Set-Cookie` for when the cookie of a session that is over was shown.
    pub(crate) clear_session: Option<HeaderValue>,
    /// `https://app.example.com`, or empty: then references are relative to our own origin.
    pub(crate) base: Arc<str>,
    /// The request that another proxy asks about.
    pub(crate) about: Option<About>,
}

/// A request that another proxy holds while it asks what to do with it.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) asks: Asks,
}

/// What the proxy understands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asks {
    /// Passes whatever is not a success on to its client.
    AnyStatus,
    /// Knows 401 and 403 alone (nginx `auth_request`): takes whatever else for a failure of ours.
    TwoStatuses,
}

/// Tells [`Asks::TwoStatuses`] the status that it does not understand.
const STATUS: &str = "x-portcullis-status";

/// A small answer of ours: documentation, key sets, redirects, preflights.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut fields = Vec::with_capacity(MOST_USUAL);
        fields.push((header::CONTENT_TYPE, HeaderValue::from_static(media_type)));
        Self { status, fields, body: body.into() }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, fields: Vec::new(), body: Bytes::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }
}

pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// Fields of its own that few answers exceed.
const MOST_USUAL: usize = 4;
/// Fields that every answer has, with those of Pingora.
const MOST_ADDED: usize = 7;

/// At most this much of an unread body is swallowed so that the connection can live on.
const MOST_SWALLOWED: u64 = 64 * 1024;
/// And for at most this long.
const LONGEST_SWALLOW: Duration = Duration::from_secs(2);

/// Turns a refusal into its bytes: problem document, or a page for a person who navigates.
pub(crate) async fn refuse(session: &mut Session, refusal: &Refusal, envelope: &Envelope) -> pingora::Result<()> {
    let row = refusal.code.row();
    let offer = refusal.extra.as_ref().and_then(|extra| extra.login.as_ref());
    let clear = envelope.clear_session.clone();
    if let Some(mut reply) = offer.and_then(|offer| to_login(session, offer, envelope)) {
        reply.fields.extend(clear.map(|value| (header::SET_COOKIE, value)));
        return send(session, reply, envelope).await;
    }
    let mut reply = if is_navigation(session, envelope) {
        Reply::new(refusal.code.status(), "text/html; charset=utf-8", page::refusal(refusal, envelope))
            .with(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY_POLICY))
    } else {
        let login_url = offer.map(|offer| way_in::address(&envelope.base, None, offer));
        let (decision, request_id) = (envelope.decision.as_str(), envelope.request_id.as_str());
        let body = refusal.document(&envelope.base, decision, request_id, login_url);
        Reply::new(refusal.code.status(), "application/problem+json", body)
    };
    reply.fields.extend(clear.map(|value| (header::SET_COOKIE, value)));
    if let Some(extra) = &refusal.extra {
        if let Some(wait) = extra.retry_after {
            reply = reply.with(header::RETRY_AFTER, retry_after(wait, &extra.limits));
        }
        if !extra.allow.is_empty() {
            let methods: Vec<&str> = extra.allow.iter().map(Method::as_str).collect();
            if let Ok(value) = HeaderValue::try_from(methods.join(", ")) {
                reply = reply.with(header::ALLOW, value);
            }
        }
        if let Some(challenge) = &extra.challenge
            && let Ok(value) = HeaderValue::try_from(www_authenticate(challenge, &envelope.base))
        {
            reply = reply.with(header::WWW_AUTHENTICATE, value);
        }
        if !extra.limits.is_empty() {
            for (name, value) in rate_fields(&extra.limits) {
                reply = reply.with(name, value);
            }
        }
    }
    if row.status == 401 && !reply.fields.iter().any(|(name, _)| name == header::WWW_AUTHENTICATE) {
        // RFC 9110 §11.6.1: a 401 always carries a challenge.
        let value = www_authenticate(&Challenge::default(), &envelope.base);
        if let Ok(value) = HeaderValue::try_from(value) {
            reply = reply.with(header::WWW_AUTHENTICATE, value);
        }
    }
    send(session, reply, envelope).await
}

/// Sends whoever may be logged in by their browser to the login, with the way back.
fn to_login(session: &Session, offer: &LoginOffer, envelope: &Envelope) -> Option<Reply> {
    let head = session.req_header();
    let own = head.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    let (method, target) = match &envelope.about {
        Some(about) => (&about.method, Some(about.target.as_str())),
        None => (&head.method, own),
    };
    let sent = match offer.style {
        LoginStyle::Auto => is_navigation(session, envelope),
        LoginStyle::Api => false,
        LoginStyle::Browser => method == Method::GET && head.headers.get(header::UPGRADE).is_none(),
    };
    let location = HeaderValue::try_from(way_in::address(&envelope.base, target, offer)).ok().filter(|_| sent)?;
    // Whether it is a page or a redirect depends on who asks.
    let vary = HeaderValue::from_static("accept, cookie, sec-fetch-mode");
    Some(Reply::empty(StatusCode::FOUND).with(header::LOCATION, location).with(header::VARY, vary))
}

/// `RateLimit-Policy` and `RateLimit` of all limits that were charged.
pub(crate) fn rate_fields(
    limits: &[portcullis_core::refusal::LimitState],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let fields = [(RATE_LIMIT_POLICY, rate_limit_policy(limits)), (RATE_LIMIT, rate_limit(limits))];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

/// Writes any answer of ours, and leaves the connection usable where that is safe.
#[expect(clippy::disallowed_methods, reason = "this is the one place that answers on our behalf")]
pub(crate) async fn send(session: &mut Session, mut reply: Reply, envelope: &Envelope) -> pingora::Result<()> {
    if envelope.about.as_ref().is_some_and(|about| about.asks == Asks::TwoStatuses) {
        reply = understood(reply);
    }
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = reply.status;
    head.headers.reserve(reply.fields.len() + envelope.cors.len() + MOST_ADDED);
    for (name, value) in reply.fields.into_iter().chain(envelope.cors.iter().cloned()) {
        head.headers.append(name, value);
    }
    head.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    head.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !envelope.request_id.is_empty() {
        head.headers.insert(&X_REQUEST_ID, envelope.request_id.field());
    }
    let bodiless = reply.status == StatusCode::NO_CONTENT || reply.status == StatusCode::NOT_MODIFIED;
    if !bodiless {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    // Names in lower case, but for those that Pingora spells as everybody does.
    let head = ResponseHeader::from(head);
    settle_body(session).await;
    if bodiless || session.req_header().method == Method::HEAD {
        return session.write_response_header(Box::new(head), true).await;
    }
    session.write_response_header(Box::new(head), false).await?;
    session.write_response_body(Some(reply.body), true).await
}

/// Swallows a small unread body before we answer, or arranges for the connection to end after the answer.
async fn settle_body(session: &mut Session) {
    if session.is_body_done() {
        return;
    }
    // A client that waits for 100 Continue has sent nothing, and shall not.
    let waits = session.get_header(header::EXPECT).is_some();
    let declared = session.get_header(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if !waits && declared.is_some_and(|length| length <= MOST_SWALLOWED) {
        let swallowed = tokio::time::timeout(LONGEST_SWALLOW, session.drain_request_body()).await;
        if matches!(swallowed, Ok(Ok(()))) {
            return;
        }
    }
    if session.is_http2() {
        // What else comes ends with a reset of the stream, NO_ERROR (RFC 9113 §8.1). Some clients give up an answer
        // that is followed by one while they still send, so what is small was swallowed here too.
        return;
    }
    session.set_keepalive(None);
    session.set_close_on_response_before_downstream_finish(false);
    session.set_total_drain_timeout(Some(LONGEST_SWALLOW));
}

/// The same for a proxy that understands 200, 401 and 403.
fn understood(reply: Reply) -> Reply {
    let status = match reply.status {
        status if status.is_success() => return reply,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => reply.status,
        // A way to a login.
        status if status.is_redirection() => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    let said = HeaderValue::from(reply.status.as_u16());
    Reply { status, ..reply }.with(HeaderName::from_static(STATUS), said)
}

/// A person looking at a browser's window, not a script (Fetch metadata; `Accept` for older browsers).
pub(crate) fn is_navigation(session: &Session, envelope: &Envelope) -> bool {
    let head = session.req_header();
    let method = envelope.about.as_ref().map_or(&head.method, |about| &about.method);
    if method != Method::GET && method != Method::HEAD {
        return false;
    }
    let text = |name: &HeaderName| head.headers.get(name).and_then(|v| v.to_str().ok());
    match text(&SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => {
            text(&header::ACCEPT).is_some_and(|accepted| accepted.contains("text/html"))
                && text(&X_REQUESTED_WITH).is_none()
        }
    }
}

/// RFC 6750 §3, RFC 9449 §7.1 and RFC 9470 §3, with the metadata pointer of RFC 9728 §5.1.
fn www_authenticate(challenge: &Challenge, base: &str) -> String {
    const USUAL: usize = 256;
    let mut text = String::with_capacity(USUAL);
    text.push_str(match challenge.scheme {
        Scheme::Bearer => "Bearer realm=\"portcullis\"",
        Scheme::Dpop => "DPoP realm=\"portcullis\", algs=\"ES256 ES384 RS256 PS256 EdDSA\"",
    });
    if let Some(error) = challenge.error {
        text.push_str(", error=\"");
        text.push_str(error);
        text.push('"');
    }
    if !challenge.description.is_empty() {
        text.push_str(", error_description=\"");
        text.extend(
            challenge.description.chars().filter(|c| c.is_ascii() && !c.is_ascii_control() && *c != '"' && *c != '\\'),
        );
        text.push('"');
    }
    if let Some(scope) = &challenge.scope {
        text.push_str(", scope=\"");
        text.push_str(scope);
        text.push('"');
    }
    if let Some(classes) = &challenge.acr_values {
        text.push_str(", acr_values=\"");
        text.push_str(classes);
        text.push('"');
    }
    if let Some(age) = challenge.max_age {
        text.push_str(", max_age=\"");
        text.push_str(&age.as_secs().to_string());
        text.push('"');
    }
    if !base.is_empty() {
        text.push_str(", resource_metadata=\"");
        text.push_str(base);
        text.push_str("/.well-known/oauth-protected-resource\"");
    }
    text
}

/// The documentation page of a code, of the public listener or the admin API; `None` for a name that is none.
pub(crate) fn documentation(name: &str) -> Option<Reply> {
    let mut rows = Code::ALL.iter().map(|code| code.row()).chain(ADMIN_ONLY.iter().copied());
    let row = rows.find(|row| row.name == name)?;
    Some(
        Reply::new(StatusCode::OK, "text/html; charset=utf-8", page::documentation(&row))
            .with(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY_POLICY))
            .with(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    )
}
