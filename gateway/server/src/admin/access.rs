//! Who may use the admin API? Whoever holds the admin key, from a client that names this listener.

use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portcullis_core::identify::{KeyText, Minted};
use portcullis_core::moment::Now;
use portcullis_core::request::Authority;

use super::Admin;
use super::problem::Refused;
use crate::world::random;
use crate::world::store::{AdminKey, Claim};

/// Makes the admin key when the store has none, and writes it to `admin.key` in `data`, mode 0600.
pub(crate) async fn ensure_key(kept: &AdminKey, data: &Path, now: Now) -> Result<PathBuf, String> {
    let file = data.join("admin.key");
    let key = mint("admin")?;
    let made = kept.claim(key.hash, "gateway", now.wall).await.map_err(|error| error.to_string())?;
    if made == Claim::Made {
        let text = format!("{}\n", key.text.expose());
        portcullis_certs::write_private(&file, text.as_bytes()).map_err(|error| error.to_string())?;
    }
    Ok(file)
}

/// A fresh key of the environment `env`.
pub(crate) fn mint(env: &str) -> Result<Minted, String> {
    let mut drawn = [0u8; 96];
    random::fill(&mut drawn).map_err(|fault| fault.to_string())?;
    let (id, secret) = drawn.split_at(32);
    KeyText::mint(env, id, secret).map_err(|fault| format!("no key could be made: {fault:?}"))
}

/// Whether the request shows the admin key.
///
/// # Errors
/// 401 for none or another, 503 when the store cannot tell.
pub(super) async fn judge(admin: &Admin, headers: &HeaderMap) -> Result<(), Refused> {
    let Some(shown) = shown(headers) else {
        let detail = "this needs the admin key, as a bearer token";
        return Err(Refused::new(StatusCode::UNAUTHORIZED, "authentication_required", detail));
    };
    let wrong = || Refused::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "this is not the admin key");
    let key = KeyText::parse(shown).map_err(|_| wrong())?;
    let hash = admin.store.admin_key.hash().await.map_err(|error| Refused::store(&error))?;
    match hash {
        Some(hash) if verify_slices_are_equal(&key.hash(), &hash).is_ok() => Ok(()),
        Some(_) | None => Err(wrong()),
    }
}

/// The bearer token or `X-API-Key`; one that is not ASCII reads as empty, and no key is that.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token);
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.to_str().unwrap_or_default()))
}

/// Refuses whoever does not hold the key.
pub(super) async fn demand_key(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match judge(&admin, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// Refuses what a page of another origin, or a name that was rebound to us, makes a browser send.
pub(super) async fn check_host(State(_): State<Admin>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(axum::http::uri::Authority::as_str)).unwrap_or_default();
    let local = Authority::parse(host).is_ok_and(|authority| {
        authority.host == "localhost"
            || authority.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    if !local {
        return Refused::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected_request",
            "the admin API answers to loopback names only",
        )
        .into_response();
    }
    if let Some(origin) = request.headers().get(header::ORIGIN)
        && request.method() != Method::GET
        && origin.to_str().ok().and_then(|origin| origin.strip_prefix("https://")) != Some(host)
    {
        return Refused::new(
            StatusCode::FORBIDDEN,
            "cross_site_request",
            "pages of other origins may not use the admin API",
        )
        .into_response();
    }
    next.run(request).await
}
