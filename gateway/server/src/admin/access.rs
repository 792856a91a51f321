//! Who uses the admin API, and from where? Whoever holds the admin key, a key with a role of ours, a token that `[admin]`
//! takes, or a certificate that `server.admin_client_certificates` vouches for; from a client that names this listener.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portcullis_core::govern::Administrator;
use portcullis_core::identify::{KEY_PREFIX, KeyText, Minted, Principal};
use portcullis_core::request::{Authority, CanonicalPath, DeclaredBody, Request as Asked, Scheme};

use super::Admin;
use super::problem::Refused;
use super::tls::Visitor;
use crate::control::Published;
use crate::world::random;

/// A fresh key of the environment `env`.
pub(crate) fn mint(env: &str) -> Result<Minted, String> {
    let mut drawn = [0u8; 96];
    random::fill(&mut drawn).map_err(|fault| fault.to_string())?;
    let (id, secret) = drawn.split_at(32);
    KeyText::mint(env, id, secret).map_err(|fault| format!("no key could be made: {fault:?}"))
}

/// A fresh secret of the environment `env` for the key `id`.
pub(super) fn reissue(env: &str, id: &str) -> Result<Minted, String> {
    let mut drawn = [0u8; 64];
    random::fill(&mut drawn).map_err(|fault| fault.to_string())?;
    KeyText::reissue(env, id, &drawn).map_err(|fault| format!("no secret could be made: {fault:?}"))
}

/// Who asks.
///
/// # Errors
/// 401 for nobody, or a credential that is none here; 503 when that cannot be told.
pub(super) async fn who(
    admin: &Admin,
    published: &Published,
    parts: &Parts,
    peer: IpAddr,
) -> Result<Administrator, Refused> {
    let certificate = Visitor::certificate(parts, published)?;
    let (governance, now) = (published.snapshot.governance(), admin.shared.world.clock.now());
    let Some(shown) = shown(&parts.headers) else {
        let Some(certificate) = certificate else {
            let detail = "this needs the admin key, or another credential of an administrator, as a bearer token";
            return Err(Refused::new(StatusCode::UNAUTHORIZED, "authentication_required", detail));
        };
        let holder = governance.identify().holder(&certificate, now)?;
        return governance.administrator(&holder)?.ok_or_else(no_credential);
    };
    if let Ok(key) = KeyText::parse(shown) {
        let hash = admin.store.admin_key.hash().await.map_err(|error| Refused::store(&error))?;
        if hash.is_some_and(|hash| verify_slices_are_equal(&key.hash(), &hash).is_ok()) {
            here(peer)?;
            return Ok(governance.holder_of_the_admin_key()?);
        }
    } else if shown.starts_with(KEY_PREFIX) || published.snapshot.admin().issuers.is_empty() {
        return Err(no_credential());
    }
    let path = parts.uri.path();
    let path = CanonicalPath::parse(path).or_else(|_| CanonicalPath::parse("/")).map_err(|_| no_credential())?;
    let host = host(&parts.headers, parts);
    let asked = Asked {
        method: &parts.method,
        scheme: Scheme::Https,
        host: host.host,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
        version: parts.version,
        client: peer,
        peer,
        certificate: certificate.as_deref(),
        body: DeclaredBody::Unknown,
    };
    let world = &admin.shared.world;
    let identity = governance.identify().identify(&asked, world.sources(), now).await?;
    match identity.principal {
        Principal::Client(_) | Principal::User(_) => {}
        Principal::Anonymous | Principal::ApiKey(_) | Principal::Certificate(_) => here(peer)?,
    }
    governance.administrator(&identity)?.ok_or_else(no_credential)
}

fn no_credential() -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "this is not the admin key")
}

/// Keys do not travel: where `server.admin` listens for others too, those show tokens.
fn here(peer: IpAddr) -> Result<(), Refused> {
    if peer.is_loopback() {
        return Ok(());
    }
    let detail = "keys open the admin API from this machine only; from elsewhere it takes tokens of `admin.issuers`, and \
                  certificates of `admin.holders`";
    Err(Refused::new(StatusCode::UNAUTHORIZED, "invalid_api_key", detail))
}

/// The bearer token or `X-API-Key`; one that is not ASCII reads as empty, and no key is that.
pub(super) fn shown(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop"))
        .map(|(_, token)| token);
    authorization.or_else(|| headers.get("x-api-key").map(|value| value.to_str().unwrap_or_default()))
}

/// Whom the client means to speak to; a name that is nobody's where it says none.
fn host<'a>(headers: &'a HeaderMap, parts: &'a Parts) -> Authority<'a> {
    let nobody = Authority { host: "".into(), port: None };
    Authority::parse(named(headers, &parts.uri)).unwrap_or(nobody)
}

fn named<'a>(headers: &'a HeaderMap, uri: &'a axum::http::Uri) -> &'a str {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str)).unwrap_or_default()
}

/// Refuses what a page of another origin, or a name that was rebound to us, makes a browser send.
pub(super) async fn check_host(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let host = named(request.headers(), request.uri());
    if !Authority::parse(host).is_ok_and(|authority| is_ours(&admin, &authority)) {
        return Refused::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected_request",
            "the admin API answers to loopback names and `admin.hosts` only",
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

/// A loopback name, the very address that is listened on, or one of `admin.hosts`.
fn is_ours(admin: &Admin, authority: &Authority<'_>) -> bool {
    let published = admin.shared.current();
    let listened = published.snapshot.server().admin.address().map(|address| address.ip());
    authority.host == "localhost"
        || published.snapshot.admin().hosts.iter().any(|host| *host == authority.host)
        || authority.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || Some(address) == listened)
}
