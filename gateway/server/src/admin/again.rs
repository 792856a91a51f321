//! Did this very request come before? `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): what was done is
//! answered again, and not done again.
//!
//! A claim is kept before anything is done, the answer after it. It may hold a secret that is shown once, so it is sealed
//! under a key made of the credential, which the store never holds: whoever has the store can read none of them. A
//! certificate is no secret: there it is the client's `Idempotency-Key`, of which the store has but a hash.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::problem::{Refused, Unknown};
use crate::login::Sealer;
use crate::world::store::{Claimed, Kept, Turn};

/// The request's field.
pub(super) const KEY: &str = "idempotency-key";
/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// In bytes.
const LONGEST_KEY: usize = 255;
/// The largest answer that is kept, in bytes.
const LARGEST: usize = 512 * 1024;
/// No operation takes longer: a claim this old is of a process that ended.
const LONGEST_TURN: Duration = Duration::from_mins(1);
/// What of an answer's head is kept.
const FIELDS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// By what the caller is known.
#[derive(Clone, Copy)]
pub(super) enum Credential<'a> {
    /// By the thumbprint of their certificate.
    Proven(&'a [u8; 32]),
    Shown(&'a str),
}

/// A request that says how it is known when it comes again.
pub(super) struct Keyed {
    id: String,
    fingerprint: String,
    sealer: Sealer,
}

/// An answer as it is sealed.
#[derive(Deserialize, Serialize)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Keyed {
    /// `None`: it says nothing.
    ///
    /// # Errors
    /// 400 for a key that is repeated, empty, too long or no text.
    pub(super) fn of(
        parts: &Parts,
        actor: &str,
        credential: Credential<'_>,
        body: &[u8],
    ) -> Result<Option<Self>, Refused> {
        let Some(key) = key(&parts.headers)? else { return Ok(None) };
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let if_match = parts.headers.get(header::IF_MATCH).map_or(&b""[..], HeaderValue::as_bytes);
        let secret = match credential {
            Credential::Proven(thumbprint) => {
                hash(&[b"portcullis idempotency by certificate", thumbprint, key.as_bytes()])
            }
            Credential::Shown(text) => hash(&[b"portcullis idempotency", text.as_bytes()]),
        };
        let sealer =
            Sealer::new(&secret, "idempotency").map_err(|_| Refused::failed(&"no key to seal an answer with"))?;
        Ok(Some(Self {
            id: URL_SAFE_NO_PAD.encode(hash(&[actor.as_bytes(), key.as_bytes()])),
            fingerprint: URL_SAFE_NO_PAD.encode(hash(&[
                parts.method.as_str().as_bytes(),
                target.as_bytes(),
                if_match,
                body,
            ])),
            sealer,
        }))
    }

    /// Does what is asked, unless it was done before. Goes on when the client leaves: what was begun gets its answer.
    pub(super) async fn run(self, admin: Admin, request: Request, next: Next) -> Response {
        let run = tokio::spawn(async move { self.once(&admin, request, next).await });
        match run.await {
            Ok(answered) => answered.into_response(),
            Err(_) => Refused::failed(&"an operation broke off").into_response(),
        }
    }

    async fn once(self, admin: &Admin, request: Request, next: Next) -> Result<Response, Refused> {
        let now = admin.shared.world.clock.now().wall;
        let claimed = admin.store.answers.claim(&self.id, self.fingerprint.clone(), now).await;
        let turn = match claimed.map_err(|error| Refused::store(&error))? {
            Claimed::Ours(turn) => turn,
            Claimed::Theirs(kept) => return self.again(&kept, now),
        };
        let response = next.run(request).await;
        let done = response.status().is_success() || response.extensions().get::<Unknown>().is_some();
        if done { self.keep(admin, turn, response).await } else { release(admin, turn, response).await }
    }

    fn again(&self, kept: &Kept, now: Moment) -> Result<Response, Refused> {
        if kept.fingerprint != self.fingerprint {
            let detail = "this `Idempotency-Key` was sent with another request";
            return Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
        }
        let conflict = |detail| Refused::new(StatusCode::CONFLICT, "idempotency_conflict", detail);
        let Some(sealed) = &kept.sealed else {
            return Err(conflict(if kept.at.plus(LONGEST_TURN) > now {
                "a request with this `Idempotency-Key` is under way"
            } else {
                "a request with this `Idempotency-Key` came before, and the gateway ended before its answer was kept: see \
                 what there is, and send another key"
            }));
        };
        let answer = self.sealer.open(sealed, &self.id).and_then(|plain| serde_json::from_slice::<Answer>(&plain).ok());
        let answer = answer.ok_or_else(|| {
            conflict("this was done before; its answer is for the credential that was shown then, and for no other")
        })?;
        let mut response = answer.body.into_response();
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let fields = response.headers_mut();
        fields.remove(header::CONTENT_TYPE);
        for (name, value) in answer.fields {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                fields.insert(name, value);
            }
        }
        fields.insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    async fn keep(&self, admin: &Admin, turn: Turn, response: Response) -> Result<Response, Refused> {
        let (parts, body) = response.into_parts();
        // Our own answers, within their bounds.
        let body = to_bytes(body, usize::MAX).await.map_err(|error| Refused::failed(&error))?;
        let field = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
        let answer = Answer {
            status: parts.status.as_u16(),
            fields: FIELDS.iter().filter_map(field).collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        let plain = serde_json::to_vec(&answer).unwrap_or_default();
        if body.len() <= LARGEST
            && let Ok(sealed) = self.sealer.seal(&plain, &self.id)
            // It is done: whoever asks again is told that the answer was not kept.
            && let Err(error) = admin.store.answers.keep(turn, sealed).await
        {
            tracing::warn!(%error, "an answer could not be kept for whoever asks again");
        }
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

async fn release(admin: &Admin, turn: Turn, response: Response) -> Result<Response, Refused> {
    if let Err(error) = admin.store.answers.release(turn).await {
        tracing::warn!(%error, "a claim could not be given back: the same request is refused until it is forgotten");
    }
    Ok(response)
}

/// A text in quotes (RFC 9651 §3.3.3); the quotes may be left out.
fn key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let wrong = |detail: &str| Refused::new(StatusCode::BAD_REQUEST, "malformed_request", detail);
    let mut shown = headers.get_all(KEY).iter();
    let value = match (shown.next(), shown.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => only.to_str().map_err(|_| wrong("`Idempotency-Key` is not ASCII"))?.trim(),
        (Some(_), Some(_)) => return Err(wrong("`Idempotency-Key` is repeated")),
    };
    let text = match value.strip_prefix('"').map(|rest| rest.strip_suffix('"')) {
        None => value,
        Some(Some(text)) => text,
        Some(None) => return Err(wrong("`Idempotency-Key` has no closing quote")),
    };
    if text.is_empty()
        || text.len() > LONGEST_KEY
        || !text.bytes().all(|b| (0x20..0x7f).contains(&b) && !b"\"\\".contains(&b))
    {
        return Err(wrong("`Idempotency-Key` is 1 to 255 characters, none of them `\"` or `\\`"));
    }
    Ok(Some(text.to_owned()))
}

/// SHA-256 of the parts and their lengths.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
