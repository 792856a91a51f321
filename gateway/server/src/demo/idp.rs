//! Who says who is who, when there is nobody else? An `OpenID` provider for development.
//!
//! It logs anyone on this machine in as anyone it knows: there is no password, or one that is printed in the
//! documentation. It therefore listens on loopback only, and answers only to loopback names, so that a web
//! page elsewhere cannot reach it by rebinding its own name.

mod about;
mod authorize;
mod clients;
mod error;
mod grant;
mod home;
mod logout;
mod memory;
mod metadata;
mod mint;
mod page;
mod people;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use portcullis_core::ports::Clock;
use tokio::net::TcpListener;

use super::serving::serve_until;
use logout::Messenger;
use memory::Memory;
use metadata::PublicKey;
use mint::Mint;

pub use clients::{Client, Uri};
pub use error::IdpError;
pub use people::{NotAPerson, Person};

/// The machine that `client_credentials` knows.
pub const MACHINE: &str = "demo-machine";

/// The gateway, as the provider's client.
pub const GATEWAY: &str = "portcullis";

/// Password of every user and secret of the demo's clients. No secret at all: it keeps tokens from being had by mistake.
pub const PASSWORD: &str = "demo";

/// How long an access token is good unless told otherwise.
pub const TOKEN_LIFE: Duration = Duration::from_hours(1);

const MAX_FORM: usize = 16 * 1024;

/// What a provider is like.
pub struct Settings {
    /// Its own URL, without a final slash.
    pub issuer: String,
    /// Whom access tokens are for: the gateway's public URL.
    pub audience: String,
    pub people: Vec<Person>,
    pub clients: Vec<Client>,
    pub token_life: Duration,
    /// A certificate authority, in PEM, that is believed besides the system's when clients are told of logouts.
    pub trust: Option<Vec<u8>>,
}

impl Settings {
    /// The demo's people, its machine, and the gateway at `audience` with the provider's alias `alias` there.
    pub fn demo(issuer: &str, audience: &str, alias: &str) -> Self {
        let mut gateway = Client::new(GATEWAY, Some(PASSWORD));
        gateway.redirect_uris.extend(Uri::new(&format!("{audience}/_portcullis/callback/{alias}")));
        gateway.post_logout_uris.extend(Uri::new(&format!("{audience}/")));
        gateway.backchannel_logout_uri = Uri::new(&format!("{audience}/_portcullis/backchannel-logout"));
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            people: Person::everyone(),
            clients: vec![gateway, Client::new(MACHINE, Some(PASSWORD))],
            token_life: TOKEN_LIFE,
            trust: None,
        }
    }
}

/// The local identity provider.
pub struct LocalIdp {
    mint: Mint,
    memory: Memory,
    messenger: Messenger,
    people: Vec<Person>,
    clients: Vec<Client>,
    metadata: String,
    key_set: String,
    /// The login cookie's name. Cookies know no ports, and several providers may run on one machine.
    cookie: String,
}

impl LocalIdp {
    /// Its ES256 key is kept in `idp.key` of `data_dir`, mode 0600, and made there if missing.
    ///
    /// Fails when the key cannot be had or the issuer is not a URL.
    pub fn open(data_dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, IdpError> {
        let key = portcullis_certs::PrivateKey::open_or_create(&data_dir.join("idp.key"))?;
        let public = PublicKey::of(key.public_point())?;
        let issuer = metadata::issuer(&settings.issuer)?;
        let metadata = metadata::provider(&settings.issuer)?;
        let cookie = format!("idp_login_{}", issuer.url().port_or_known_default().unwrap_or_default());
        let mint = Mint::new(&key, &public, (issuer, &settings.audience), settings.token_life, clock)?;
        let messenger = Messenger::new(settings.trust.as_deref())?;
        let Settings { people, clients, .. } = settings;
        Ok(Self { mint, memory: Memory::default(), messenger, people, clients, metadata, key_set: public.set, cookie })
    }

    /// An access token for a person (RFC 9068).
    pub fn token_for(&self, person: &Person) -> Result<String, IdpError> {
        self.mint.for_user(person, None)
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

    fn person(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.name == name)
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The login cookie a browser sent.
    fn cookie(&self, headers: &HeaderMap) -> Option<String> {
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, value)| value.to_owned())
    }

    fn set_cookie(&self, value: &str) -> HeaderValue {
        self.cookie_field(value, "")
    }

    fn clear_cookie(&self) -> HeaderValue {
        self.cookie_field("", "; Max-Age=0")
    }

    fn cookie_field(&self, value: &str, more: &str) -> HeaderValue {
        let field = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{more}", self.cookie);
        // Both are of letters, digits, `_` and `-`.
        HeaderValue::try_from(field).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Whether the provider may listen on `address`: on loopback only.
pub fn refuse_the_outside(address: SocketAddr) -> Result<(), IdpError> {
    if address.ip().is_loopback() { Ok(()) } else { Err(IdpError::NotLoopback(address)) }
}

fn router(idp: Arc<LocalIdp>) -> Router {
    Router::new()
        .route("/", get(home::home))
        .route("/.well-known/openid-configuration", get(describe))
        .route("/.well-known/oauth-authorization-server", get(describe))
        .route("/jwks", get(show_keys))
        .route("/authorize", get(authorize::begin).post(authorize::begin_posted))
        .route("/pick", post(authorize::pick))
        .route("/token", post(grant::token))
        .route("/userinfo", get(about::userinfo).post(about::userinfo))
        .route("/introspect", post(about::introspect))
        .route("/revoke", post(about::revoke))
        .route("/logout", get(logout::begin).post(logout::begin_posted))
        .route("/logout/confirm", post(logout::confirm))
        .route("/people", post(home::people))
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
