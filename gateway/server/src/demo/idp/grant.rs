//! The token endpoint (RFC 6749 §4.3, §4.4, §5).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use openidconnect::url::form_urlencoded;
use serde_json::{Value, json};

use super::mint::{LIFE, SCOPES};
use super::{IdpError, LocalIdp, MACHINE, PASSWORD, User};

/// An error of RFC 6749 §5.2, with a description that helps.
struct Denied {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl Denied {
    const fn because(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }
}

impl From<IdpError> for Denied {
    fn from(_: IdpError) -> Self {
        let description = "the token could not be signed";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, error: "server_error", description }
    }
}

pub(super) async fn token(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, said) = match grant(&idp, &headers, &body) {
        Ok(granted) => (StatusCode::OK, granted),
        Err(Denied { status, error, description }) => {
            (status, json!({ "error": error, "error_description": description }))
        }
    };
    let never_kept = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    let mut answer = (status, never_kept, Json(said)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = http::HeaderValue::from_static("Basic realm=\"portcullis demo\", charset=\"UTF-8\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

fn grant(idp: &LocalIdp, headers: &HeaderMap, body: &[u8]) -> Result<Value, Denied> {
    let form = form(headers, body)?;
    let field = |name: &str| form.get(name).map(String::as_str);
    let scope = scope(field("scope"));
    let token = match field("grant_type") {
        Some("client_credentials") => {
            authenticate_machine(headers, (field("client_id"), field("client_secret")))?;
            idp.mint.for_machine(scope.as_deref())?
        }
        Some("password") => {
            let (Some(name), Some(password)) = (field("username"), field("password")) else {
                return Err(Denied::because("invalid_request", "`username` and `password` are needed"));
            };
            let known = User::named(name).filter(|_| password == PASSWORD);
            let wrong = Denied::because("invalid_grant", "the users are alice, bob and carol, the password is `demo`");
            idp.mint.for_user(known.ok_or(wrong)?, scope.as_deref())?
        }
        Some(_) => {
            let known = "the grant types are `client_credentials` and, for development, `password`";
            return Err(Denied::because("unsupported_grant_type", known));
        }
        None => return Err(Denied::because("invalid_request", "`grant_type` is needed")),
    };
    let mut granted = json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFE.as_secs() });
    if let (Some(scope), Some(members)) = (scope, granted.as_object_mut()) {
        members.insert("scope".to_owned(), json!(scope));
    }
    Ok(granted)
}

/// No field twice (RFC 6749 §3.2).
fn form(headers: &HeaderMap, body: &[u8]) -> Result<BTreeMap<String, String>, Denied> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Denied::because("invalid_request", "send a form: `application/x-www-form-urlencoded`"));
    }
    let mut form = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Denied::because("invalid_request", "a field is there twice"));
        }
    }
    Ok(form)
}

/// What is granted of the scopes asked for; `None` where none were (RFC 6749 §3.3).
fn scope(asked: Option<&str>) -> Option<String> {
    let granted: Vec<_> = asked?.split(' ').filter(|scope| SCOPES.contains(scope)).collect();
    Some(granted.join(" "))
}

/// By HTTP Basic or in the form, never both (RFC 6749 §2.3).
fn authenticate_machine(headers: &HeaderMap, posted: (Option<&str>, Option<&str>)) -> Result<(), Denied> {
    let known = |id: Option<&str>, secret: Option<&str>| {
        let description = "the client is `demo-machine`, its secret is `demo`";
        let denied = Denied { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description };
        if (id, secret) == (Some(MACHINE), Some(PASSWORD)) { Ok(()) } else { Err(denied) }
    };
    let Some(shown) = headers.get(header::AUTHORIZATION) else { return known(posted.0, posted.1) };
    if posted.1.is_some() {
        return Err(Denied::because("invalid_request", "show the client's secret in one place only"));
    }
    match shown.to_str().ok().and_then(basic) {
        Some((id, secret)) => known(Some(&id), Some(&secret)),
        None => known(None, None),
    }
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
