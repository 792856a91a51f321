//! What is a token worth, and whom is it about? Userinfo, introspection (RFC 7662), revocation (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use openidconnect::UserInfoClaims;
use serde_json::{Value, json};

use super::LocalIdp;
use super::mint::{Extra, Kind, standard};
use super::wire::{self, Denied, Fields};

pub(super) async fn userinfo(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap) -> Response {
    wire::answer(person(&idp, &headers))
}

fn person(idp: &LocalIdp, headers: &HeaderMap) -> Result<Value, Denied> {
    let bad = Denied::because("invalid_token", "send an access token of this provider that is still good");
    let bad = bad.with(StatusCode::UNAUTHORIZED);
    let Some(claims) = wire::bearer(headers).and_then(|token| live(idp, token)) else { return Err(bad) };
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let scope = text("scope").unwrap_or_default();
    if !scope.split(' ').any(|scope| scope == "openid") {
        let poor = Denied::because("insufficient_scope", "the token was not granted `openid`");
        return Err(poor.with(StatusCode::FORBIDDEN));
    }
    let Some(person) = text("sub").and_then(|name| idp.person(name)) else { return Err(bad) };
    let extra = Extra { groups: person.groups.clone(), sid: None };
    let claims = UserInfoClaims::new(standard(person, scope), extra);
    serde_json::to_value(claims).map_err(|_| Denied::because("server_error", "the claims could not be written"))
}

/// The claims of an access token that still counts.
fn live(idp: &LocalIdp, token: &str) -> Option<Value> {
    let claims = idp.mint.read(token, Kind::Access)?;
    let expires = claims.get("exp")?.as_i64()?;
    let family = claims.get("jti")?.as_str()?.split_once('.').map(|(family, _)| family);
    let subject = claims.get("sub")?.as_str()?;
    let counts = idp.mint.now().seconds() < expires
        && family.is_none_or(|family| idp.memory.lives(family))
        && !idp.memory.is_disabled(subject);
    counts.then_some(claims)
}

pub(super) async fn introspect(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    wire::answer(worth(&idp, &headers, &body))
}

fn worth(idp: &LocalIdp, headers: &HeaderMap, body: &[u8]) -> Result<Value, Denied> {
    let form = Fields::of_form(headers, body)?;
    let client = wire::client(idp, headers, &form)?;
    if client.secret.is_none() {
        // Otherwise anybody could try tokens (RFC 7662 §2.1).
        let denied = Denied::because("invalid_client", "a client without a secret may not introspect");
        return Err(denied.with(StatusCode::UNAUTHORIZED));
    }
    let token = form.find("token").ok_or(Denied::because("invalid_request", "`token` is needed"))?;
    if let Some(mut claims) = live(idp, token) {
        if let Some(members) = claims.as_object_mut() {
            members.insert("active".to_owned(), json!(true));
            members.insert("token_type".to_owned(), json!("Bearer"));
        }
        return Ok(claims);
    }
    let granted = idp.memory.look(token, idp.mint.now()).filter(|granted| granted.client == client.id);
    Ok(match granted {
        Some(granted) => {
            json!({ "active": true, "sub": granted.user, "client_id": granted.client, "scope": granted.scope })
        }
        None => json!({ "active": false }),
    })
}

/// Of a refresh token, and with it of all access tokens that came of it. Says the same of every token (RFC 7009 §2.2).
pub(super) async fn revoke(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    let revoked = Fields::of_form(&headers, &body).and_then(|form| {
        let client = wire::client(&idp, &headers, &form)?;
        let token = form.find("token").ok_or(Denied::because("invalid_request", "`token` is needed"))?;
        idp.memory.forget(token, &client.id);
        Ok(json!({}))
    });
    wire::answer(revoked)
}
