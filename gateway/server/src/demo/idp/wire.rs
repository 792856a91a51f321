//! What do the provider's endpoints have in common? Forms, errors, and who the client is.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use openidconnect::url::form_urlencoded;
use serde_json::{Value, json};

use super::{Client, IdpError, LocalIdp};
use crate::world::random::NoRandomness;

/// An error of RFC 6749 §5.2, with a description that helps.
pub(super) struct Denied {
    status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

impl Denied {
    pub(super) const fn because(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    pub(super) const fn with(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    const fn own_fault() -> Self {
        Self::because("server_error", "the token could not be signed").with(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<IdpError> for Denied {
    fn from(_: IdpError) -> Self {
        Self::own_fault()
    }
}

impl From<NoRandomness> for Denied {
    fn from(_: NoRandomness) -> Self {
        Self::own_fault()
    }
}

/// JSON that nobody may keep.
pub(super) fn answer(said: Result<Value, Denied>) -> Response {
    let (status, said) = match said {
        Ok(granted) => (StatusCode::OK, granted),
        Err(Denied { status, error, description }) => {
            (status, json!({ "error": error, "error_description": description }))
        }
    };
    let never_kept = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    let challenged = said.get("error").and_then(Value::as_str).map(str::to_owned);
    let mut answer = (status, never_kept, Json(said)).into_response();
    if let Some(error) = challenged
        && let Some(challenge) = challenge(status, &error)
    {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// For clients by RFC 6749 §5.2, for tokens by RFC 6750 §3.
fn challenge(status: StatusCode, error: &str) -> Option<HeaderValue> {
    if status == StatusCode::UNAUTHORIZED && error == "invalid_client" {
        return Some(HeaderValue::from_static("Basic realm=\"portcullis demo\", charset=\"UTF-8\""));
    }
    let bearer = status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN;
    bearer.then(|| HeaderValue::try_from(format!("Bearer realm=\"portcullis demo\", error=\"{error}\"")).ok())?
}

/// The fields of a form or a query, none of them twice (RFC 6749 §3.1, §3.2).
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Denied> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Denied::because("invalid_request", "a field is there twice"));
            }
        }
        Ok(Self(fields))
    }

    pub(super) fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, Denied> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Denied::because("invalid_request", "send a form: `application/x-www-form-urlencoded`"));
        }
        Self::parse(body)
    }

    /// `None` also where it is empty: an empty field counts as left out (RFC 6749 §3.1).
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// As a query again.
    pub(super) fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Who asks: by HTTP Basic or in the form, never both (RFC 6749 §2.3).
pub(super) fn client<'a>(idp: &'a LocalIdp, headers: &HeaderMap, form: &Fields) -> Result<&'a Client, Denied> {
    let posted = (form.find("client_id"), form.find("client_secret"));
    let shown = match headers.get(header::AUTHORIZATION) {
        None => return known(idp, posted.0, posted.1),
        Some(_) if posted.1.is_some() => {
            return Err(Denied::because("invalid_request", "show the client's secret in one place only"));
        }
        Some(shown) => shown.to_str().ok().and_then(basic),
    };
    match shown {
        Some((id, _)) if posted.0.is_some_and(|posted| posted != id) => {
            Err(Denied::because("invalid_request", "`client_id` is not the client that authenticates"))
        }
        Some((id, secret)) => known(idp, Some(&id), Some(&secret)),
        None => known(idp, None, None),
    }
}

fn known<'a>(idp: &'a LocalIdp, id: Option<&str>, secret: Option<&str>) -> Result<&'a Client, Denied> {
    let client = id.and_then(|id| idp.client(id)).filter(|client| client.proves(secret));
    let description = "no client of this id and secret; of the demo's, `portcullis` and `demo-machine`, it is `demo`";
    client.ok_or(Denied::because("invalid_client", description).with(StatusCode::UNAUTHORIZED))
}

/// Id and secret are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(shown: &str) -> Option<(String, String)> {
    let (scheme, encoded) = shown.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some((decode(id), decode(secret)))
}

fn decode(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// The token in `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether a form came from one of our own pages. Whoever sends none of these fields is no browser, and carries nobody's
/// cookies.
pub(super) fn is_from_our_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = text("origin").is_none_or(|origin| {
        text("host").is_some_and(|host| origin.strip_prefix("http://").is_some_and(|said| said == host))
    });
    site && origin
}

/// What is granted of the scopes asked for; `None` where none were (RFC 6749 §3.3).
pub(super) fn scope(asked: Option<&str>) -> Option<String> {
    let granted: Vec<_> = asked?.split(' ').filter(|scope| super::metadata::SCOPES.contains(scope)).collect();
    Some(granted.join(" "))
}
