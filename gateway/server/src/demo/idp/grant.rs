//! The token endpoint (RFC 6749 §4.1.3, §4.3, §4.4, §5, §6; RFC 7636 §4.6).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::memory::{Granted, Renewal};
use super::wire::{self, Denied, Fields};
use super::{Client, LocalIdp, PASSWORD};

pub(super) async fn token(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    wire::answer(grant(&idp, &headers, &body))
}

fn grant(idp: &LocalIdp, headers: &HeaderMap, body: &[u8]) -> Result<Value, Denied> {
    let form = Fields::of_form(headers, body)?;
    match form.find("grant_type") {
        Some("authorization_code") => code(idp, wire::client(idp, headers, &form)?, &form),
        Some("refresh_token") => refresh(idp, wire::client(idp, headers, &form)?, &form),
        Some("client_credentials") => machine(idp, wire::client(idp, headers, &form)?, &form),
        Some("password") => password(idp, &form),
        Some(_) => Err(Denied::because(
            "unsupported_grant_type",
            "the grant types are `authorization_code`, `refresh_token`, `client_credentials` and, for development, `password`",
        )),
        None => Err(Denied::because("invalid_request", "`grant_type` is needed")),
    }
}

fn code(idp: &LocalIdp, client: &Client, form: &Fields) -> Result<Value, Denied> {
    let field = |name, why| form.find(name).ok_or(Denied::because("invalid_request", why));
    let text = field("code", "`code` is needed")?;
    let verifier = field("code_verifier", "`code_verifier` is needed: this provider demands PKCE")?;
    let redirect_uri = field("redirect_uri", "`redirect_uri` is needed, the same as at the authorization endpoint")?;
    let now = idp.mint.now();
    let stale = Denied::because("invalid_grant", "the code is unknown, used, older than a minute, or not yours");
    let code = idp.memory.spend(text, &client.id, now).ok_or(stale)?;
    if code.redirect_uri != redirect_uri {
        return Err(Denied::because("invalid_grant", "`redirect_uri` is not the one the code was sent to"));
    }
    if URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) != code.challenge {
        return Err(Denied::because("invalid_grant", "`code_verifier` does not fit the `code_challenge`"));
    }
    let renewal = idp.memory.begin(text, code.granted.clone(), now)?;
    tokens(idp, &code.granted, &renewal, code.nonce)
}

fn refresh(idp: &LocalIdp, client: &Client, form: &Fields) -> Result<Value, Denied> {
    let shown = form.find("refresh_token").ok_or(Denied::because("invalid_request", "`refresh_token` is needed"))?;
    let renewed = idp.memory.renew(shown, &client.id, idp.mint.now())?;
    let why = "the refresh token is unknown, used, expired or not yours, or the account is disabled";
    let (mut granted, renewal) = renewed.ok_or(Denied::because("invalid_grant", why))?;
    if let Some(asked) = form.find("scope") {
        if !asked.split(' ').all(|asked| granted.scope.split(' ').any(|given| given == asked)) {
            return Err(Denied::because("invalid_scope", "a refresh gives no scope that was not given before"));
        }
        asked.clone_into(&mut granted.scope);
    }
    tokens(idp, &granted, &renewal, None)
}

fn tokens(idp: &LocalIdp, granted: &Granted, renewal: &Renewal, nonce: Option<String>) -> Result<Value, Denied> {
    let gone = Denied::because("invalid_grant", "nobody of this name is known any more");
    let person = idp.person(&granted.user).ok_or(gone)?;
    let access_token = idp.mint.for_grant(granted, person, &renewal.family)?;
    let mut said = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": idp.mint.life().as_secs(),
        "refresh_token": renewal.token,
        "scope": granted.scope,
    });
    if granted.scope.split(' ').any(|scope| scope == "openid")
        && let Some(said) = said.as_object_mut()
    {
        let id_token = idp.mint.id_token(granted, person, nonce, &access_token)?;
        said.insert("id_token".to_owned(), json!(id_token));
    }
    Ok(said)
}

fn machine(idp: &LocalIdp, client: &Client, form: &Fields) -> Result<Value, Denied> {
    if client.secret.is_none() {
        return Err(Denied::because("unauthorized_client", "a client without a secret cannot speak for itself"));
    }
    let scope = wire::scope(form.find("scope"));
    Ok(alone(idp, &idp.mint.for_machine(&client.id, scope.as_deref())?, scope))
}

fn password(idp: &LocalIdp, form: &Fields) -> Result<Value, Denied> {
    let (Some(name), Some(password)) = (form.find("username"), form.find("password")) else {
        return Err(Denied::because("invalid_request", "`username` and `password` are needed"));
    };
    let known = idp.person(name).filter(|_| password == PASSWORD && !idp.memory.is_disabled(name));
    let wrong = Denied::because("invalid_grant", "no such user, or disabled, or the password is not `demo`");
    let scope = wire::scope(form.find("scope"));
    Ok(alone(idp, &idp.mint.for_user(known.ok_or(wrong)?, scope.as_deref())?, scope))
}

/// An access token without company.
fn alone(idp: &LocalIdp, token: &str, scope: Option<String>) -> Value {
    let life = idp.mint.life().as_secs();
    let mut granted = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life });
    if let (Some(scope), Some(members)) = (scope, granted.as_object_mut()) {
        members.insert("scope".to_owned(), json!(scope));
    }
    granted
}
