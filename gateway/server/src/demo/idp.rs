//! Who says who is who, when there is nobody else? A token issuer for development.
//!
//! It gives anyone on this machine a token for anyone it knows, against a password that is printed in the
//! documentation. It therefore listens on loopback only, and answers only to loopback names, so that a web
//! page elsewhere cannot reach it by rebinding its own name.

mod error;
mod grant;
mod metadata;
mod mint;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use portcullis_core::ports::Clock;
use tokio::net::TcpListener;

use super::serving::serve_until;
use mint::Mint;

pub use error::IdpError;

/// The machine that `client_credentials` knows.
pub const MACHINE: &str = "demo-machine";

/// Password of every user and secret of the machine. No secret at all: it keeps tokens from being had by mistake.
pub const PASSWORD: &str = "demo";

const MAX_FORM: usize = 16 * 1024;

/// Everyone the provider knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum User {
    Alice,
    Bob,
    Carol,
}

impl User {
    pub const ALL: [Self; 3] = [Self::Alice, Self::Bob, Self::Carol];

    /// The user name and the token's `sub`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        }
    }

    /// The token's `groups`.
    pub const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Alice => &["writers"],
            Self::Bob => &["readers"],
            Self::Carol => &[],
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|user| user.name() == name)
    }
}

/// The local identity provider.
pub struct LocalIdp {
    mint: Mint,
    metadata: String,
    key_set: String,
}

impl LocalIdp {
    /// An issuer called `issuer` (its own URL, without a final slash) of tokens for `audience` (the gateway's
    /// public URL). Its ES256 key is kept in `idp.key` of `data_dir`, mode 0600, and made there if missing.
    ///
    /// Fails when the key cannot be had or `issuer` is not a URL.
    pub fn open(data_dir: &Path, issuer: &str, audience: &str, clock: Arc<dyn Clock>) -> Result<Self, IdpError> {
        let key = portcullis_certs::PrivateKey::open_or_create(&data_dir.join("idp.key"))?;
        let (key_id, key_set) = metadata::key_set(key.public_point())?;
        let metadata = metadata::provider(issuer)?;
        Ok(Self { mint: Mint::new(&key, key_id, issuer, audience, clock), metadata, key_set })
    }

    /// An access token for `user`, good for an hour (RFC 9068).
    pub fn token_for(&self, user: User) -> Result<String, IdpError> {
        self.mint.for_user(user, None)
    }

    /// Serves on `listener`, plain HTTP, until `shutdown`.
    ///
    /// Fails at once when `listener` is not on a loopback address.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), IdpError> {
        let address = listener.local_addr().map_err(IdpError::Listen)?;
        refuse_the_outside(address)?;
        serve_until(listener, |_| router(Arc::new(self)), shutdown).await.map_err(IdpError::Listen)
    }
}

/// Whether the provider may listen on `address`: on loopback only.
pub fn refuse_the_outside(address: SocketAddr) -> Result<(), IdpError> {
    if address.ip().is_loopback() { Ok(()) } else { Err(IdpError::NotLoopback(address)) }
}

fn router(idp: Arc<LocalIdp>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(describe))
        .route("/.well-known/oauth-authorization-server", get(describe))
        .route("/jwks", get(show_keys))
        .route("/authorize", get(no_login))
        .route("/token", post(grant::token))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(from_fn(loopback_names_only))
        .with_state(idp)
}

async fn describe(State(idp): State<Arc<LocalIdp>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], idp.metadata.clone())
}

async fn show_keys(State(idp): State<Arc<LocalIdp>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/jwk-set+json")], idp.key_set.clone())
}

/// The metadata must name an authorization endpoint; this one says that there is no login page.
async fn no_login() -> impl IntoResponse {
    (StatusCode::NOT_IMPLEMENTED, "this provider has no login page: ask /token\n")
}

async fn loopback_names_only(request: Request, next: Next) -> Response {
    if host(request.headers()).or_else(|| request.uri().authority().cloned()).is_some_and(|host| is_loopback(&host)) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "this provider answers to localhost, 127.0.0.1 and [::1] only\n").into_response()
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

fn is_loopback(authority: &Authority) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| authority.host().eq_ignore_ascii_case(name))
}
